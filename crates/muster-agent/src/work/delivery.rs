//! One order's parcels on their way: to the hub, several at once, or into the spool while it is away.
//!
//! An order's first parcel goes alone, and its last one when all others have arrived: so `have = 0` means that nothing of
//! an order came, and who sees the last one has seen all. Once a parcel did not arrive, those in flight are waited for, and
//! it and all that follow go into the spool, in their order.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use async_trait::async_trait;
use bytes::Bytes;
use muster_core::agent::{BatchParcel, Offer, PackError, Parcel, pack};
use muster_core::connector::{Batch, BatchSink, ErrorKind, SinkClosed};
use muster_core::model::{DataModel, StreamModel};
use tokio::sync::{Mutex, OwnedSemaphorePermit};
use tokio::task::JoinSet;

use super::pieces;
use super::shared::Shared;
use crate::client::CallError;
use crate::spool::{Entry, SpoolError};

/// One order's way to the hub.
pub(crate) struct Delivery {
    order: i64,
    known: bool,
    model: Arc<DataModel>,
    /// Stream → the attributes that may leave.
    attributes: BTreeMap<String, Vec<String>>,
    shared: Arc<Shared>,
    closed: Arc<AtomicBool>,
    progress: Mutex<Progress>,
}

impl std::fmt::Debug for Delivery {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.debug_struct("Delivery").field("order", &self.order).finish_non_exhaustive()
    }
}

struct Progress {
    next: u64,
    flights: JoinSet<Landed>,
    spooling: bool,
    /// What could not be sent, and so is missing.
    missing: Option<String>,
    /// Why nothing more is taken.
    broken: Option<String>,
}

/// What became of a parcel.
enum Landed {
    /// The hub has it; without something, if that is said.
    Arrived(Option<String>),
    Over,
    /// It is held until it is in the spool.
    Stranded(Entry, OwnedSemaphorePermit, Option<String>),
    Refused(String),
}

/// What goes.
enum Cargo {
    Batch(Box<Batch>),
    Parcel(Parcel),
}

impl Delivery {
    /// A delivery; straight into the spool where the hub is away.
    pub(crate) fn new(
        shared: &Arc<Shared>,
        (order, known): (i64, bool),
        model: &Arc<DataModel>,
        attributes: &BTreeMap<String, Vec<String>>,
    ) -> Arc<Self> {
        let spooling = order < 0 || shared.is_away();
        let progress = Progress { next: 0, flights: JoinSet::new(), spooling, missing: None, broken: None };
        Arc::new(Self {
            order,
            known,
            model: Arc::clone(model),
            attributes: attributes.clone(),
            shared: Arc::clone(shared),
            closed: Arc::default(),
            progress: Mutex::new(progress),
        })
    }

    /// Nothing more is wanted.
    pub(crate) fn close(&self) {
        self.closed.store(true, Ordering::SeqCst);
    }

    /// Delivers a part that is no batch.
    pub(crate) async fn part(&self, parcel: Parcel) -> Result<(), SinkClosed> {
        self.dispatch(Cargo::Parcel(parcel), 4 << 10).await
    }

    /// Delivers the end, when all else has arrived. An end that speaks of what could not be sent says so.
    pub(crate) async fn end(&self, last: Parcel) -> Result<(), SinkClosed> {
        let mut progress = self.progress.lock().await;
        self.land_all(&mut progress).await?;
        let last = match progress.missing.take() {
            Some(missing) => super::amend(last, &missing),
            None => last,
        };
        let packed = match pack(&last) {
            Ok(packed) => packed,
            Err(error) => pack(&failed(&error.to_string())).map_err(|_| SinkClosed)?,
        };
        let entry = Entry { order: self.order, sequence: progress.next, last: true, parcel: packed.into() };
        progress.next += 1;
        if !progress.spooling {
            match self.shared.deliver(entry, &self.closed).await {
                Ok(()) => return Ok(()),
                Err(Undelivered::Over) => return Err(SinkClosed),
                Err(Undelivered::Refused(message)) => return self.give_up(&mut progress, message),
                Err(Undelivered::Stranded(entry)) => {
                    progress.spooling = true;
                    return self.spool(&mut progress, entry).await;
                }
            }
        }
        self.spool(&mut progress, entry).await
    }

    /// Whether the order is broken on this side: its place is lost.
    pub(crate) async fn broken(&self) -> Option<String> {
        self.progress.lock().await.broken.clone()
    }

    fn stream(&self, name: &str) -> Result<&Arc<StreamModel>, SinkClosed> {
        self.model.stream(name).ok_or(SinkClosed)
    }

