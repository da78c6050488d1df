//! Whether the store takes writes: a full disk makes it read-only, until there is space again.
//!
//! ```text
//! a statement fails for want of space ─→ lacking ─→ every write is refused, reading goes on
//!                                        lacking ─→ look_for_space: room beside the database, and a write ─→ as before
//! ```

use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use crate::StoreError;

/// How much room there has to be before writes are tried again: some batches.
const ROOM: usize = 8 << 20;

/// What is known of it, by all who hold the store.
#[derive(Debug, Clone)]
pub(crate) struct Space {
    lacking: Arc<AtomicBool>,
    /// Where an embedded database lies.
    directory: Option<PathBuf>,
}

impl Space {
    pub(crate) fn new(directory: Option<PathBuf>) -> Self {
        Self { lacking: Arc::default(), directory }
    }

    pub(crate) fn is_lacking(&self) -> bool {
        self.lacking.load(Ordering::SeqCst)
    }

    /// Remembers a failure that says so.
    pub(crate) fn notice(&self, error: &StoreError) {
        if error.is_read_only() && !self.lacking.swap(true, Ordering::SeqCst) {
            let error = error as &dyn std::error::Error;
            tracing::error!(error, "the store's disk is full, or it takes no writes; reading goes on");
        }
    }

    pub(crate) fn found(&self) {
        if self.lacking.swap(false, Ordering::SeqCst) {
            tracing::warn!("the store takes writes again");
        }
    }

    /// Whether there is room for some batches beside an embedded database.
    pub(crate) async fn has_room(&self) -> bool {
        let Some(directory) = self.directory.clone() else { return true };
        let tried = tokio::task::spawn_blocking(move || try_room(&directory)).await;
        matches!(tried, Ok(Ok(())))
    }
}

fn try_room(directory: &Path) -> std::io::Result<()> {
    let path = directory.join("space.partial");
    let written = std::fs::File::create(&path).and_then(|mut file| {
        file.write_all(&vec![0x6d; ROOM])?;
        file.sync_all()
    });
    let removed = std::fs::remove_file(&path);
    written.and(removed)
}
