//! A custom destination: a service that takes three lines per call and is busy every other time.
//!
//! `cargo run -p windrow-write --example retry`

use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use windrow_write::{BatchLimits, Destination, ItemFailure, Policy, SendError, deliver};

/// Prints the lines it receives.
#[derive(Default)]
struct BusyPrinter {
    calls: AtomicU32,
}

impl Destination for BusyPrinter {
    type Item = String;

    fn limits(&self) -> BatchLimits {
        BatchLimits {
            items: 3,
            call_bytes: 1024,
            item_bytes: 20,
        }
    }

    fn size(&self, line: &String) -> usize {
        line.len()
    }

    async fn send(&self, chunk: &[&String]) -> Result<Vec<ItemFailure>, SendError> {
        let busy = self.calls.fetch_add(1, Ordering::Relaxed).is_multiple_of(2);
        let mut failures = Vec::new();
        for (index, line) in chunk.iter().enumerate() {
            if busy && index > 0 {
                failures.push(ItemFailure {
                    index,
                    reason: "busy".to_owned(),
                    permanent: false,
                });
                continue;
            }
            println!("{line}");
        }
        Ok(failures)
    }
}

#[tokio::main]
async fn main() {
    let mut lines: Vec<String> = (1..=7).map(|number| format!("line {number}")).collect();
    lines.push("a line that is too long for the printer".to_owned());

    let policy = Policy {
        concurrency: 1,
        ..Policy::within(Duration::from_secs(5))
    };
    let report = deliver(&BusyPrinter::default(), lines, &policy).await;

    println!(
        "{} delivered in {} calls, {} retried",
        report.delivered, report.calls, report.retries
    );
    for left in report.undelivered {
        println!("item {} not delivered, {}", left.index, left.reason);
    }
}
