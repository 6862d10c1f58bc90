//! Describes a Lambda Kinesis event.
//!
//! Run it with `cargo run -p windrow-event --example describe < event.json`.

use std::io::Read;

use windrow_event::{Event, Reject, Timestamp};

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let mut json = Vec::new();
    std::io::stdin().read_to_end(&mut json)?;
    let event = Event::from_json(&json)?;

    let stream = event.stream().unwrap_or("an unnamed stream");
    let shard = event.shard().unwrap_or("an unnamed shard");
    println!("{} records of {stream}, {shard}", event.len());
    if let Some(window) = event.window {
        let last = if event.is_final_invoke_for_window {
            ", which closes now"
        } else {
            ""
        };
        println!(
            "window of {} ms from {}{last}",
            window.end - window.start,
            Timestamp::from_millis(window.start)
        );
    }

    for record in event.records() {
        match record.data {
            Ok(data) => println!("{}: {} bytes", record.partition_key, data.len()),
            Err(bad) => {
                let rejected = Reject {
                    reason: &bad.to_string(),
                    stream,
                    shard,
                    sequence_number: record.sequence_number,
                    partition_key: record.partition_key,
                    sub_sequence_number: None,
                    arrival: record.arrival,
                    payload: bad.text.as_bytes(),
                };
                for line in rejected.lines() {
                    print!("{}", String::from_utf8_lossy(&line));
                }
            }
        }
    }
    Ok(())
}
