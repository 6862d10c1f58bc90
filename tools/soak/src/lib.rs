//! What the soak and the end-to-end tests check totals against.

pub mod oracle;
