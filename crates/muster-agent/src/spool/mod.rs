//! What waits on disk while the hub is away.
//!
//! ```text
//! DIR/lock                          one process
//! DIR/segments/NUMBER.ORDER         at most 16 MiB of one order's parcels, entry.rs; appended, fsynced
//! DIR/quarantine/NUMBER.OFFSET      bytes that are no entry: torn, or altered
//! ```
//!
//! An order's entries stand in the order of their sequence. They are read one at a time, so what is in memory does not grow
//! with what is on disk. Nothing here knows what a parcel is: only the connector's records are in it, no secret.

mod entry;
mod segments;

use std::collections::BTreeSet;
use std::fs::File;
use std::io::Write as _;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use muster_core::agent::Spooled;
use thiserror::Error;
use tokio::sync::Notify;

use crate::failure::{Failure, Kind};
use crate::settings::{SpoolSettings, WhenFull};
pub(crate) use entry::Entry;
use segments::{Segment, Segments};

/// A segment that is as long as this takes no more entries.
const SEGMENT: u64 = 16 << 20;

/// Why something is not in the spool.
#[derive(Debug, Error)]
pub(crate) enum SpoolError {
    /// There is no room, by the settings or on the disk.
    #[error("the spool is full")]
    Full,
    /// The disk.
    #[error("the spool cannot be written or read")]
    Disk(#[source] std::io::Error),
}

/// Parcels on disk.
#[derive(Debug)]
pub(crate) struct Spool {
    settings: SpoolSettings,
    state: Mutex<State>,
    room: Notify,
    /// Held as long as the process lives.
    _lock: File,
}

#[derive(Debug)]
struct State {
    segments: Segments,
    /// The segment that is appended to.
    open: Option<(u64, File)>,
    /// Segments that are being read: they are not dropped.
    reading: BTreeSet<u64>,
    quarantined: u64,
    dropped: u64,
}

impl Spool {
    /// Opens the directory, or makes it; what is torn or altered goes to the quarantine.
    pub(crate) fn open(settings: &SpoolSettings) -> Result<Arc<Self>, Failure> {
        let directory = &settings.directory;
        let failed = |message: String, remedy: &str| {
            Failure::new(Kind::Settings, format!("opening the spool `{}`", directory.display()), message, remedy)
        };
        let writable = "set `muster.spool.directory` to a directory that this account may write";
        let disk = |error: std::io::Error| failed(error.to_string(), writable);
        segments::make(directory).map_err(disk)?;
        let lock = File::create(directory.join("lock")).map_err(disk)?;
        lock.try_lock().map_err(|_| {
            failed(
                "another agent uses it".to_owned(),
                "stop the other agent, or give this one a `muster.spool.directory` of its own",
            )
        })?;
        let mut segments = Segments::of(directory);
        let quarantined = segments.load().map_err(disk)?;
        let state = State { segments, open: None, reading: BTreeSet::new(), quarantined, dropped: 0 };
        let settings = settings.clone();
        Ok(Arc::new(Self { settings, state: Mutex::new(state), room: Notify::new(), _lock: lock }))
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// What is there, for the hub.
    pub(crate) fn told(&self) -> Spooled {
        let state = self.state();
        let (entries, bytes) = state.segments.sum();
        Spooled { entries, bytes, quarantined: state.quarantined, dropped: state.dropped }
    }

    /// Orders, each with whether its last parcel is there.
    pub(crate) fn orders(&self) -> Vec<(i64, bool)> {
        self.state().segments.orders()
    }

    /// Whether an order has anything here.
    pub(crate) fn has(&self, order: i64) -> bool {
        self.state().segments.first_of(order).is_some()
    }

    /// Whether an order's last parcel is here.
    pub(crate) fn is_whole(&self, order: i64) -> bool {
        self.orders().iter().any(|(known, last)| *known == order && *last)
    }

    /// Appends a parcel; it is on the disk when this returns.
    pub(crate) fn append(&self, entry: &Entry) -> Result<(), SpoolError> {
        let bytes = entry.encode();
        let length = bytes.len() as u64;
        let mut state = self.state();
        while state.segments.sum().1 + length > self.settings.limit {
            if self.settings.when_full == WhenFull::Wait || !state.drop_oldest()? {
                return Err(SpoolError::Full);
            }
        }
        loop {
            match state.write(entry, &bytes) {
                Err(error)
                    if matches!(error.kind(), std::io::ErrorKind::StorageFull | std::io::ErrorKind::QuotaExceeded) =>
                {
                    if self.settings.when_full == WhenFull::Wait || !state.drop_oldest()? {
                        return Err(SpoolError::Full);
                    }
                }
                written => return written.map_err(SpoolError::Disk),
            }
        }
    }

    /// Waits until something was removed, or a while: a disk gets room in other ways, too.
    pub(crate) async fn room(&self) {
        let _ = tokio::time::timeout(std::time::Duration::from_secs(2), self.room.notified()).await;
    }

    /// The first segment of an order, to be read from its beginning; it is appended to no more.
    pub(crate) fn read(&self, order: i64) -> Result<Option<Reading>, SpoolError> {
        let mut state = self.state();
        let Some(number) = state.segments.first_of(order) else { return Ok(None) };
        if state.open.as_ref().is_some_and(|(open, _)| *open == number) {
            state.open = None;
        }
        state.reading.insert(number);
        let entries = state.segments.entries(number).map_err(SpoolError::Disk)?;
        Ok(Some(Reading { number, entries }))
    }

    /// The next entry of what is read. What is no entry goes to the quarantine.
    pub(crate) fn next(&self, reading: &mut Reading) -> Result<Option<Entry>, SpoolError> {
        let (next, torn) = reading.entries.next().map_err(SpoolError::Disk)?;
        if !torn.is_empty() {
            let mut state = self.state();
            for range in torn {
                state.segments.quarantine(reading.number, &range).map_err(SpoolError::Disk)?;
                state.quarantined += 1;
            }
        }
        Ok(next)
    }

    /// Removes a segment that was read and delivered.
    pub(crate) fn done(&self, reading: Reading) -> Result<(), SpoolError> {
        let mut state = self.state();
        state.reading.remove(&reading.number);
        state.segments.remove(reading.number).map_err(SpoolError::Disk)?;
        drop(state);
        self.room.notify_waiters();
        Ok(())
    }

    /// Lets a segment be that was not delivered to its end.
    pub(crate) fn put_back(&self, reading: &Reading) {
        self.state().reading.remove(&reading.number);
    }

    /// Removes all of an order.
    pub(crate) fn remove(&self, order: i64) -> Result<(), SpoolError> {
        let mut state = self.state();
        while let Some(number) = state.segments.first_of(order) {
            if state.open.as_ref().is_some_and(|(open, _)| *open == number) {
                state.open = None;
            }
            state.reading.remove(&number);
            state.segments.remove(number).map_err(SpoolError::Disk)?;
        }
        drop(state);
        self.room.notify_waiters();
        Ok(())
    }
}

impl State {
    fn write(&mut self, entry: &Entry, bytes: &[u8]) -> std::io::Result<()> {
        let fits = |open: u64, segments: &Segments| {
            segments.get(open).is_some_and(|segment| segment.order == entry.order && segment.bytes < SEGMENT)
        };
        if !self.open.as_ref().is_some_and(|(number, _)| fits(*number, &self.segments)) {
            self.open = Some(self.segments.begin(entry.order)?);
        }
        let Some((number, file)) = &mut self.open else { return Ok(()) };
        let Some(before) = self.segments.get(*number).map(|segment| segment.bytes) else { return Ok(()) };
        if let Err(error) = file.write_all(bytes).and_then(|()| file.sync_data()) {
            // What is half there would be in the way of the next; if even this fails, reading finds its way past it.
            let _ = file.set_len(before);
            let empty = before == 0;
            let number = *number;
            self.open = None;
            if empty {
                let _ = self.segments.remove(number);
            }
            return Err(error);
        }
        self.segments.grow(*number, bytes.len() as u64, entry.last);
        Ok(())
    }

    /// Drops the oldest segment that nobody reads; false where there is none.
    fn drop_oldest(&mut self) -> Result<bool, SpoolError> {
        let Some(&Segment { number, entries, .. }) = self.segments.oldest(&self.reading) else { return Ok(false) };
        if self.open.as_ref().is_some_and(|(open, _)| *open == number) {
            self.open = None;
        }
        self.segments.remove(number).map_err(SpoolError::Disk)?;
        self.dropped += entries;
        Ok(true)
    }
}

/// A segment that is read.
#[derive(Debug)]
pub(crate) struct Reading {
    number: u64,
    entries: entry::Entries,
}

#[cfg(test)]
mod tests;
