//! From the spool to the hub: an order's entries, one after the other, and what is missing said.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use muster_core::agent::{Order, Parcel, Task, pack, unpack};

use super::delivery::Undelivered;
use super::{SOON, Work, amend, nothing};
use crate::client::CallError;
use crate::spool::{Entry, Reading, SpoolError};

const LOOK: Duration = Duration::from_millis(100);

/// How far an order's delivery from the spool has come.
#[derive(Default)]
struct Course {
    /// The sequence that comes next, once the hub has said what it holds.
    expected: Option<u64>,
    /// Parcels that are neither in the spool nor in the hub.
    missing: u64,
}

/// Why a delivery stops.
enum Stop {
    /// Nothing more is wanted.
    Over,
    /// The hub is away: the same segment again, later.
    Away,
    /// The hub will not have it, or the disk does not give it.
    Broken(String),
}

impl Work {
    /// Delivers what is in the spool under `from` as the parcels of an order, until all was `read` and delivered.
    pub(super) async fn drain(&self, order: &Order, from: i64, closed: &AtomicBool, read: &AtomicBool) {
        let mut course = Course::default();
        let ends = |work: &Self| closed.load(Ordering::SeqCst) || work.shared.is_ending();
        while !ends(self) {
            // Looked at before the spool: what was appended last is seen.
            let all = read.load(Ordering::SeqCst);
            let spool = Arc::clone(&self.shared.spool);
            let reading = match tokio::task::spawn_blocking(move || spool.read(from)).await {
                Ok(Ok(Some(reading))) => reading,
                Ok(Ok(None)) if all => return,
                Ok(Ok(None)) => {
                    tokio::time::sleep(LOOK).await;
                    continue;
                }
                Ok(Err(error)) => return self.broken(order, from, &error.to_string()).await,
                Err(_) => return,
            };
            match self.segment(order, reading, &mut course, closed).await {
                Ok(()) => {}
                Err(Stop::Away) => tokio::time::sleep(SOON).await,
                Err(Stop::Over) => return self.forget(from),
                Err(Stop::Broken(why)) => return self.broken(order, from, &why).await,
            }
        }
    }

    async fn broken(&self, order: &Order, from: i64, why: &str) {
        self.shared.log.warn(format!("order {} is given back: {why}", order.id));
        self.forget(from);
        self.give_back(order.id).await;
    }

    async fn segment(
        &self,
        order: &Order,
        mut reading: Reading,
        course: &mut Course,
        closed: &AtomicBool,
    ) -> Result<(), Stop> {
        loop {
            let spool = Arc::clone(&self.shared.spool);
            let next = tokio::task::spawn_blocking(move || {
                let next = spool.next(&mut reading);
                (next, reading)
            });
            let (next, back) = next.await.map_err(|_| Stop::Over)?;
            reading = back;
            let delivered = match next {
                Ok(Some(entry)) => self.entry(order, entry, course, closed).await,
                Ok(None) => return self.shared.spool.done(reading).map_err(disk),
                Err(error) => Err(disk(error)),
            };
            if let Err(stop) = delivered {
                self.shared.spool.put_back(&reading);
                return Err(stop);
            }
        }
    }

    async fn entry(&self, order: &Order, entry: Entry, course: &mut Course, closed: &AtomicBool) -> Result<(), Stop> {
        let mut expected = match course.expected {
            Some(expected) if expected == entry.sequence => expected,
            // Parcels between may have arrived before the hub went away: it says what it holds.
            _ => self.held(order.id).await?.max(course.expected.unwrap_or(0)),
        };
        while expected < entry.sequence {
            let empty = self.empty(order)?;
            self.put(order.id, Entry { order: order.id, sequence: expected, last: false, parcel: empty }, closed)
                .await?;
            course.missing += 1;
            expected += 1;
        }
        course.expected = Some(expected.max(entry.sequence + 1));
        if entry.sequence < expected {
            return Ok(());
        }
        let mut entry = entry;
        if entry.last && course.missing > 0 {
            entry.parcel = amended(&entry.parcel, course.missing)?;
        }
        let (order, sequence) = (order.id, entry.sequence);
        self.put(order, entry, closed).await.inspect_err(|_| course.expected = Some(sequence))
    }

    async fn put(&self, order: i64, entry: Entry, closed: &AtomicBool) -> Result<(), Stop> {
        match self.shared.deliver(Entry { order, ..entry }, closed).await {
            Ok(()) => Ok(()),
            Err(Undelivered::Over) => Err(Stop::Over),
            Err(Undelivered::Stranded(_)) => Err(Stop::Away),
            Err(Undelivered::Refused(why)) => Err(Stop::Broken(why)),
        }
    }

    async fn held(&self, order: i64) -> Result<u64, Stop> {
        match self.have(order).await {
            Ok(Some(have)) => Ok(have),
            Ok(None) | Err(CallError::Over | CallError::Refused(_)) => Err(Stop::Over),
            Err(CallError::Wait(_)) => Err(Stop::Away),
            Err(CallError::Failed(failure)) => {
                self.shared.fails(failure);
                Err(Stop::Away)
            }
        }
    }

    fn empty(&self, order: &Order) -> Result<bytes::Bytes, Stop> {
        let (stream, scope) = match &order.task {
            Task::Read { stream, scope, .. } => (stream.as_str(), scope.as_str()),
            Task::Confirm { stream, .. } => (stream.as_str(), ""),
            Task::Plan | Task::Check => return Err(Stop::Broken("a part of it is missing".to_owned())),
        };
        let model = self.source().map(|source| source.model()).ok_or(Stop::Away)?;
        let model = model.stream(stream).ok_or(Stop::Over)?;
        pack(&nothing(model, scope)).map(Into::into).map_err(|error| Stop::Broken(error.to_string()))
    }
}

fn disk(error: SpoolError) -> Stop {
    match error {
        SpoolError::Full => Stop::Away,
        SpoolError::Disk(error) => Stop::Broken(format!("the spool cannot be read: {error}")),
    }
}

/// The end of an order of which parcels are missing: dropped because the spool was full, torn or altered on the disk.
fn amended(parcel: &[u8], missing: u64) -> Result<bytes::Bytes, Stop> {
    let odd = |error: muster_core::agent::PackError| Stop::Broken(error.to_string());
    let last: Parcel = unpack(parcel).map_err(odd)?;
    let why = format!(
        "{missing} parts of what was read were lost in the agent's spool: dropped when it was full, or altered"
    );
    pack(&amend(last, &why)).map(Into::into).map_err(odd)
}
