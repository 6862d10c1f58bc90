//! Who reaches the endpoint, by which addresses and hosts, and in which format it answers.

use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;

use ciborium::cbor;
use serde_json::Value;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use windrow_local::faults::Faults;

use crate::endpoint::create_stream;
use crate::{TestEndpoint, options};

/// Sends a request, and returns the status, the head in lower case, and the body.
async fn request(to: SocketAddr, head: &[&str], body: &[u8]) -> (u16, String, Vec<u8>) {
    let mut stream = TcpStream::connect(to).await.unwrap();
    let length = format!("Content-Length: {}", body.len());
    let lines = head
        .iter()
        .copied()
        .chain(["Connection: close", &length, "", ""]);
    let head = lines.collect::<Vec<_>>().join("\r\n");
    stream.write_all(head.as_bytes()).await.unwrap();
    stream.write_all(body).await.unwrap();
    let mut response = Vec::new();
    stream.read_to_end(&mut response).await.unwrap();
    let end = response.windows(4).position(|bytes| bytes == b"\r\n\r\n");
    let body = response.split_off(end.unwrap() + 4);
    let head = String::from_utf8(response).unwrap().to_lowercase();
    let status = head.split(' ').nth(1).unwrap().parse().unwrap();
    (status, head, body)
}

async fn get(to: SocketAddr, host: &str, more: &[&str]) -> u16 {
    let host = format!("Host: {host}");
    let head = [&["GET /_local HTTP/1.1", &host], more].concat();
    request(to, &head, b"").await.0
}

#[tokio::test]
async fn both_loopback_addresses_answer_with_the_same_guard() {
    let cloud = TestEndpoint::start().await;
    let port = cloud.endpoint.address().port();
    let mut addresses = vec!["127.0.0.1"];
    // Not every machine has IPv6.
    if tokio::net::TcpListener::bind("[::1]:0").await.is_ok() {
        addresses.push("::1");
    }
    for address in addresses {
        let to = SocketAddr::new(address.parse().unwrap(), port);
        for host in [&to.to_string(), "localhost:1", "127.0.0.1"] {
            assert_eq!(get(to, host, &[]).await, 200, "{to} as {host}");
        }
        for host in [
            "evil.example",
            "host.docker.internal",
            "127.0.0.2",
            "0.0.0.0",
        ] {
            assert_eq!(get(to, host, &[]).await, 421, "{to} as {host}");
        }
        let foreign = get(to, &to.to_string(), &["Origin: http://evil.example"]).await;
        assert_eq!(foreign, 403, "{to}");
    }
}

#[cfg(target_os = "linux")]
#[tokio::test]
async fn another_address_and_other_hosts_answer_if_asked_to() {
    let folder = tempfile::tempdir().unwrap();
    let mut options = options(folder.path());
    let bound: IpAddr = "127.0.0.2".parse().unwrap();
    options.bind = Some(bound);
    options.allowed_hosts = vec!["host.docker.internal".parse().unwrap()];
    let cloud = TestEndpoint::start_with(options, folder).await;
    let local = cloud.endpoint.address();
    assert!(local.ip().is_loopback());
    for to in [local, SocketAddr::new(bound, local.port())] {
        for host in ["localhost", "127.0.0.2:4566", "Host.Docker.Internal:4566"] {
            assert_eq!(get(to, host, &[]).await, 200, "{to} as {host}");
        }
        for host in ["evil.example", "127.0.0.3", "evil.host.docker.internal"] {
            assert_eq!(get(to, host, &[]).await, 421, "{to} as {host}");
        }
        for from in ["Origin: http://evil.example", "Sec-Fetch-Site: cross-site"] {
            assert_eq!(get(to, "127.0.0.2", &[from]).await, 403, "{to} {from}");
        }
    }
    create_stream(&cloud.kinesis(), "s", 1).await;
}

