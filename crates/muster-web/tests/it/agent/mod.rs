//! Agents: a scripted one over the router, and the engine's worker on the other side of the store.

mod hostile;
mod may;
mod runs;
pub(crate) mod scripted;
