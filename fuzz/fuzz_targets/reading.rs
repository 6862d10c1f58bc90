//! Compares the parser of readings with the oracle of its tests. Any difference panics.
//!
//! `cargo +nightly fuzz run reading -- -max_len=600 -max_total_time=600`

#![no_main]


libfuzzer_sys::fuzz_target!(|line: &[u8]| {
    windrow_testkit::oracle::check(line);
    windrow_testkit::oracle::check_record(line);
});
