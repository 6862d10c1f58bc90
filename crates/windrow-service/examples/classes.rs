//! Prints how to react to a few error codes, and how long to wait before each retry.
//!
//! Run it with `cargo run -p windrow-service --example classes`.

use windrow_service::{Backoff, classify};

fn main() {
    for code in [
        "ThrottlingException",
        "ResourceNotFoundException",
        "InternalFailure",
    ] {
        println!("{code}: {:?}", classify(Some(code), None, Some(400)));
    }
    let backoff = Backoff::default();
    for failed_calls in 0..4 {
        println!(
            "after {failed_calls} failures: {:?}",
            backoff.wait(failed_calls)
        );
    }
}
