//! Muster's pure core: what every other crate agrees on.
//!
//! *Is here*: the data model and its records ([`model`], [`record`]), transform maps ([`map`]), assets and their
//! schema with the query tokens ([`asset`]), reconciliation ([`reconcile`]), the run's state machine ([`run`]), the
//! query language ([`query`]), the connector contract ([`connector`]) and its way over a line ([`agent`]), when a profile runs
//! ([`schedule`]), and how secrets rest ([`seal`]).
//!
//! *Is not here*: input and output of any kind. No runtime, no database, no sockets, no clock of its own: time and
//! randomness are parameters.
//!
//! *To extend*: a new kind of source brings a data model (a data file) and maps (data files); a new asset class adds
//! its fields to [`asset::schema`], from which search columns, tokens and documentation follow.

pub mod agent;
pub mod asset;
pub mod clock;
pub mod connector;
pub mod fold;
pub mod ledger;
pub mod link;
pub mod map;
pub mod model;
pub mod query;
pub mod reconcile;
pub mod record;
pub mod run;
pub mod schedule;
pub mod seal;
pub mod secret;
pub mod value;
mod yaml;
