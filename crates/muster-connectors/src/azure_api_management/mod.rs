//! Azure API Management: subscriptions, services, APIs and their definitions (S0; docs/adr/0009).
//!
//! ```text
//! config ─open→ client ─sign in, lists→ arm.rs (pages, errors) ─→ records ─batches→ sink
//! ```

mod arm;
mod client;
mod config;

#[cfg(test)]
mod tests;
