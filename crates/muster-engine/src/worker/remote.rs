//! A connector that an agent reads: its calls become orders, and what the agent sends are the batches (docs/adr/0013).
//!
//! ```text
//! executor ─call→ Remote ─order→ store ─→ web ─→ agent
//!                   └←─ parcels, in their sequence ─┘
//! ```
//!
//! *Is here*: the call's life, and doubts about what came. *Is not here*: HTTP (web), what the agent does.

mod call;
mod doubt;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, PoisonError};

use async_trait::async_trait;
use muster_core::agent::{Parcel, Task};
use muster_core::clock::{Clock, Instant};
use muster_core::connector::{
    Batch, BatchSink, Connector, ConnectorError, ErrorKind, Mode, Plan, ReadRequest, ScopeEnd, SinkClosed, Step,
    StepOutcome, StepSink, Verdict,
};
use muster_core::model::DataModel;
use muster_store::hub::{NewOrder, OrderRow, OrderState};
use muster_store::{ConnectorRow, Store};

use crate::scope::INTERRUPTIONS;
use call::Call;

/// How long a connection test waits for an agent that does not call: a test has an end of its own.
const SILENCE_OF_A_TEST: i64 = 30_000_000;

/// Whose call it is: what the orders of a job have in common.
#[derive(Debug, Clone)]
pub(super) struct Ordering {
    pub(super) tenant: i64,
    pub(super) connector: i64,
    /// Whose agent. A connection test is any agent's of the connector.
    pub(super) profile: Option<i64>,
    pub(super) job: i64,
    /// Stream → the id of its map.
    pub(super) maps: BTreeMap<String, i64>,
}

/// A connector at the far end of the store.
pub(super) struct Remote {
    store: Store,
    clock: Arc<dyn Clock>,
    /// The same connector, opened here to say what it is; it is asked for nothing.
    described: Arc<dyn Connector>,
    ordering: Ordering,
    /// Since when an agent is waited for.
    opened_at: Instant,
    /// The orders of this process: what is read anew gets a new one.
    used: Mutex<BTreeSet<i64>>,
}

impl Remote {
    pub(super) fn new(
        (store, clock): (Store, Arc<dyn Clock>),
        described: Arc<dyn Connector>,
        ordering: Ordering,
    ) -> Self {
        let opened_at = clock.now();
        Self { store, clock, described, ordering, opened_at, used: Mutex::default() }
    }

    /// Begins a call, or goes on with it where a process before this one left it: then from its first parcel on.
    async fn call(&self, task: Task) -> Result<Call<'_>, ConnectorError> {
        let operation = words(&task);
        let failed = |error| call::store_failed(&operation, error);
        let tenant = self.ordering.tenant;
        let orders = self.store.orders_of_job(tenant, self.ordering.job).await.map_err(failed)?;
        let used = self.used.lock().unwrap_or_else(PoisonError::into_inner).clone();
        let goes_on =
            |order: &&OrderRow| order.task == task && order.state != OrderState::Lost && !used.contains(&order.id);
        let left = orders.iter().find(goes_on);
        let order = match left {
            Some(order) => {
                self.store.retake_order(tenant, order.id).await.map_err(failed)?;
                order.id
            }
            None => {
                // What the calls before brought is in the inventory; a plan, and what belongs to the same scope, stays.
                let over = orders.iter().filter(|order| match task {
                    Task::Read { .. } => order.task != Task::Plan,
                    _ => order.task == task,
                });
                let over: Vec<i64> = over.map(|order| order.id).collect();
                self.store.drop_orders(tenant, &over).await.map_err(failed)?;
                self.order(&task).await.map_err(failed)?
            }
        };
        self.used.lock().unwrap_or_else(PoisonError::into_inner).insert(order);
        Ok(Call::new(self, order, operation))
    }

    async fn order(&self, task: &Task) -> Result<i64, muster_store::StoreError> {
        let Ordering { tenant, connector, profile, job, .. } = self.ordering;
        let (map, known) = match task {
            Task::Read { stream, scope, mode, .. } => {
                let row = ConnectorRow { id: connector, tenant, name: String::new() };
                let scopes = self.store.scopes(&row).await?;
                let read = |known: &&muster_store::ScopeRow| known.stream == *stream && known.name == *scope;
                let was_read = scopes.iter().find(read).is_some_and(|known| known.complete_at.is_some());
                (self.ordering.maps.get(stream).copied(), was_read && mode.reads_records())
            }
            _ => (None, false),
        };
        self.store.add_order(&NewOrder { tenant, connector, profile, job, task, map, known }).await
    }

    async fn plan_once(&self) -> Result<Plan, ConnectorError> {
        let mut call = self.call(Task::Plan).await?;
        match call.next(&|| false).await? {
            Parcel::Plan(plan) => {
                call.end().await?;
                doubt::plan(plan, self.model()).map_err(|problem| call.senseless(problem))
            }
            other => Err(call.unexpected(other).await),
        }
    }

    async fn check_once(&self, sink: &dyn StepSink) -> Result<bool, ConnectorError> {
        let mut call = self.call(Task::Check).await?.with_patience(SILENCE_OF_A_TEST);
        let mut next = call.next(&|| false).await?;
        let message = "the agent answers; it goes on from its machine".to_owned();
        sink.step(Step { name: "agent".to_owned(), outcome: StepOutcome::Passed, message, remedy: None });
        loop {
            match next {
                Parcel::Step(told) => sink.step(doubt::step(told)),
                Parcel::Checked(passed) => return call.end().await.map(|()| passed),
                other => return Err(call.unexpected(other).await),
            }
            next = call.next(&|| false).await?;
        }
    }

    async fn confirm_once(
        &self,
        stream: &str,
        keys: &[String],
        sink: &dyn BatchSink,
    ) -> Result<Vec<Verdict>, ConnectorError> {
        let mut call = self.call(Task::Confirm { stream: stream.to_owned(), keys: keys.to_vec() }).await?;
        match self.batches(&mut call, stream, sink).await?.0 {
            Parcel::Verdicts(verdicts) => {
                call.end().await?;
                (verdicts.len() == keys.len()).then_some(verdicts).ok_or_else(|| call.senseless("number of verdicts"))
            }
            other => Err(call.unexpected(other).await),
        }
    }

    /// Hands on the batches of a call; gives the parcel that ends it, and the names of attributes that were left out.
    async fn batches(
        &self,
        call: &mut Call<'_>,
        stream: &str,
        sink: &dyn BatchSink,
    ) -> Result<(Parcel, BTreeSet<String>), ConnectorError> {
        let mut strange = BTreeSet::new();
        loop {
            match call.next(&|| sink.is_closed()).await? {
                Parcel::Batch(parcel) => {
                    let batch = self.batch(call, stream, (parcel, &mut strange)).await?;
                    sink.send(batch).await.map_err(|SinkClosed| call.cancelled())?;
                }
                last => return Ok((last, strange)),
            }
        }
    }

    /// A parcel as the batch it was. Attributes that this version does not know are left out, and their names kept.
    async fn batch(
        &self,
        call: &mut Call<'_>,
        stream: &str,
        (parcel, strange): (muster_core::agent::BatchParcel, &mut BTreeSet<String>),
    ) -> Result<Batch, ConnectorError> {
        let made = match self.model().stream(stream).filter(|_| parcel.stream() == stream) {
            Some(model) => parcel.into_batch(model).map_err(|error| error.to_string()),
            None => Err("it is of another stream than was ordered".to_owned()),
        };
        match made {
            Ok((batch, unknown)) => {
                strange.extend(unknown.into_iter().map(doubt::text).take(doubt::NAMES));
                Ok(batch)
            }
            Err(problem) => {
                call.end().await?;
                Err(call.refused(&problem))
            }
        }
    }
}

