//! The highest temperature per room per minute, folded in two invocations that hand over a state.
//!
//! Run it with `cargo run -p windrow-core --example thermometer`.

use windrow_core::aggregate::{Aggregate, Max};
use windrow_core::fold::{Fold, RecordStep, StateLimits};
use windrow_core::window::Tumbling;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let minutes = Tumbling::new(60_000)?;
    let first = [("1", "attic", 1_000, 19), ("2", "cellar", 2_000, 12)];
    // Lambda may deliver a record twice: record 2 is redelivered and changes nothing.
    let second = [("2", "cellar", 2_000, 12), ("3", "attic", 61_000, 21)];

    let mut state: Option<String> = None;
    for batch in [first, second] {
        let mut fold: Fold<String, Max<i64>> = match &state {
            Some(text) => Fold::decode(text, StateLimits::default())?,
            None => Fold::new(StateLimits::default()),
        };
        for (sequence_number, room, millis, degrees) in batch {
            if let RecordStep::Fold(mut record) = fold.begin_record(sequence_number)? {
                let (window, time) = (minutes.window_of(millis), i128::from(millis) * 1_000_000);
                record.add(window, room, Some(time), |highest| highest.add(&degrees));
            }
        }
        state = Some(fold.encode());
    }

    let mut fold: Fold<String, Max<i64>> =
        Fold::decode(&state.unwrap_or_default(), StateLimits::default())?;
    for row in fold.close() {
        println!(
            "minute {}: {} had {} reading(s), highest {:?}",
            row.window.start / 60_000,
            row.key,
            row.readings,
            row.aggregate.value()
        );
    }
    Ok(())
}
