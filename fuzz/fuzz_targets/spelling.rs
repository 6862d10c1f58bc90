//! Compares all parsers of readings with the oracle of their tests, on lines in common spellings or
//! close to one. Any difference panics. The fuzzer's bytes are choices from which the line is
//! generated.
//!
//! `cargo +nightly fuzz run spelling -- -max_len=300 -max_total_time=600`

#![no_main]


libfuzzer_sys::fuzz_target!(|choices: &[u8]| {
    let line = windrow_testkit::oracle::near::line(&mut windrow_testkit::choices::Choices::new(choices));
    windrow_testkit::oracle::check(&line);
    windrow_testkit::oracle::check_parsers(&line);
});
