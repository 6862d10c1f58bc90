//! Lines in usual spellings, or a step beside one, by all ways of reading them and by the
//! oracle of the tests: any difference is a crash. The bytes are choices, not the line itself.
//!
//! `cargo +nightly fuzz run spelling -- -max_len=300 -max_total_time=600`

#![no_main]


libfuzzer_sys::fuzz_target!(|choices: &[u8]| {
    let line = windrow_testkit::oracle::near::line(&mut windrow_testkit::choices::Choices::new(choices));
    windrow_testkit::oracle::check(&line);
    windrow_testkit::oracle::check_ways(&line);
});
