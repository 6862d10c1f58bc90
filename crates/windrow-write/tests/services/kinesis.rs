use std::collections::BTreeSet;
use std::time::Duration;

use aws_sdk_kinesis::config::{BehaviorVersion, Credentials, Region};
use aws_sdk_kinesis::types::ShardIteratorType;
use aws_smithy_http_client::Builder;
use tokio::net::{TcpListener, TcpSocket};
use tokio::sync::watch;
use tokio::time::Instant;
use windrow_kinesis::{Kinesis, KinesisOptions};
use windrow_write::{
    BatchLimits, Destination, ItemFailure, KinesisRecord, KinesisStream, Policy, Reason, SendError,
    deliver,
};

use crate::policy;

/// A new local Kinesis with the stream `wildrydes`.
async fn kinesis(shards: i32) -> aws_sdk_kinesis::Client {
    let listener = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let folder = tempfile::tempdir().unwrap();
    let (kinesis, _report) = Kinesis::open(KinesisOptions::new(folder.path())).unwrap();
    tokio::spawn(async move {
        // The folder goes with the server.
        let _folder = folder;
        axum::serve(listener, kinesis.router()).await
    });

    let client = aws_sdk_kinesis::Client::from_conf(config!(aws_sdk_kinesis, port));
    client
        .create_stream()
        .stream_name("wildrydes")
        .shard_count(shards)
        .send()
        .await
        .unwrap();
    while client
        .list_shards()
        .stream_name("wildrydes")
        .send()
        .await
        .is_err()
    {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    client
}

#[tokio::test]
async fn records_of_several_calls_reach_the_stream() {
    let client = kinesis(2).await;
    let record = |number: u32| KinesisRecord {
        partition_key: number.to_string(),
        data: number.to_string().into(),
    };
    let stream = KinesisStream::new(client.clone(), "wildrydes");
    let report = deliver(&stream, (0..1201).map(record).collect(), &policy()).await;
    assert_eq!(
        (report.delivered, report.calls, report.retries),
        (1201, 3, 0)
    );

    let mut read = BTreeSet::new();
    for shard in client
        .list_shards()
        .stream_name("wildrydes")
        .send()
        .await
        .unwrap()
        .shards()
    {
        let iterator = client
            .get_shard_iterator()
            .stream_name("wildrydes")
            .shard_id(shard.shard_id())
            .shard_iterator_type(ShardIteratorType::TrimHorizon)
            .send()
            .await
            .unwrap();
        let page = client
            .get_records()
            .set_shard_iterator(iterator.shard_iterator)
            .send()
            .await
            .unwrap();
        for record in page.records() {
            let key = record.partition_key().unwrap();
            assert_eq!(key.as_bytes(), record.data().as_ref());
            assert!(read.insert(key.parse::<u32>().unwrap()));
        }
    }
    assert_eq!(read, (0..1201).collect());
}

#[tokio::test]
async fn missing_stream_stops_the_delivery() {
    let stream = KinesisStream::new(kinesis(1).await, "elsewhere");
    let record = KinesisRecord {
        partition_key: "Shadowfax".to_owned(),
        data: "{}".into(),
    };
    let report = deliver(&stream, vec![record; 3], &policy()).await;

    assert_eq!((report.delivered, report.calls), (0, 1));
    let reason = &report.undelivered[0].reason;
    assert!(
        matches!(reason, Reason::Stopped(reason) if reason.starts_with("ResourceNotFoundException")),
        "{reason}"
    );
}

/// A destination that counts its completed calls.
struct CountedCalls<D> {
    destination: D,
    calls: watch::Sender<u64>,
}

impl<D: Destination> Destination for CountedCalls<D> {
    type Item = D::Item;

    fn limits(&self) -> BatchLimits {
        self.destination.limits()
    }

    fn size(&self, item: &D::Item) -> usize {
        self.destination.size(item)
    }

    async fn send(&self, chunk: &[&D::Item]) -> Result<Vec<ItemFailure>, SendError> {
        let result = self.destination.send(chunk).await;
        self.calls.send_modify(|calls| *calls += 1);
        result
    }
}

#[tokio::test]
async fn unreachable_service_is_retried_until_the_deadline() {
    // Bound so that no other process gets the port, but not listening, so connections fail.
    let bound = TcpSocket::new_v4().unwrap();
    bound.bind("127.0.0.1:0".parse().unwrap()).unwrap();
    let port = bound.local_addr().unwrap().port();
    let client = aws_sdk_kinesis::Client::from_conf(config!(aws_sdk_kinesis, port));
    let record = KinesisRecord {
        partition_key: "Shadowfax".to_owned(),
        data: "{}".into(),
    };
    let stream = CountedCalls {
        destination: KinesisStream::new(client, "wildrydes"),
        calls: watch::Sender::default(),
    };
    let policy = Policy::within(Duration::from_secs(600));
    let mut calls = stream.calls.subscribe();
    let skip_time = async {
        calls.wait_for(|calls| *calls >= 3).await.unwrap();
        // From now on, time advances whenever there is nothing to do.
        tokio::time::pause();
    };
    let (report, ()) = tokio::join!(deliver(&stream, vec![record], &policy), skip_time);

    assert!(Instant::now() <= policy.deadline);
    assert!(report.calls >= 3);
    assert_eq!((report.delivered, report.undelivered.len()), (0, 1));
    assert!(matches!(
        report.undelivered[0].reason,
        Reason::OutOfTime { last: Some(_) }
    ));
}
