//! Why a simulator does not start.

use std::io;
use std::net::SocketAddr;

use thiserror::Error;

/// A failure of a simulator.
#[derive(Debug, Error)]
pub enum LabError {
    /// Another address than this machine's own was asked for.
    #[error("`{0}` can be reached from other machines: the lab listens on loopback only, unless told otherwise")]
    NotLoopback(SocketAddr),
    /// The address cannot be listened on.
    #[error("listening on `{address}`")]
    Listen {
        /// The address.
        address: SocketAddr,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// More objects were asked for than there are numbers.
    #[error("`{what}` is {count}: at most {limit}")]
    TooMany {
        /// Of what.
        what: &'static str,
        /// How many.
        count: u64,
        /// How many there can be.
        limit: u64,
    },
}
