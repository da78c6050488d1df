//! The scripted source as a connector.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use async_trait::async_trait;
use muster_core::connector::{
    Batch, BatchSink, Connector, ConnectorError, CountRange, Cursor, ErrorKind, Mode, Plan, ReadRequest, Reject,
    ScopeEnd, ScopePlan, SinkClosed, StepSink, Traffic, Verdict,
};
use muster_core::link::LinkPage;
use muster_core::model::{DataModel, StreamModel};

use crate::world::{Fault, Name, World};

#[derive(Debug)]
pub(crate) struct Source {
    model: Arc<DataModel>,
    world: Mutex<World>,
    pub(crate) cancel: Arc<AtomicBool>,
    /// Keys that were asked for again.
    pub(crate) asked: AtomicU64,
    /// A store that is looked at after each page: how many records it lay behind what had been handed over.
    pub(crate) watched: Mutex<Option<muster_store::Store>>,
    pub(crate) behind: Mutex<Vec<u64>>,
}

impl Source {
    pub(crate) fn new(world: World, cancel: Arc<AtomicBool>) -> Self {
        let model = Arc::new(DataModel::parse(include_str!("model.yaml")).unwrap());
        Self {
            model,
            world: Mutex::new(world),
            cancel,
            asked: AtomicU64::new(0),
            watched: Mutex::default(),
            behind: Mutex::default(),
        }
    }

    pub(crate) fn world(&self) -> MutexGuard<'_, World> {
        self.world.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn stream(&self, name: &str) -> &Arc<StreamModel> {
        self.model.stream(name).unwrap()
    }

    /// Adds a record, or its key alone, and its links.
    fn add(&self, batch: &mut Batch, name: &Name, keys_only: bool) {
        let (world, model) = (self.world(), self.stream(name.0));
        if keys_only {
            batch.records.push_key(&name.1);
            return;
        }
        for (attribute, value) in world.readable(name) {
            batch.records.push(model.attribute(attribute).unwrap().id, value);
        }
        batch.records.finish(model, &name.1);
        let Some(members) = world.objects.get(name).and_then(|object| object.members.as_ref()) else { return };
        let mut pages: Vec<Vec<_>> = members.chunks(world.member_page).map(<[_]>::to_vec).collect();
        if pages.is_empty() {
            pages.push(Vec::new());
        }
        let count = pages.len();
        for (at, members) in pages.into_iter().enumerate() {
            let (owner, kind) = (name.1.clone(), "member".to_owned());
            batch.links.push(LinkPage { owner, kind, first: at == 0, last: at + 1 == count, members });
        }
    }

    fn strike(&self, fault: &Fault, page: usize) -> Result<(), ConnectorError> {
        match fault {
            Fault::Fail(at, kind) if *at == page => {
                Err(ConnectorError::new(kind.clone(), "reading a page", "the source went away"))
            }
            Fault::Move(at, name, to) if *at == page => {
                self.world().move_to(name, to);
                Ok(())
            }
            Fault::Cancel(at) if *at == page => {
                self.cancel.store(true, Ordering::SeqCst);
                Ok(())
            }
            _ => Ok(()),
        }
    }

    fn counted(&self, stream: &str, scope: &str, faults: &[Fault]) -> u64 {
        let off = faults.iter().map(|fault| if let Fault::Miscount(off) = fault { *off } else { 0 }).sum();
        u64::try_from(self.world().listed(stream, scope).len()).unwrap().checked_add_signed(off).unwrap()
    }

    /// What a scope lists in that mode.
    fn listing(&self, stream: &'static str, scope: &str, (mode, since): (Mode, u64)) -> Vec<String> {
        let world = self.world();
        let mut keys = world.listed(stream, scope);
        keys.retain(|key| mode != Mode::Delta || world.objects[&(stream, key.clone())].usn > since);
        keys
    }

