//! Serves Kinesis on a port of this machine, from a folder.
//!
//! ```text
//! cargo run -p windrow-kinesis --example serve -- streams 4567
//! aws --endpoint-url http://127.0.0.1:4567 kinesis create-stream --stream-name wildrydes --shard-count 2
//! ```

use std::error::Error;

use tokio::net::TcpListener;
use windrow_kinesis::{DiskStatus, Kinesis, KinesisOptions};

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let mut arguments = std::env::args().skip(1);
    let folder = arguments.next().unwrap_or_else(|| "streams".to_owned());
    let port = arguments.next().map_or(Ok(4567), |port| port.parse())?;

    let (kinesis, report) = Kinesis::open(KinesisOptions::new(folder))?;
    println!("{report}");
    let listener = TcpListener::bind(("127.0.0.1", port)).await?;
    println!("listening on {}", listener.local_addr()?);

    let mut disk = kinesis.disk();
    tokio::spawn(async move {
        while disk.changed().await.is_ok() {
            match &*disk.borrow_and_update() {
                DiskStatus::Failing { path, message, .. } => {
                    eprintln!("{} cannot be written: {message}", path.display());
                }
                _ => eprintln!("the disk works again"),
            }
        }
    });
    axum::serve(listener, kinesis.router()).await?;
    Ok(())
}
