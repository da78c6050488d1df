//! One call: takes the parcels of its order in their sequence, and knows when to wait no longer.

use std::time::Duration;

use muster_core::agent::{Parcel, SILENCE, unpack};
use muster_core::connector::{ConnectorError, ErrorKind};
use muster_store::StoreError;
use muster_store::hub::OrderState;

use super::{Remote, doubt};

/// How often the store is looked at, whether or not a hint came (design D10); whoever is cancelled waits no longer.
const LOOK: Duration = Duration::from_millis(250);
/// So many parcels are taken before that is written down: a quarter of those that may wait.
const TAKEN_AT_ONCE: i64 = 16;

/// A call under way.
pub(super) struct Call<'a> {
    remote: &'a Remote,
    order: i64,
    operation: String,
    patience: i64,
    next: i64,
    /// What is written down of `next`.
    told: i64,
}

/// The store's failure while a call waited.
pub(super) fn store_failed(operation: &str, error: StoreError) -> ConnectorError {
    tracing::warn!(error = &error as &dyn std::error::Error, operation, "waiting for an agent");
    ConnectorError::new(ErrorKind::Unavailable, operation, "the hub's store failed; the hub's log says why")
}

impl<'a> Call<'a> {
    pub(super) fn new(remote: &'a Remote, order: i64, operation: String) -> Self {
        Self { remote, order, operation, patience: SILENCE, next: 0, told: 0 }
    }

    pub(super) fn with_patience(mut self, patience: i64) -> Self {
        self.patience = patience;
        self
    }

    /// The next parcel. Waits for it, unless nobody wants it any more or the agent is gone.
    pub(super) async fn next(&mut self, is_closed: &(dyn Fn() -> bool + Sync)) -> Result<Parcel, ConnectorError> {
        let (store, tenant) = (&self.remote.store, self.remote.ordering.tenant);
        let mut came = store.parcels_came();
        loop {
            if is_closed() {
                return Err(self.cancelled());
            }
            came.borrow_and_update();
            let body = store.parcel(tenant, self.order, self.next).await.map_err(|error| self.failed(error))?;
            if let Some(body) = body {
                self.next += 1;
                if self.next - self.told >= TAKEN_AT_ONCE {
                    self.tell().await?;
                }
                return match unpack(&body) {
                    Ok(parcel) => Ok(parcel),
                    Err(error) => {
                        self.end().await?;
                        Err(self.refused(&error.to_string()))
                    }
                };
            }
            self.tell().await?;
            let state = store.order_state(tenant, self.order).await.map_err(|error| self.failed(error))?;
            match state {
                None => return Err(self.cancelled()),
                Some((OrderState::Lost, have)) if self.next >= have => {
                    let message = "the agent's process ended in the middle, and another one is there";
                    return Err(ConnectorError::new(ErrorKind::Interrupted, &self.operation, message));
                }
                Some(_) => {}
            }
            self.listen().await?;
            let _ = tokio::time::timeout(LOOK, came.changed()).await;
        }
    }

    /// Gives up where the agent has not called for too long.
    async fn listen(&self) -> Result<(), ConnectorError> {
        let (remote, ordering) = (self.remote, &self.remote.ordering);
        let whose = (ordering.tenant, ordering.connector);
        let seen = remote.store.agent_seen(whose, ordering.profile).await.map_err(|error| self.failed(error))?;
        let since = seen.map_or(remote.opened_at, |seen| seen.max(remote.opened_at));
        if remote.clock.now().0 - since.0 <= self.patience {
            return Ok(());
        }
        let message = match seen {
            Some(seen) => format!("the agent has not called since {}", seen.to_rfc3339()),
            None => "no agent has ever called".to_owned(),
        };
        let error = ConnectorError::new(ErrorKind::Unavailable, &self.operation, message);
        Err(error.with_remedy("start the agent on its machine, and look there whether it reaches this hub"))
    }

    /// Writes down what was taken: the agent may go on.
    async fn tell(&mut self) -> Result<(), ConnectorError> {
        if self.told == self.next {
            return Ok(());
        }
        let (store, tenant) = (&self.remote.store, self.remote.ordering.tenant);
        store.parcels_taken(tenant, self.order, self.next).await.map_err(|error| self.failed(error))?;
        self.told = self.next;
        Ok(())
    }

    /// The call is over: the agent is told so. What came stays until the next call, for whoever goes on after a crash.
    pub(super) async fn end(&self) -> Result<(), ConnectorError> {
        let (store, tenant) = (&self.remote.store, self.remote.ordering.tenant);
        store.end_order(tenant, self.order).await.map_err(|error| self.failed(error))
    }

    fn failed(&self, error: StoreError) -> ConnectorError {
        store_failed(&self.operation, error)
    }

    pub(super) fn cancelled(&self) -> ConnectorError {
        ConnectorError::new(ErrorKind::Cancelled, &self.operation, "the run was cancelled")
    }

    /// A parcel that cannot be what the agent meant; it is named.
    pub(super) fn refused(&self, problem: &str) -> ConnectorError {
        let message = format!("parcel {} of the agent cannot be used: {problem}", self.next - 1);
        let error = ConnectorError::new(ErrorKind::Protocol, &self.operation, message);
        error.with_remedy("run again; should it stay so, give agent and hub the same version")
    }

    pub(super) fn senseless(&self, what: &str) -> ConnectorError {
        self.refused(&format!("its {what} makes no sense"))
    }

    /// A parcel that ends the call: the agent's failure, or one that is no answer to this call.
    pub(super) async fn unexpected(&self, parcel: Parcel) -> ConnectorError {
        if let Err(error) = self.end().await {
            return error;
        }
        match parcel {
            Parcel::Failed(failure) => doubt::failure(failure),
            _ => self.refused("it answers another call than was ordered"),
        }
    }
}
