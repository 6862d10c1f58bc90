//! How many cases property tests run.

use proptest::prelude::ProptestConfig;

/// Runs `PROPTEST_CASES` cases, or `default` if that is not set. Failures are not saved to a file.
pub fn cases(default: u32) -> ProptestConfig {
    let config = ProptestConfig::default();
    let is_set = std::env::var_os("PROPTEST_CASES").is_some();
    ProptestConfig {
        cases: if is_set { config.cases } else { default },
        failure_persistence: None,
        ..config
    }
}
