//! The oracle that the soak test and the end-to-end tests check rows against.

pub mod oracle;
