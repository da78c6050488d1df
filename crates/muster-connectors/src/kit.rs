//! What connectors share: how they talk to sources. Connector code itself neither opens sockets nor logs bodies.

pub mod definition;
pub mod http;
pub mod ldap;
pub(crate) mod marks;
pub(crate) mod steps;