    async fn pages(
        &self,
        request: &ReadRequest<'_>,
        (mode, since): (Mode, u64),
        (faults, sink): (&[Fault], &dyn BatchSink),
    ) -> Result<Option<String>, ConnectorError> {
        let stream = self.name(&request.scope.stream);
        let empty = faults.iter().any(|fault| matches!(fault, Fault::Empty));
        let keys = if empty { Vec::new() } else { self.listing(stream, &request.scope.name, (mode, since)) };
        let size = self.world().page;
        let closed = |_: SinkClosed| ConnectorError::new(ErrorKind::Cancelled, "handing over a page", "closed");
        for (number, page) in keys.chunks(size).enumerate() {
            for fault in faults {
                self.strike(fault, number)?;
            }
            if faults.iter().any(|fault| matches!(fault, Fault::Cut(at) if *at == number)) {
                return Ok(Some(format!("cut after {number} pages")));
            }
            let mut batch = Batch::new(Arc::from(stream), Arc::clone(&request.scope.name));
            batch.keys_only = mode == Mode::Sweep;
            for key in page {
                let name = (stream, key.clone());
                let here = self.world().objects.get(&name).is_some_and(|found| *found.scope == *request.scope.name);
                let broken = faults.iter().any(|fault| matches!(fault, Fault::Unreadable(bad) if bad == key));
                if broken {
                    let reject = Reject { key: Some(key.clone()), reason: "unreadable".to_owned(), raw: Vec::new() };
                    batch.rejects.push(reject);
                } else if here {
                    self.add(&mut batch, &name, mode == Mode::Sweep);
                }
            }
            let times = faults.iter().fold(1, |times, fault| match fault {
                Fault::LosePage(at) if *at == number => 0,
                Fault::RepeatPage(at) if *at == number => 2,
                _ => times,
            });
            for _ in 0..times {
                sink.send(batch.clone()).await.map_err(closed)?;
            }
            if let Some(mended) =
                faults.iter().find_map(|fault| if let Fault::Mend(key) = fault { Some(key) } else { None })
                && page.contains(mended)
            {
                let name = (stream, mended.clone());
                self.world().set(stream, mended, "badge", "B-mended");
                let mut again = Batch::new(Arc::from(stream), Arc::clone(&request.scope.name));
                self.add(&mut again, &name, mode == Mode::Sweep);
                sink.send(again).await.map_err(closed)?;
            }
            self.look(u64::try_from((number + 1) * size).unwrap()).await;
        }
        let mut last = Batch::new(Arc::from(stream), Arc::clone(&request.scope.name));
        if let Some(count) = faults.iter().find_map(|fault| if let Fault::Keyless(n) = fault { Some(*n) } else { None })
        {
            let reject = Reject { key: None, reason: "no key".to_owned(), raw: vec![1] };
            last.rejects = vec![reject; count];
        }
        if mode == Mode::Delta {
            let world = self.world();
            let here =
                |(name, _, usn): &&(Name, String, u64)| name.0 == stream && *usn > since && world.shows_tombstones;
            last.tombstones = world.tombstones.iter().filter(here).map(|(name, _, _)| name.1.clone()).collect();
        }
        sink.send(last).await.map_err(closed)?;
        Ok(None)
    }

    /// Notes how far the watched store lies behind what was handed over.
    async fn look(&self, handed: u64) {
        let watched = self.watched.lock().unwrap_or_else(PoisonError::into_inner).clone();
        let Some(store) = watched else { return };
        let mut reader = store.reader().await.unwrap();
        let sql = "SELECT COUNT(*) FROM asset WHERE stream = 'people'".to_owned();
        let row = reader.conn().fetch_one("counting people", sql, Vec::new()).await.unwrap().unwrap();
        let written = u64::try_from(row.int(0).unwrap()).unwrap();
        self.behind.lock().unwrap_or_else(PoisonError::into_inner).push(handed.saturating_sub(written));
    }

    fn name(&self, stream: &str) -> &'static str {
        self.world().scopes.keys().find(|name| **name == stream).copied().unwrap()
    }
}

