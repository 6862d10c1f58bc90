//! The parser of readings against the oracle of its tests: any difference is a crash.
//!
//! `cargo +nightly fuzz run reading -- -max_len=600 -max_total_time=600`

#![no_main]
#![allow(dead_code, reason = "the tests use more of the two modules")]

#[path = "../../unicorn/tests/oracle/mod.rs"]
mod oracle;
#[path = "../../windowing/tests/tape/mod.rs"]
mod tape;

libfuzzer_sys::fuzz_target!(|line: &[u8]| {
    oracle::check(line);
    oracle::check_record(line);
});
