//! Audits.

pub mod expected;
pub mod merge;
pub mod position;
pub mod totals;
