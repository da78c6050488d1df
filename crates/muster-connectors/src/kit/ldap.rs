//! Reading directories over LDAP (RFC 4511), bytes as they came.
//!
//! ```text
//! Settings ─connect→ Connection ─bind→ … begin(Search, cookie) → Ticket ─receive→ Entry, Entry, … PageEnd{cookie}
//! ```
//!
//! *Is here*: the part of LDAP that reading needs: simple bind, StartTLS, paged search with controls. An own reader,
//! since it costs about 40 % less CPU than the established client, holds one message in memory, hands binary values
//! over as bytes and treats every byte from the server as hostile (docs/adr/0001).
//!
//! *Is not here*: writing to a directory, SASL, following referrals.

mod ber;
mod connection;
mod error;
mod filter;
mod message;
mod tls;

pub use connection::{Connection, ConnectionSettings, Encryption, LDAP_PORT, LDAPS_PORT};
pub use error::{BindFailure, LdapError};
pub use filter::Filter;
pub use message::{Attribute, Entry, PageEnd, Range, ResultCode, Scope, Search, SearchControls, Ticket};
pub use tls::{CertificateError, read_certificates};

/// What reads a directory: the wire reader here, the oracle in tests.
pub trait DirectoryReader: Send {
    /// Asks for a page: the first with an empty cookie, the next with the cookie of the page before.
    fn begin(&mut self, search: &Search, cookie: &[u8]) -> Result<Ticket, LdapError>;

    /// Receives the page that was asked for; every entry is lent to `on_entry` while it lies in the buffer. While the
    /// server is silent `on_entry` is called without one, so that a cancelled run need not wait.
    fn receive(
        &mut self,
        ticket: Ticket,
        on_entry: &mut dyn FnMut(Option<&Entry<'_>>) -> Result<(), LdapError>,
    ) -> Result<PageEnd, LdapError>;

    /// Bytes received since the connection was opened.
    fn bytes_received(&self) -> u64;
}

#[cfg(test)]
mod tests;
