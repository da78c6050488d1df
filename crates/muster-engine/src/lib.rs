//! Muster's run pipeline.

pub mod print;
