//! The parser of readings against the oracle of its tests: any difference is a crash.
//!
//! `cargo +nightly fuzz run reading -- -max_len=600 -max_total_time=600`

#![no_main]


libfuzzer_sys::fuzz_target!(|line: &[u8]| {
    windrow_testkit::oracle::check(line);
    windrow_testkit::oracle::check_record(line);
});
