//! The embedded store of `sync`, `query` and `doctor`.

use std::fs::File;
use std::os::unix::fs::DirBuilderExt as _;
use std::path::Path;

use anyhow::{Context, anyhow};
use muster_store::{Location, Store};

use crate::failure::Failure;

const WRITABLE: &str = "give a directory that this user may make and write to";

/// An open store and the lock that keeps a second writer out.
pub(crate) struct State {
    pub(crate) store: Store,
    _lock: Option<File>,
}

/// Opens the store for writing, making it where there is none.
pub(crate) async fn open(directory: &Path) -> Result<State, Failure> {
    let shown = directory.display();
    // What lies in it is nobody else's to read on this machine.
    std::fs::DirBuilder::new()
        .recursive(true)
        .mode(0o700)
        .create(directory)
        .with_context(|| format!("making `{shown}`"))
        .map_err(|error| Failure::failed(error).with_hint(WRITABLE))?;
    let lock = lock_file(directory)?;
    if lock.try_lock().is_err() {
        return Err(Failure::failed(anyhow!("the store in `{shown}` is in use by another muster"))
            .with_hint("wait for it to end, or give another directory"));
    }
    let store = Store::open(&Location::Directory(directory.to_path_buf())).await?;
    Ok(State { store, _lock: Some(lock) })
}

fn lock_file(directory: &Path) -> Result<File, Failure> {
    let path = directory.join("lock");
    let lock = File::options().create(true).truncate(false).write(true).open(&path);
    let lock = lock.with_context(|| format!("opening `{}`", path.display()));
    lock.map_err(|error| Failure::failed(error).with_hint(WRITABLE))
}

/// Opens a store that must be there, for reading.
pub(crate) async fn open_existing(directory: &Path) -> Result<State, Failure> {
    if !directory.join("muster.db").is_file() {
        return Err(Failure::usage(anyhow!("there is no store in `{}`", directory.display()))
            .with_hint("`muster sync CONNECTOR.toml --state DIR` makes one"));
    }
    let store = Store::open_beside(&Location::Directory(directory.to_path_buf())).await?;
    // A writer that was killed may have left indexes unmade; one that is at work holds the lock, and makes them itself.
    if store.lacks_indexes().await? {
        let lock = lock_file(directory)?;
        if lock.try_lock().is_ok() {
            store.end_load().await?;
        }
    }
    Ok(State { store, _lock: None })
}
