//! Resolves the local cloud and loopback endpoints.
#![cfg(feature = "cli")]

use aws_types::service_config::ServiceConfigKey;
use axum::routing::get;
use axum::{Json, Router};
use serde_json::json;
use tokio::net::{TcpListener, TcpSocket};
use windrow_connect::cloud::{
    AwsService, Cloud, CloudLocation, Environment, LocalCloudNotRunning, Resolved, Target,
    TargetArgs, TargetError, resolve,
};

const SERVICES: [AwsService; 1] = [AwsService::Kinesis];

async fn resolve_local(port: u16) -> Result<Resolved, TargetError> {
    let args = TargetArgs {
        target: Target::Local,
        ..TargetArgs::default()
    };
    resolve(&args, &Environment::default(), &SERVICES, port).await
}

fn cloud(resolved: Resolved) -> Cloud {
    match resolved {
        Resolved::Cloud(cloud) => *cloud,
        Resolved::LocalCloudNotRunning(not_running) => panic!("{not_running}"),
    }
}

#[tokio::test]
async fn running_local_cloud_is_found() {
    let status = json!({"service": "wildrydes-local"});
    let router = Router::new().route("/_local", get(Json(status)));
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    tokio::spawn(async move { axum::serve(listener, router).await });

    let cloud = cloud(resolve_local(port).await.unwrap());
    let url = format!("http://127.0.0.1:{port}");
    assert_eq!(cloud.location(), CloudLocation::Local);
    assert_eq!(cloud.config().endpoint_url(), Some(url.as_str()));
    assert_eq!(
        cloud.describe(),
        format!("target: the local cloud at {url}")
    );
}

#[tokio::test]
async fn missing_local_cloud_is_reported() {
    let not_running = |resolved| match resolved {
        Resolved::LocalCloudNotRunning(not_running) => not_running,
        Resolved::Cloud(cloud) => panic!("{}", cloud.describe()),
    };
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    tokio::spawn(async move { axum::serve(listener, Router::new()).await });
    let occupied = LocalCloudNotRunning {
        port,
        occupied: true,
    };
    assert_eq!(not_running(resolve_local(port).await.unwrap()), occupied);
    // Bound so that no other process gets the port, but not listening, so connections fail.
    let bound = TcpSocket::new_v4().unwrap();
    bound.bind("127.0.0.1:0".parse().unwrap()).unwrap();
    let port = bound.local_addr().unwrap().port();
    let free = LocalCloudNotRunning {
        port,
        occupied: false,
    };
    assert_eq!(not_running(resolve_local(port).await.unwrap()), free);
    assert!(!not_running(resolve_local(0).await.unwrap()).occupied);
}

#[tokio::test]
async fn loopback_endpoint_gets_no_real_credentials() {
    let variables = [
        ("AWS_ACCESS_KEY_ID", "AKIAEXAMPLE"),
        ("AWS_SECRET_ACCESS_KEY", "secret"),
        ("HOME", "/nonexistent"),
    ];
    let environment = Environment::from_iter(variables.map(|(k, v)| (k.into(), v.into())));
    let args = TargetArgs {
        endpoint_url: Some("http://localhost:9".to_owned()),
        region: Some("eu-west-1".to_owned()),
        ..TargetArgs::default()
    };
    let cloud = cloud(resolve(&args, &environment, &SERVICES, 0).await.unwrap());
    assert_eq!(cloud.location(), CloudLocation::Endpoint);
    assert_eq!(
        cloud.config().region().map(AsRef::as_ref),
        Some("eu-west-1")
    );
    let description = "target: the endpoint http://localhost:9, with made-up credentials";
    assert_eq!(cloud.describe(), description);
    assert!(!format!("{environment:?}").contains("secret\""));
}

#[tokio::test]
async fn each_service_goes_to_its_own_endpoint() {
    let variables = [
        ("AWS_ENDPOINT_URL_KINESIS", "http://127.0.0.1:2"),
        ("AWS_ENDPOINT_URL", "http://127.0.0.1:1"),
        ("HOME", "/nonexistent"),
    ];
    let environment = Environment::from_iter(variables.map(|(k, v)| (k.into(), v.into())));
    let services = [AwsService::Kinesis, AwsService::DynamoDb];
    let args = TargetArgs::default();
    let cloud = cloud(resolve(&args, &environment, &services, 0).await.unwrap());
    let url = |service, variable| {
        let key = ServiceConfigKey::builder()
            .service_id(service)
            .env(variable);
        let key = key.profile("endpoint_url").build().unwrap();
        cloud.config().service_config().unwrap().load_config(key)
    };
    let kinesis = url("Kinesis", "AWS_ENDPOINT_URL");
    assert_eq!(kinesis.as_deref(), Some("http://127.0.0.1:2"));
    let dynamodb = url("DynamoDB", "AWS_ENDPOINT_URL");
    assert_eq!(dynamodb.as_deref(), Some("http://127.0.0.1:1"));
    assert_eq!(url("Kinesis", "AWS_OTHER"), None);
    assert_eq!(cloud.config().endpoint_url(), None);
}

#[test]
fn region_of_an_arn_counts() {
    let arn = "arn:aws:kinesis:eu-north-1:123456789012:stream/wildrydes";
    let args = TargetArgs::default();
    let region = |args: TargetArgs| args.in_region_of(arn).map(|args| args.region);
    assert_eq!(region(args.clone()).unwrap().as_deref(), Some("eu-north-1"));
    assert_eq!(args.in_region_of("wildrydes").unwrap().region, None);
    let with_flag = |region: &str| TargetArgs {
        region: Some(region.to_owned()),
        ..args.clone()
    };
    assert!(region(with_flag("eu-north-1")).is_ok());
    assert_eq!(
        region(with_flag("us-east-1")).unwrap_err().to_string(),
        format!(
            "the stream {arn} is in the region eu-north-1, not in that of --region: remove --region"
        )
    );
}