impl std::fmt::Debug for Remote {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.debug_struct("Remote").field("ordering", &self.ordering).finish_non_exhaustive()
    }
}

/// What is being done, for people.
fn words(task: &Task) -> String {
    match task {
        Task::Plan => "asking the agent what there is to read".to_owned(),
        Task::Read { stream, scope, .. } => format!("reading {stream} of `{scope}` by the agent"),
        Task::Confirm { stream, keys, .. } => format!("asking the agent for {} {stream} again", keys.len()),
        Task::Check => "testing the connection from the agent".to_owned(),
    }
}

#[async_trait]
impl Connector for Remote {
    fn model(&self) -> &Arc<DataModel> {
        self.described.model()
    }

    fn can_confirm(&self) -> bool {
        self.described.can_confirm()
    }

    fn marks_records(&self) -> bool {
        self.described.marks_records()
    }

    async fn plan(&self) -> Result<Plan, ConnectorError> {
        for _ in 0..INTERRUPTIONS {
            match self.plan_once().await {
                Err(error) if error.kind == ErrorKind::Interrupted => {}
                done => return done,
            }
        }
        self.plan_once().await
    }

    async fn read(&self, request: ReadRequest<'_>, sink: &dyn BatchSink) -> Result<ScopeEnd, ConnectorError> {
        let stream = &request.scope.stream;
        let task = Task::Read {
            stream: stream.clone(),
            scope: request.scope.name.to_string(),
            mode: request.mode,
            cursor: request.cursor.cloned(),
        };
        let mut call = self.call(task).await?;
        let (last, strange) = self.batches(&mut call, stream, sink).await?;
        let Parcel::End(end) = last else { return Err(call.unexpected(last).await) };
        call.end().await?;
        let allowed = end.mode == request.mode || request.mode == Mode::Delta && end.mode == Mode::Full;
        let mut end = doubt::end(end).map_err(|problem| call.senseless(problem))?;
        if !allowed {
            return Err(call.senseless("mode"));
        }
        if !strange.is_empty() {
            let names = strange.into_iter().collect::<Vec<_>>().join(", ");
            let note = format!("the agent knows attributes that this hub does not, and that were left out: {names}");
            end.notes.push(note);
        }
        Ok(end)
    }

    async fn confirm(
        &self,
        stream: &str,
        keys: &[String],
        sink: &dyn BatchSink,
    ) -> Result<Vec<Verdict>, ConnectorError> {
        for _ in 0..INTERRUPTIONS {
            match self.confirm_once(stream, keys, sink).await {
                // What it brought comes again: a record twice is one, a set of links begins anew.
                Err(error) if error.kind == ErrorKind::Interrupted => {}
                done => return done,
            }
        }
        self.confirm_once(stream, keys, sink).await
    }

    async fn check(&self, sink: &dyn StepSink) -> bool {
        let failed = |error: ConnectorError| {
            let ConnectorError { message, remedy, .. } = error;
            sink.step(Step { name: "agent".to_owned(), outcome: StepOutcome::Failed, message, remedy });
            false
        };
        self.check_once(sink).await.unwrap_or_else(failed)
    }
}
