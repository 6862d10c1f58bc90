//! What the soak test and the end-to-end tests compare: the streams' logs, and the table's rows.
//!
//! [`audit`] folds the logs, merges the rows and compares the two.

pub mod finished;
pub mod log;
pub mod outputs;
pub mod rows;
