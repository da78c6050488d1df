//! Orders → calls of the connector.

use std::sync::Arc;

use muster_core::agent::{Order, Parcel, Task};
use muster_core::connector::{ConnectorError, Cursor, ErrorKind, Mode, ReadRequest, ScopePlan, Step, StepSink};
use tokio::sync::mpsc::{UnboundedSender, unbounded_channel};

use super::Work;
use super::delivery::Delivery;
use super::session::Source;

/// Takes a check's steps from whatever thread they come; a check has a dozen at the most.
struct Steps(UnboundedSender<Step>);

impl StepSink for Steps {
    fn step(&self, step: Step) {
        let _ = self.0.send(step);
    }
}

impl Work {
    /// Does what an order says, and delivers its end.
    pub(super) async fn execute(&self, source: &Source, order: &Order, delivery: &Arc<Delivery>) {
        let Some(_turn) = self.shared.reading().await else { return };
        let last = match self.answer(source, order, delivery).await {
            Ok(last) => last,
            // Nobody waits for it any more; or it broke on this side, and is given back.
            Err(ConnectorError { kind: ErrorKind::Cancelled, .. }) => {
                if let Some(why) = delivery.broken().await {
                    self.shared.log.warn(format!("order {} is given back: {why}", order.id));
                    self.give_back(order.id).await;
                }
                return;
            }
            Err(error) => {
                let failure = error.into();
                self.refused(&failure);
                Parcel::Failed(failure)
            }
        };
        let _ = delivery.end(last).await;
        if let Some(why) = delivery.broken().await {
            self.shared.log.warn(format!("order {} is given back: {why}", order.id));
            self.give_back(order.id).await;
        }
    }

    async fn answer(&self, source: &Source, order: &Order, delivery: &Arc<Delivery>) -> Result<Parcel, ConnectorError> {
        let (connector, is_new) = self.connector(source, &order.job).map_err(|error| {
            ConnectorError::new(ErrorKind::Config, "opening the connector", error.to_string()).with_remedy(error.remedy)
        })?;
        // The plan was another process's; it also pins the server, and so this one asks for it, too.
        if is_new && matches!(order.task, Task::Read { .. } | Task::Confirm { .. }) {
            connector.plan().await?;
        }
        match &order.task {
            Task::Plan => connector.plan().await.map(|plan| Parcel::Plan(plan.into())),
            Task::Read { stream, scope, mode, cursor } => {
                let scope = ScopePlan { stream: stream.clone(), name: scope.as_str().into() };
                self.read(source, order, (&scope, *mode, cursor.as_ref()), delivery).await
            }
            Task::Confirm { stream, keys } => {
                on_the_list(source, stream)?;
                connector.confirm(stream, keys, &**delivery).await.map(Parcel::Verdicts)
            }
            Task::Check => {
                let (sender, mut steps) = unbounded_channel::<Step>();
                let forward = Arc::clone(delivery);
                let forwarded = tokio::spawn(async move {
                    while let Some(step) = steps.recv().await {
                        if forward.part(Parcel::Step(step.into())).await.is_err() {
                            return;
                        }
                    }
                });
                let sink = Steps(sender);
                let passed = connector.check(&sink).await;
                drop(sink);
                let _ = forwarded.await;
                Ok(Parcel::Checked(passed))
            }
        }
    }

    /// Reads a scope.
    pub(super) async fn read(
        &self,
        source: &Source,
        order: &Order,
        (scope, mode, cursor): (&ScopePlan, Mode, Option<&Cursor>),
        delivery: &Arc<Delivery>,
    ) -> Result<Parcel, ConnectorError> {
        on_the_list(source, &scope.stream)?;
        let (connector, _) = self
            .connector(source, &order.job)
            .map_err(|error| ConnectorError::new(ErrorKind::Config, "opening the connector", error.to_string()))?;
        let request = ReadRequest { scope, mode, cursor };
        connector.read(request, &**delivery).await.map(|end| Parcel::End(end.into()))
    }
}

/// The closed list (design D14): a stream that is not on it is not read.
fn on_the_list(source: &Source, stream: &str) -> Result<(), ConnectorError> {
    if source.configuration.attributes.contains_key(stream) {
        return Ok(());
    }
    let message = format!("the hub names no attribute of `{stream}` that may leave");
    Err(ConnectorError::new(ErrorKind::Config, "reading", message))
}
