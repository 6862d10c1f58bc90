//! Decodes any bytes as an event: the result is an event or an error, never a panic.
//!
//! `cargo +nightly fuzz run event -- -max_total_time=600`

#![no_main]

use windrow_event::Event;

libfuzzer_sys::fuzz_target!(|json: &[u8]| {
    if let Ok(event) = Event::from_json(json) {
        assert_eq!(event.records().count(), event.len());
        let _ = (event.stream(), event.shard());
    }
});
