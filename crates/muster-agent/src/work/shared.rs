//! What all work of an agent shares: the way to the hub, the spool, and how much goes at once.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::sync::{OwnedSemaphorePermit, Semaphore, watch};

use super::delivery::Undelivered;
use crate::client::{CallError, Link};
use crate::failure::Failure;
use crate::log::Log;
use crate::spool::{Entry, Spool};

/// What may be under way at once, in KiB, whatever the pool: peak memory hangs on it.
const UNDER_WAY: usize = 12 << 10;

/// What all work shares.
pub(crate) struct Shared {
    pub(crate) link: Link,
    pub(crate) spool: Arc<Spool>,
    pub(crate) log: Log,
    turns: Arc<Semaphore>,
    readings: Arc<Semaphore>,
    room: Arc<Semaphore>,
    away: AtomicBool,
    ending: AtomicBool,
    fatal: Mutex<Option<Failure>>,
    end: watch::Sender<bool>,
}

impl std::fmt::Debug for Shared {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.debug_struct("Shared").field("link", &self.link).finish_non_exhaustive()
    }
}

impl Shared {
    pub(crate) fn new(link: Link, spool: Arc<Spool>, log: Log, parallel: usize) -> Arc<Self> {
        Arc::new(Self {
            link,
            spool,
            log,
            turns: Arc::new(Semaphore::new(parallel)),
            readings: Arc::new(Semaphore::new(parallel)),
            room: Arc::new(Semaphore::new(UNDER_WAY)),
            away: AtomicBool::new(false),
            ending: AtomicBool::new(false),
            fatal: Mutex::default(),
            end: watch::channel(false).0,
        })
    }

    /// Whether the hub was away when it was last spoken to.
    pub(crate) fn is_away(&self) -> bool {
        self.away.load(Ordering::SeqCst)
    }

    /// Whether the process is to end.
    pub(crate) fn is_ending(&self) -> bool {
        self.ending.load(Ordering::SeqCst)
    }

    /// Everything is to end.
    pub(crate) fn end(&self) {
        self.ending.store(true, Ordering::SeqCst);
        let _ = self.end.send(true);
    }

    /// Returns once everything is to end.
    pub(crate) async fn ended(&self) {
        let mut end = self.end.subscribe();
        let _ = end.wait_for(|end| *end).await;
    }

    /// The hub answered.
    pub(crate) fn answered(&self) {
        if self.away.swap(false, Ordering::SeqCst) {
            self.log.info("the hub answers again");
        }
    }

    /// The hub did not answer, or not well. What no waiting mends ends the process.
    pub(crate) fn fails(&self, failure: Failure) {
        let ends = failure.kind.ends_the_daemon();
        if !self.away.swap(true, Ordering::SeqCst) || ends {
            self.log.failure(&failure);
        }
        if ends {
            self.fatal.lock().unwrap_or_else(PoisonError::into_inner).get_or_insert(failure);
            self.end();
        }
    }

    /// What ended the process.
    pub(crate) fn fatal(&self) -> Option<Failure> {
        self.fatal.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// A turn to deliver.
    pub(crate) async fn turn(&self) -> Option<OwnedSemaphorePermit> {
        Arc::clone(&self.turns).acquire_owned().await.ok()
    }

    /// A turn to read.
    pub(crate) async fn reading(&self) -> Option<OwnedSemaphorePermit> {
        Arc::clone(&self.readings).acquire_owned().await.ok()
    }

    /// Room for something that weighs so much, if there is any now.
    pub(crate) fn room_for(&self, weight: usize) -> Option<OwnedSemaphorePermit> {
        let permits = (weight >> 10).clamp(1, UNDER_WAY);
        Arc::clone(&self.room).try_acquire_many_owned(u32::try_from(permits).unwrap_or(1)).ok()
    }

    /// Waits until there may be room.
    pub(crate) async fn some_room(&self) {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }

    /// Delivers a parcel, as often as the hub asks to wait.
    pub(crate) async fn deliver(&self, entry: Entry, closed: &AtomicBool) -> Result<(), Undelivered> {
        loop {
            if closed.load(Ordering::SeqCst) || self.is_ending() {
                return Err(Undelivered::Over);
            }
            match self.link.put(entry.order, entry.sequence, entry.parcel.clone()).await {
                Ok(()) => return Ok(()),
                Err(CallError::Over) => return Err(Undelivered::Over),
                Err(CallError::Wait(wait)) => tokio::time::sleep(wait).await,
                Err(CallError::Refused(failure)) => {
                    self.log.failure(&failure);
                    return Err(Undelivered::Refused(failure.message));
                }
                Err(CallError::Failed(failure)) => {
                    self.fails(failure);
                    return Err(Undelivered::Stranded(entry));
                }
            }
        }
    }
}