    async fn dispatch(&self, cargo: Cargo, weight: usize) -> Result<(), SinkClosed> {
        if self.is_closed() {
            return Err(SinkClosed);
        }
        let (permit, mut progress) = loop {
            // What stranded gives its room back once it is in the spool, which is done here.
            let mut progress = self.progress.lock().await;
            while let Some(landed) = progress.flights.try_join_next() {
                self.land(&mut progress, vec![landed]).await?;
            }
            if let Some(permit) = self.shared.room_for(weight) {
                break (permit, progress);
            }
            drop(progress);
            self.shared.some_room().await;
            if self.is_closed() {
                return Err(SinkClosed);
            }
        };
        if progress.next == 1 {
            self.land_all(&mut progress).await?;
        }
        let sequence = progress.next;
        progress.next += 1;
        if progress.spooling {
            let model = self.model_of(&cargo)?;
            let (parcel, lost) = packed(cargo, model.as_deref(), None).ok_or(SinkClosed)?;
            progress.missing = lost.or(progress.missing.take());
            let entry = Entry { order: self.order, sequence, last: false, parcel };
            return self.spool(&mut progress, entry).await;
        }
        let model = self.model_of(&cargo)?;
        // Taken here, so that parcels have their turns in their order: the hub refuses what is too far ahead.
        let turn = self.shared.turn().await;
        let flight = Flight {
            order: self.order,
            sequence,
            known: self.known,
            shared: Arc::clone(&self.shared),
            closed: Arc::clone(&self.closed),
        };
        progress.flights.spawn(async move {
            let landed = flight.go(cargo, model, permit).await;
            drop(turn);
            landed
        });
        Ok(())
    }

    fn model_of(&self, cargo: &Cargo) -> Result<Option<Arc<StreamModel>>, SinkClosed> {
        match cargo {
            Cargo::Batch(batch) => self.stream(&batch.stream).map(|model| Some(Arc::clone(model))),
            Cargo::Parcel(_) => Ok(None),
        }
    }

    async fn land_all(&self, progress: &mut Progress) -> Result<(), SinkClosed> {
        let mut landed = Vec::new();
        while let Some(one) = progress.flights.join_next().await {
            landed.push(one);
        }
        self.land(progress, landed).await
    }

    /// Takes in what became of parcels. If one of them stranded, so does everything that is under way.
    async fn land(
        &self,
        progress: &mut Progress,
        mut landed: Vec<Result<Landed, tokio::task::JoinError>>,
    ) -> Result<(), SinkClosed> {
        if landed.iter().any(|one| matches!(one, Ok(Landed::Stranded(..)))) {
            while let Some(one) = progress.flights.join_next().await {
                landed.push(one);
            }
        }
        let mut stranded = Vec::new();
        for one in landed {
            match one {
                Ok(Landed::Arrived(lost)) => progress.missing = lost.or(progress.missing.take()),
                Ok(Landed::Over) => {
                    self.close();
                    return Err(SinkClosed);
                }
                Ok(Landed::Stranded(entry, permit, lost)) => {
                    progress.missing = lost.or(progress.missing.take());
                    stranded.push((entry, permit));
                }
                Ok(Landed::Refused(message)) => return self.give_up(progress, message),
                Err(error) => return self.give_up(progress, error.to_string()),
            }
        }
        stranded.sort_by_key(|(entry, _)| entry.sequence);
        for (entry, _permit) in stranded {
            progress.spooling = true;
            self.spool(progress, entry).await?;
        }
        Ok(())
    }

    fn give_up(&self, progress: &mut Progress, message: String) -> Result<(), SinkClosed> {
        progress.broken = Some(message);
        self.close();
        Err(SinkClosed)
    }

    /// Puts an entry into the spool, as soon as there is room.
    async fn spool(&self, progress: &mut Progress, entry: Entry) -> Result<(), SinkClosed> {
        let mut told = false;
        loop {
            if self.is_closed() {
                return Err(SinkClosed);
            }
            let (spool, one) = (Arc::clone(&self.shared.spool), entry.clone());
            let appended = tokio::task::spawn_blocking(move || spool.append(&one)).await;
            match appended {
                Ok(Ok(())) => return Ok(()),
                // Room comes from orders alone, and what is read ahead is none yet: this part is read when it is ordered.
                Ok(Err(SpoolError::Full)) if self.order < 0 && !self.shared.is_away() => self.close(),
                Ok(Err(SpoolError::Full)) => {
                    if !std::mem::replace(&mut told, true) {
                        self.shared.log.warn("the spool is full: reading waits until the hub takes something of it");
                    }
                    self.shared.spool.room().await;
                }
                Ok(Err(SpoolError::Disk(error))) => {
                    self.shared.log.warn(format!("the spool cannot be written: {error}"));
                    return self.give_up(progress, format!("the agent's spool cannot be written: {error}"));
                }
                Err(error) => return self.give_up(progress, error.to_string()),
            }
        }
    }
}

