//! Compares the general parser, and a declared sensor of any fields, with `serde_json`. Any
//! difference panics. The fuzzer's first bytes are choices from which the sensor is generated, the
//! others are a line.
//!
//! `cargo +nightly fuzz run fields -- -max_len=600 -max_total_time=600`

#![no_main]


use windrow_core::json::{FieldLayout, FieldNames};
use windrow_testkit::choices::Choices;
use windrow_testkit::fields::{check_fields, check_sensor, sensor};

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    let (choices, line) = bytes.split_at(bytes.len().min(24));
    let sensor = sensor(&mut Choices::new(choices));
    let names = FieldNames::new(sensor.fields().iter().map(|field| field.name.as_str()));
    let (mut layout, mut sensor_layout) = (FieldLayout::default(), FieldLayout::default());
    for _ in 0..2 {
        check_fields(&names, &mut layout, line);
        check_sensor(&sensor, &mut sensor_layout, line);
    }
});
