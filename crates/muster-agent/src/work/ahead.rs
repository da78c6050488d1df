//! Reading ahead: the hub is away at the hour, and the orders of a run are anticipated.
//!
//! What is read goes into the spool under orders of its own, below zero. The list of them, with what each one answers,
//! lies beside it and outlives the process.

use std::io::Write as _;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::PathBuf;
use std::sync::Arc;

use muster_core::agent::{Order, Parcel, Task};
use muster_core::connector::{ConnectorError, ErrorKind, Mode, ScopePlan};
use serde::{Deserialize, Serialize};

use super::Work;
use super::delivery::Delivery;
use super::session::Source;

/// What was read ahead, and for which run.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Ahead {
    /// The run's request.
    pub(crate) request: String,
    /// When the reading began, RFC 3339.
    pub(crate) read_at: String,
    parts: Vec<Part>,
}

/// An order's place in the spool, and what it answers.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Part {
    pub(super) order: i64,
    pub(super) task: Task,
}

impl Work {
    fn manifest(&self) -> PathBuf {
        self.settings.spool.directory.join("ahead.json")
    }

    /// What a process before this one read ahead.
    pub(crate) fn ahead(&self) -> Option<Ahead> {
        let ahead: Ahead = serde_json::from_slice(&std::fs::read(self.manifest()).ok()?).ok()?;
        self.state().ahead.clone_from(&ahead.parts);
        Some(ahead)
    }

    /// Nothing of it is waited for any more.
    pub(crate) fn forget_ahead(&self) {
        let _ = std::fs::remove_file(self.manifest());
        for part in std::mem::take(&mut self.state().ahead) {
            self.forget(part.order);
        }
    }

    /// Reads what a run would order, by what was last heard of the hub; none where that cannot be.
    pub(crate) async fn read_ahead(&self, request: &str) -> Option<Ahead> {
        let Some(source) = self.source() else {
            self.shared.log.warn("the hub is away, and was never reached by this process: what to read is not known");
            return None;
        };
        let read_at = self.clock.now().to_rfc3339();
        let lowest = self.shared.spool.orders().into_iter().map(|(order, _)| order).min().unwrap_or(0).min(0);
        self.state().reading_ahead = true;
        let read = self.read_parts(&source, lowest - 1, request).await;
        let parts = match read {
            Ok(parts) => parts,
            Err(error) => {
                self.state().reading_ahead = false;
                self.refused(&error.into());
                return None;
            }
        };
        // What was read ahead before is in what was read now: both began at the same cursors.
        self.forget_ahead();
        let ahead = Ahead { request: request.to_owned(), read_at, parts };
        {
            let mut state = self.state();
            state.ahead.clone_from(&ahead.parts);
            state.reading_ahead = false;
        }
        if let Err(error) = self.keep(&ahead) {
            self.shared.log.warn(format!("what was read ahead is lost with this process: {error}"));
        }
        let count = ahead.parts.len().saturating_sub(1);
        self.shared.log.info(format!("the hub is away: {count} scopes were read ahead and wait in the spool"));
        Some(ahead)
    }

    async fn read_parts(&self, source: &Arc<Source>, first: i64, job: &str) -> Result<Vec<Part>, ConnectorError> {
        let (opened, _) = self.connector(source, job).map_err(|error| {
            ConnectorError::new(ErrorKind::Config, "opening the connector", error.to_string()).with_remedy(error.remedy)
        })?;
        let plan = opened.plan().await?;
        let scopes = plan.scopes.clone();
        let mut parts = Vec::new();
        let deliver = |id| Delivery::new(&self.shared, (id, false), &source.model(), &source.configuration.attributes);
        let mut order = first;
        if deliver(order).end(Parcel::Plan(plan.into())).await.is_ok() {
            parts.push(Part { order, task: Task::Plan });
        }
        for scope in scopes {
            order -= 1;
            let task = self.task(&scope);
            let delivery = deliver(order);
            let Task::Read { mode, cursor, .. } = &task else { continue };
            let like = Order { id: order, job: job.to_owned(), task: task.clone(), known: false, have: 0 };
            let read = self.read(source, &like, (&scope, *mode, cursor.as_ref()), &delivery).await;
            let last = match read {
                Ok(last) => last,
                Err(error) if error.kind == ErrorKind::Cancelled => continue,
                Err(error) => return Err(error),
            };
            if delivery.end(last).await.is_ok() {
                parts.push(Part { order, task });
            }
        }
        Ok(parts)
    }

    /// What a run will most likely order of a scope: what changed since the cursor that was last heard of.
    fn task(&self, scope: &ScopePlan) -> Task {
        let known = self.cursors().into_iter().find(|one| one.stream == scope.stream && *one.scope == *scope.name);
        let cursor = known.map(|known| known.cursor);
        let mode = if cursor.is_some() { Mode::Delta } else { Mode::Full };
        Task::Read { stream: scope.stream.clone(), scope: scope.name.to_string(), mode, cursor }
    }

    fn keep(&self, ahead: &Ahead) -> std::io::Result<()> {
        let path = self.manifest();
        let part = path.with_extension("part");
        let _ = std::fs::remove_file(&part);
        let mut file = std::fs::File::options().write(true).create_new(true).mode(0o600).open(&part)?;
        file.write_all(&serde_json::to_vec(ahead)?)?;
        file.sync_all()?;
        std::fs::rename(part, path)
    }
}