#[async_trait]
impl BatchSink for Delivery {
    async fn send(&self, mut batch: Batch) -> Result<(), SinkClosed> {
        let model = Arc::clone(self.stream(&batch.stream)?);
        let names = self.attributes.get(&model.name).map_or(&[][..], Vec::as_slice);
        if let Some(allowed) = pieces::closed(&model, names) {
            pieces::narrow(&mut batch, &model, &allowed);
        }
        for piece in pieces::split(batch, &model) {
            let weight = pieces::weight(&piece);
            self.dispatch(Cargo::Batch(Box::new(piece)), weight).await?;
        }
        Ok(())
    }

    fn is_closed(&self) -> bool {
        self.closed.load(Ordering::SeqCst) || self.shared.is_ending()
    }
}

/// A parcel under way.
struct Flight {
    order: i64,
    sequence: u64,
    known: bool,
    shared: Arc<Shared>,
    closed: Arc<AtomicBool>,
}

/// Why a parcel did not arrive.
pub(crate) enum Undelivered {
    Over,
    Stranded(Entry),
    Refused(String),
}

impl Flight {
    async fn go(self, cargo: Cargo, model: Option<Arc<StreamModel>>, permit: OwnedSemaphorePermit) -> Landed {
        let wanted = match &cargo {
            Cargo::Batch(batch) if self.known && !batch.keys_only && !batch.records.is_empty() => {
                match self.wanted(batch).await {
                    Ok(wanted) => wanted,
                    Err(()) => return Landed::Over,
                }
            }
            _ => None,
        };
        let Some((parcel, lost)) = packed(cargo, model.as_deref(), wanted.as_deref()) else {
            return Landed::Refused("a parcel cannot be packed".to_owned());
        };
        let entry = Entry { order: self.order, sequence: self.sequence, last: false, parcel };
        match self.shared.deliver(entry, &self.closed).await {
            Ok(()) => Landed::Arrived(lost),
            Err(Undelivered::Over) => Landed::Over,
            Err(Undelivered::Refused(message)) => Landed::Refused(message),
            Err(Undelivered::Stranded(entry)) => Landed::Stranded(entry, permit, lost),
        }
    }

    /// The bits of what is wanted; none where nobody answered: all goes then.
    async fn wanted(&self, batch: &Batch) -> Result<Option<Vec<u8>>, ()> {
        let Ok(offer) = pack(&Offer::of(batch)) else { return Ok(None) };
        let offer = Bytes::from(offer);
        loop {
            match self.shared.link.wanted(self.order, offer.clone()).await {
                Ok(bits) => return Ok(Some(bits)),
                Err(CallError::Over) => return Err(()),
                Err(CallError::Wait(wait)) => tokio::time::sleep(wait).await,
                Err(CallError::Refused(_)) => return Ok(None),
                Err(CallError::Failed(failure)) => {
                    self.shared.fails(failure);
                    return Ok(None);
                }
            }
        }
    }
}

/// Packs cargo. Of one thing that is too long for a parcel an empty batch goes, and what is missing is said.
fn packed(cargo: Cargo, model: Option<&StreamModel>, wanted: Option<&[u8]>) -> Option<(Bytes, Option<String>)> {
    let (parcel, instead) = match (cargo, model) {
        (Cargo::Parcel(parcel), _) => (parcel, None),
        (Cargo::Batch(batch), Some(model)) => {
            let empty = super::nothing(model, &batch.scope);
            (Parcel::Batch(BatchParcel::of(*batch, model, wanted)), Some(empty))
        }
        (Cargo::Batch(_), None) => return None,
    };
    match (pack(&parcel), instead) {
        (Ok(packed), _) => Some((packed.into(), None)),
        (Err(PackError::TooLong), Some(empty)) => {
            let lost = "one record, list or document is too long for a parcel and was left out".to_owned();
            pack(&empty).ok().map(|packed| (packed.into(), Some(lost)))
        }
        (Err(_), _) => None,
    }
}

fn failed(message: &str) -> Parcel {
    Parcel::Failed(muster_core::agent::Failure {
        kind: ErrorKind::Protocol,
        operation: "delivering the end of a reading".to_owned(),
        message: message.to_owned(),
        remedy: None,
    })
}