#[async_trait]
impl Connector for Source {
    fn model(&self) -> &Arc<DataModel> {
        &self.model
    }

    fn can_confirm(&self) -> bool {
        self.world().confirms
    }

    fn marks_records(&self) -> bool {
        self.world().marks
    }

    async fn plan(&self) -> Result<Plan, ConnectorError> {
        let world = self.world();
        if world.away {
            let error = ConnectorError::new(ErrorKind::Unavailable, "connecting to `server`", "nobody answers");
            return Err(error.with_remedy("start it"));
        }
        let scopes = self.model.streams.iter().flat_map(|stream| {
            let names = world.scopes.get(stream.name.as_str()).cloned().unwrap_or_default();
            names.into_iter().map(|name| ScopePlan { stream: stream.name.clone(), name: Arc::from(name) })
        });
        Ok(Plan { scopes: scopes.collect(), notes: Vec::new(), origin: Some("server".to_owned()) })
    }

    async fn read(&self, request: ReadRequest<'_>, sink: &dyn BatchSink) -> Result<ScopeEnd, ConnectorError> {
        let stream = self.name(&request.scope.stream);
        let scope = request.scope.name.to_string();
        let faults = {
            let mut world = self.world();
            let queue = world.faults.iter_mut().find(|((of, name), _)| *of == stream && **name == *scope);
            queue.and_then(|(_, queue)| queue.pop_front()).unwrap_or_default()
        };
        let since = request.cursor.and_then(|cursor| cursor.0.parse().ok());
        let mode = if request.mode == Mode::Delta && since.is_none() { Mode::Full } else { request.mode };
        let usn = self.world().usn;
        let before = self.counted(stream, &scope, &faults);
        let open = self.pages(&request, (mode, since.unwrap_or(0)), (&faults, sink)).await?;
        let after = self.counted(stream, &scope, &faults);
        let counted = self.world().counts.then(|| CountRange { low: before.min(after), high: before.max(after) });
        let cursor = (mode != Mode::Sweep).then(|| Cursor(usn.to_string()));
        let traffic = Traffic { calls: 1, throttled_ms: 0, bytes: 100 };
        Ok(ScopeEnd { mode, open, counted, cursor, notes: Vec::new(), traffic })
    }

    async fn confirm(
        &self,
        stream: &str,
        keys: &[String],
        sink: &dyn BatchSink,
    ) -> Result<Vec<Verdict>, ConnectorError> {
        self.asked.fetch_add(u64::try_from(keys.len()).unwrap(), Ordering::SeqCst);
        if let Some(kind) = self.world().confirming_fails.clone() {
            return Err(ConnectorError::new(kind, "asking again", "the source went away"));
        }
        let stream = self.name(stream);
        let mut verdicts = Vec::new();
        for key in keys {
            let name = (stream, key.clone());
            let (verdict, scope) = {
                let world = self.world();
                let scope = world.objects.get(&name).map(|object| object.scope.clone());
                let planned = scope.as_ref().is_some_and(|scope| world.scopes[stream].contains(&scope.as_str()));
                let truth = match (&scope, planned) {
                    (None, _) => Verdict::Deleted,
                    (Some(_), true) => Verdict::Present,
                    (Some(_), false) => Verdict::OutOfScope,
                };
                (world.verdicts.get(key).copied().unwrap_or(truth), scope)
            };
            if let (Verdict::Present, Some(scope)) = (verdict, scope) {
                let mut batch = Batch::new(Arc::from(stream), Arc::from(scope));
                self.add(&mut batch, &name, false);
                sink.send(batch)
                    .await
                    .map_err(|_| ConnectorError::new(ErrorKind::Cancelled, "handing over a record", "closed"))?;
            }
            verdicts.push(verdict);
        }
        Ok(verdicts)
    }

    async fn check(&self, _sink: &dyn StepSink) -> bool {
        true
    }
}
