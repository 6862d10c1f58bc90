//! Decodes any columns as a fold: the result is a fold or an error, and a decoded fold can be
//! encoded again.
//!
//! `cargo +nightly fuzz run state -- -max_total_time=600`

#![no_main]


use windrow_core::aggregate::{Max, Min, Sum};
use windrow_core::fold::{Fold, StateLimits};

libfuzzer_sys::fuzz_target!(|columns: &[u8]| {
    type FuzzFold = Fold<String, (Sum, Min<i64>, Max<i64>)>;
    let text = windrow_testkit::frames::state_of(columns);
    if let Ok(mut fold) = FuzzFold::decode(&text, StateLimits::default()) {
        let written = fold.encode();
        match FuzzFold::decode(&written, StateLimits::default()) {
            Ok(mut again) => assert_eq!(again.close(), fold.close()),
            Err(error) => panic!("{error}"),
        }
    }
});
