//! What can end a run.

use muster_core::connector::ConnectorError;
use muster_store::StoreError;
use thiserror::Error;

/// A failure of a run as a whole.
#[derive(Debug, Error)]
pub enum EngineError {
    /// The source cannot be read at all.
    #[error(transparent)]
    Connector(#[from] ConnectorError),
    /// The store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// A part of the pipeline ended without a word.
    #[error("the pipeline of scope `{scope}` stopped unexpectedly")]
    Pipeline {
        /// The scope.
        scope: String,
    },
    /// A stream has no transform map.
    #[error("stream `{stream}` has no transform map")]
    NoMap {
        /// The stream.
        stream: String,
    },
}
