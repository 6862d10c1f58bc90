//! Lines in usual spellings, or a step beside one, by all ways of reading them and by the
//! oracle of the tests: any difference is a crash. The bytes are choices, not the line itself.
//!
//! `cargo +nightly fuzz run spelling -- -max_len=300 -max_total_time=600`

#![no_main]
#![allow(dead_code, reason = "the tests use more of the two modules")]

#[path = "../../unicorn/tests/oracle/mod.rs"]
mod oracle;
#[path = "../../windowing/tests/tape/mod.rs"]
mod tape;

libfuzzer_sys::fuzz_target!(|choices: &[u8]| {
    let line = oracle::near::line(&mut tape::Tape::new(choices));
    oracle::check(&line);
    oracle::check_ways(&line);
});
