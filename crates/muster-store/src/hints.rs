//! Wake-ups within one process: whoever waits for an agent, or an agent that waits for orders, is told when to look.
//! They are hints; looking every 500 ms is the rule (design D10).

use std::sync::Arc;

use tokio::sync::watch;

/// What may have changed.
#[derive(Debug, Clone)]
pub(crate) struct Hints {
    orders: Arc<watch::Sender<()>>,
    parcels: Arc<watch::Sender<()>>,
}

impl Default for Hints {
    fn default() -> Self {
        Self { orders: Arc::new(watch::Sender::new(())), parcels: Arc::new(watch::Sender::new(())) }
    }
}

impl Hints {
    pub(crate) fn orders_changed(&self) {
        self.orders.send_replace(());
    }

    pub(crate) fn parcels_came(&self) {
        self.parcels.send_replace(());
    }
}

impl crate::Store {
    /// Changes when this process gives an agent something to do, or takes it back.
    pub fn orders_changed(&self) -> watch::Receiver<()> {
        self.hints.orders.subscribe()
    }

    /// Changes when this process gets a parcel of an agent.
    pub fn parcels_came(&self) -> watch::Receiver<()> {
        self.hints.parcels.subscribe()
    }
}