#[tokio::test]
async fn an_address_of_another_machine_is_named() {
    let folder = tempfile::tempdir().unwrap();
    let mut options = options(folder.path());
    options.bind = Some("192.0.2.1".parse().unwrap());
    let stop = tokio_util::sync::CancellationToken::new();
    let failed = windrow_local::endpoint::Endpoint::start(options, stop).await;
    let message = failed.unwrap_err().to_string();
    assert_eq!(message, "this machine does not have the address 192.0.2.1");
}

#[tokio::test]
async fn forms_are_for_sts_alone_and_must_be_signed() {
    let cloud = TestEndpoint::start().await;
    let to = cloud.endpoint.address();
    let host = format!("Host: {to}");
    let form = "Content-Type: application/x-www-form-urlencoded";
    let signed = "Authorization: AWS4-HMAC-SHA256 Credential=a/b";
    let post = async |more: &[&str], body: &str| {
        let head = [&["POST / HTTP/1.1", &host, form], more].concat();
        let (status, _, body) = request(to, &head, body.as_bytes()).await;
        (status, String::from_utf8(body).unwrap())
    };
    let identity = "Action=GetCallerIdentity&Version=2011-06-15";
    let (status, body) = post(&[signed], identity).await;
    assert_eq!(status, 200, "{body}");
    assert!(body.contains("<Account>000000000000</Account>"), "{body}");
    assert_eq!(post(&[signed], "Action=AssumeRole").await.0, 400);
    // As a page of another machine could send it.
    assert_eq!(post(&[], identity).await.0, 415);
    assert_eq!(
        post(&[signed, "Origin: http://evil.example"], identity)
            .await
            .0,
        403
    );
    let delete = "X-Amz-Target: Kinesis_20131202.DeleteStream";
    assert_eq!(post(&[signed, delete], identity).await.0, 415);
}

#[tokio::test]
async fn faults_answer_cbor_in_cbor() {
    let faults = "throttled@2,iterator-expired@1,put-failed@1";
    let faults = Arc::new(Faults::parse(faults, 7).unwrap());
    let cloud = TestEndpoint::with_faults(&faults).await;
    create_stream(&cloud.kinesis(), "s", 1).await;
    let to = cloud.endpoint.address();
    let call = async |operation: &str, body: ciborium::Value| {
        let mut sent = Vec::new();
        ciborium::into_writer(&body, &mut sent).unwrap();
        let target = format!("X-Amz-Target: Kinesis_20131202.{operation}");
        let host = format!("Host: {to}");
        let content_type = "Content-Type: application/x-amz-cbor-1.1";
        let head = ["POST / HTTP/1.1", &host, content_type, &target];
        let (status, head, body) = request(to, &head, &sent).await;
        assert!(
            head.contains("content-type: application/x-amz-cbor-1.1"),
            "{head}"
        );
        let body: Value = ciborium::from_reader(&body[..]).unwrap();
        (status, body)
    };
    let read = || cbor!({ "ShardIterator" => "any" }).unwrap();
    let (status, expired) = call("GetRecords", read()).await;
    assert_eq!(
        (status, &expired["__type"]),
        (400, &"ExpiredIteratorException".into())
    );
    let (status, throttled) = call("GetRecords", read()).await;
    let kind = "ProvisionedThroughputExceededException";
    assert_eq!((status, &throttled["__type"]), (400, &kind.into()));

    let data = || ciborium::Value::Bytes(vec![0xff; 3]);
    let entries: Vec<ciborium::Value> = (0..20)
        .map(|key| cbor!({ "Data" => data(), "PartitionKey" => key.to_string() }).unwrap())
        .collect();
    let put = cbor!({ "StreamName" => "s", "Records" => entries }).unwrap();
    let (status, put) = call("PutRecords", put).await;
    assert_eq!(status, 200, "{put}");
    let records = put["Records"].as_array().unwrap();
    let failed = records.iter().filter(|record| record["ErrorCode"] == kind);
    let failed = failed.count() as u64;
    assert_eq!(
        (records.len(), put["FailedRecordCount"].as_u64()),
        (20, Some(failed))
    );
    assert!(failed > 0);
    let sent = records
        .iter()
        .filter(|record| record["SequenceNumber"].is_string());
    assert_eq!(sent.count() as u64, 20 - failed);
}
