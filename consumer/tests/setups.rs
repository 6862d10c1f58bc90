//! Tests the command in other set-ups: profiles, endpoints, proxies, certificates, a wrong clock.
#![cfg(unix)]
#![expect(clippy::unwrap_used, reason = "a test may panic")]

use std::io::Write;
use std::net::SocketAddr;
use std::path::Path;
use std::sync::atomic::{AtomicI64, Ordering};

use aws_sdk_kinesis::Client;
use aws_sdk_kinesis::primitives::Blob;
use clap::Parser;
use consumer::{ConsumerArgs, ConsumerSurroundings};
use tempfile::TempDir;
use tokio::net::TcpListener;
use tokio::process::Command;
use tokio::sync::mpsc;
use windrow_connect::cloud::Environment;
use windrow_core::time::Timestamp;
use windrow_kinesis::{Kinesis, KinesisOptions};
use windrow_testkit::network::{ConnectProxy, PrivateCa, ServiceClock};

/// The host of Kinesis in the region that the tests use.
const HOST: &str = "kinesis.eu-west-1.amazonaws.com";
const ARN: &str = "arn:aws:kinesis:us-east-1:000000000000:stream/wildrydes";
/// Made up, but not those that a loopback endpoint gets.
const KEYS: [(&str, &str); 3] = [
    ("AWS_ACCESS_KEY_ID", "AKIAEXAMPLE"),
    ("AWS_SECRET_ACCESS_KEY", "secret"),
    ("AWS_REGION", "eu-west-1"),
];
const FIRST: [&str; 6] = ["--from", "start", "--count", "1", "--format", "lines"];

/// A local Kinesis with a stream `wildrydes` of one record, by a clock of its own.
async fn kinesis(clock: &ServiceClock) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let folder = tempfile::tempdir().unwrap();
    let (kinesis, _report) = Kinesis::open(KinesisOptions::new(folder.path())).unwrap();
    let router = clock.of(kinesis.router());
    tokio::spawn(async move {
        // The folder goes with the server.
        let _folder = folder;
        axum::serve(listener, router).await
    });
    let client = Client::new(&windrow_connect::local_config(&url(address)));
    let create = client.create_stream().stream_name("wildrydes");
    create.shard_count(1).send().await.unwrap();
    while windrow_read::list(&client, "wildrydes").await.is_err() {}
    let put = client.put_record().stream_name("wildrydes");
    let put = put.partition_key("Shadowfax").data(Blob::new("{\"a\":1}"));
    put.send().await.unwrap();
    address
}

fn url(address: SocketAddr) -> String {
    format!("http://{address}")
}

/// The command with these variables only, and a home folder without files.
struct Consumer {
    home: TempDir,
    variables: Vec<(String, String)>,
}

impl Consumer {
    fn new(variables: &[(&str, &str)]) -> Self {
        let mut consumer = Self {
            home: tempfile::tempdir().unwrap(),
            variables: Vec::new(),
        };
        let home = consumer.home.path().to_str().unwrap().to_owned();
        consumer.set("HOME", &home);
        consumer.set("AWS_EC2_METADATA_DISABLED", "true");
        for (name, value) in variables {
            consumer.set(name, value);
        }
        consumer
    }

    fn set(&mut self, name: &str, value: &str) {
        self.variables.push((name.to_owned(), value.to_owned()));
    }

    /// Writes a file in the home folder.
    fn file(&self, name: &str, text: &str) {
        let path = self.home.path().join(name);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, text).unwrap();
    }

    fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_consumer"));
        command.env_clear().envs(self.variables.clone());
        command.args(arguments).kill_on_drop(true);
        command
    }

    /// The exit code, and what was written to standard output and standard error.
    async fn run(&self, arguments: &[&str]) -> (Option<i32>, String, String) {
        let output = self.command(arguments).output().await.unwrap();
        let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
        (
            output.status.code(),
            text(output.stdout),
            text(output.stderr),
        )
    }

    /// Runs it and checks that it prints the record.
    async fn prints(&self, arguments: &[&str]) -> String {
        let (code, stdout, stderr) = self.run(&[arguments, &FIRST].concat()).await;
        assert_eq!(
            (code, stdout.as_str()),
            (Some(0), "{\"a\":1}\n"),
            "{stderr}"
        );
        stderr
    }

    /// Runs it and checks that it fails. Returns the error.
    async fn fails(&self, arguments: &[&str]) -> String {
        let (code, stdout, stderr) = self.run(&[arguments, &FIRST].concat()).await;
        assert_eq!((code, stdout.as_str()), (Some(1), ""), "{stderr}");
        stderr
    }
}

/// A file with the certificate of an authority.
fn pem_file(folder: &Path, ca: &PrivateCa) -> String {
    let path = folder.join("ca.pem");
    std::fs::write(&path, ca.pem()).unwrap();
    path.to_str().unwrap().to_owned()
}

#[tokio::test]
async fn aws_is_reached_by_a_proxy_and_a_private_certificate_authority() {
    let ca = PrivateCa::generate();
    let server = kinesis(&ServiceClock::default()).await;
    let server = ca.serve(&[HOST], server).await;
    let folder = tempfile::tempdir().unwrap();
    let bundle = pem_file(folder.path(), &ca);
    for (proxy_variable, by_profile) in [
        ("HTTPS_PROXY", false),
        ("https_proxy", true),
        ("ALL_PROXY", false),
    ] {
        let proxy = ConnectProxy::start(server).await;
        let mut consumer = Consumer::new(&KEYS);
        consumer.set(proxy_variable, &proxy.url());
        if by_profile {
            consumer.file(".aws/config", &format!("[default]\nca_bundle = {bundle}\n"));
        } else {
            consumer.set("AWS_CA_BUNDLE", &bundle);
        }
        let stderr = consumer.prints(&[]).await;
        let expected = "target: AWS, region eu-west-1, with the environment's credentials\n";
        assert_eq!(stderr, expected);
        let asked = proxy.asked();
        assert!(!asked.is_empty());
        for line in asked {
            assert_eq!(line, format!("CONNECT {HOST}:443 HTTP/1.1"));
        }
    }
}

#[tokio::test]
async fn folder_of_certificate_authorities_is_read() {
    let ca = PrivateCa::generate();
    let server = kinesis(&ServiceClock::default()).await;
    let server = ca.serve(&["127.0.0.1"], server).await;
    let folder = tempfile::tempdir().unwrap();
    pem_file(folder.path(), &ca);
    let mut consumer = Consumer::new(&[]);
    consumer.set("AWS_CA_BUNDLE", folder.path().to_str().unwrap());
    let endpoint = format!("https://{server}");
    consumer.prints(&["--endpoint-url", &endpoint]).await;
}

#[tokio::test]
async fn certificates_of_other_authorities_are_not_trusted() {
    let server = kinesis(&ServiceClock::default()).await;
    let server = PrivateCa::generate().serve(&["127.0.0.1"], server).await;
    let folder = tempfile::tempdir().unwrap();
    let other = pem_file(folder.path(), &PrivateCa::generate());
    let consumer = Consumer::new(&[("AWS_CA_BUNDLE", &other)]);
    let endpoint = format!("https://{server}");
    let error = consumer.fails(&["--endpoint-url", &endpoint]).await;
    assert!(error.contains("its certificate is not trusted"), "{error}");
}

#[tokio::test]
async fn unreadable_certificate_authorities_are_named() {
    let mut consumer = Consumer::new(&KEYS);
    consumer.set("AWS_CA_BUNDLE", "/nonexistent/ca.pem");
    let expected = "error: could not read /nonexistent/ca.pem, the certificate authorities of \
                    AWS_CA_BUNDLE: No such file or directory";
    let error = consumer.fails(&[]).await;
    assert!(error.starts_with(expected), "{error}");

    let consumer = Consumer::new(&KEYS);
    consumer.file(
        ".aws/config",
        "[default]\nca_bundle = /nonexistent/ca.pem\n",
    );
    let error = consumer.fails(&[]).await;
    let expected = "the certificate authorities of ca_bundle in profile default: ";
    assert!(error.contains(expected), "{error}");
}

#[tokio::test]
async fn loopback_endpoint_and_hosts_of_no_proxy_go_by_no_proxy() {
    let server = kinesis(&ServiceClock::default()).await;
    let proxy = ConnectProxy::start(server).await;
    let mut consumer = Consumer::new(&KEYS);
    for variable in ["HTTP_PROXY", "HTTPS_PROXY"] {
        consumer.set(variable, &proxy.url());
    }
    consumer.prints(&["--endpoint-url", &url(server)]).await;
    assert_eq!(proxy.asked(), [""; 0]);

    // The name does not exist, so the command fails without the proxy.
    let elsewhere = ["--endpoint-url", "https://kinesis.example.invalid"];
    for variable in ["NO_PROXY", "no_proxy"] {
        consumer.set(variable, "localhost,.example.invalid");
        let error = consumer.fails(&elsewhere).await;
        assert!(error.contains("does not respond"), "{error}");
        assert_eq!(proxy.asked(), [""; 0]);
        consumer.variables.pop();
    }
    consumer.fails(&elsewhere).await;
    let asked = proxy.asked();
    assert_eq!(asked[0], "CONNECT kinesis.example.invalid:443 HTTP/1.1");
}

#[tokio::test]
async fn proxy_that_is_not_a_url_is_an_error() {
    let mut consumer = Consumer::new(&KEYS);
    consumer.set("HTTPS_PROXY", "socks5://rider:secret@127.0.0.1:1080");
    let error = consumer.fails(&[]).await;
    assert!(
        error.starts_with("error: HTTPS_PROXY is not the URL of a proxy"),
        "{error}"
    );
    assert!(!error.contains("secret"), "{error}");
}

#[tokio::test]
async fn misspelt_profile_is_an_error() {
    let consumer = Consumer::new(&[("AWS_PROFILE", "prdo")]);
    consumer.file(
        ".aws/config",
        "[profile prod]\nregion = eu-west-1\nsso_start_url = https://example.com\n",
    );
    let expected = "in ~/.aws/config and ~/.aws/credentials; existing profiles: prod";
    let error = consumer.fails(&[]).await;
    assert!(
        error.starts_with("error: there is no profile \"prdo\""),
        "{error}"
    );
    assert!(error.trim_end().ends_with(expected), "{error}");
    let error = consumer.fails(&["--profile", "Prod"]).await;
    assert!(
        error.contains("no profile \"Prod\", which --profile names"),
        "{error}"
    );
}

#[tokio::test]
async fn session_that_is_over_names_the_command_that_signs_in() {
    let consumer = Consumer::new(&[]);
    consumer.file(
        ".aws/config",
        "[default]\nlogin_session = arn:aws:iam::123456789012:user/alice\n\
         [profile console]\nregion = eu-west-1\nlogin_session = arn:aws:iam::123456789012:user/alice\n\
         [profile staff]\nregion = eu-west-1\nsso_session = staff\nsso_account_id = 123456789012\n\
         sso_role_name = rider\n\
         [sso-session staff]\nsso_region = eu-west-1\nsso_start_url = https://example.com/start\n",
    );
    // The name of the file is the SHA-1 of `staff`.
    consumer.file(
        ".aws/sso/cache/6ccb4b7c39a6e77f76ecfa935a855c6c46ad5611.json",
        r#"{"accessToken":"x","expiresAt":"2020-01-01T00:00:00Z","region":"eu-west-1"}"#,
    );
    for (profile, command) in [
        ("console", "aws login --profile console"),
        ("staff", "aws sso login --profile staff"),
    ] {
        for target in ["auto", "aws"] {
            let error = consumer
                .fails(&["--profile", profile, "--target", target])
                .await;
            let expected = format!(
                "error: there is no session of profile {profile}, or it has expired: sign in with \
                 `{command}`\n"
            );
            assert_eq!(error, expected);
        }
    }
    let error = consumer
        .fails(&["--target", "aws", "--region", "eu-west-1"])
        .await;
    assert!(error.ends_with("sign in with `aws login`\n"), "{error}");
}

#[tokio::test]
async fn aws_without_credentials_says_what_to_do() {
    let consumer = Consumer::new(&[("AWS_REGION", "eu-west-1")]);
    let error = consumer.fails(&["--target", "aws"]).await;
    let expected = "error: no AWS credentials: sign in with `aws login`, with `aws configure`, or with \
                    `aws sso login` if SSO is configured, or use the local cloud with --target local\n";
    assert_eq!(error, expected);
}

#[tokio::test]
async fn endpoint_of_the_service_is_named_and_gets_made_up_credentials() {
    let server = kinesis(&ServiceClock::default()).await;
    let mut consumer = Consumer::new(&KEYS);
    consumer.set("AWS_ENDPOINT_URL_KINESIS", &url(server));
    let from = |origin| {
        let url = url(server);
        format!("target: the endpoint {url} (from {origin}), with made-up credentials\n")
    };
    assert_eq!(consumer.prints(&[]).await, from("AWS_ENDPOINT_URL_KINESIS"));

    let consumer = Consumer::new(&KEYS);
    let section = format!(
        "[default]\nservices = local\n[services local]\nkinesis =\n  endpoint_url = {}\n",
        url(server)
    );
    consumer.file(".aws/config", &section);
    assert_eq!(consumer.prints(&[]).await, from("profile default"));
}

#[tokio::test]
async fn stream_may_be_named_by_its_arn() {
    let server = kinesis(&ServiceClock::default()).await;
    let consumer = Consumer::new(&KEYS);
    let url = url(server);
    let endpoint = ["--endpoint-url", &url];
    let by_arn = [&endpoint[..], &["--stream", ARN]].concat();
    consumer.prints(&by_arn).await;
    let error = consumer
        .fails(&[&by_arn[..], &["--region", "eu-west-1"]].concat())
        .await;
    assert!(
        error.contains("is in the region us-east-1, not in that of --region"),
        "{error}"
    );
    let missing = ARN.replace("wildrydes", "unicorns");
    let error = consumer
        .fails(&[&endpoint[..], &["--stream", &missing]].concat())
        .await;
    assert!(
        error.contains(&format!("there is no stream {missing}, or its account")),
        "{error}"
    );
}

#[tokio::test]
async fn region_of_the_arn_counts_more_than_the_environments() {
    let ca = PrivateCa::generate();
    let server = kinesis(&ServiceClock::default()).await;
    // The hosts of an account.
    let hosts = ["control", "data"].map(|kind| format!("*.{kind}-kinesis.us-east-1.amazonaws.com"));
    let server = ca
        .serve(&hosts.each_ref().map(String::as_str), server)
        .await;
    let proxy = ConnectProxy::start(server).await;
    let folder = tempfile::tempdir().unwrap();
    let mut consumer = Consumer::new(&KEYS);
    consumer.set("HTTPS_PROXY", &proxy.url());
    consumer.set("AWS_CA_BUNDLE", &pem_file(folder.path(), &ca));
    let stderr = consumer.prints(&["--stream", ARN]).await;
    assert!(
        stderr.starts_with("target: AWS, region us-east-1, "),
        "{stderr}"
    );
}

#[tokio::test]
async fn wrong_clock_costs_one_call_of_each_client() {
    for ahead in [603, -603] {
        let clock = ServiceClock::default();
        let server = kinesis(&clock).await;
        clock.set(ahead);
        let consumer = Consumer::new(&KEYS);
        consumer.prints(&["--endpoint-url", &url(server)]).await;
        // One client checks the stream, another reads it.
        assert_eq!(clock.rejected(), 2);
    }
}

#[tokio::test]
async fn offset_of_a_wrong_clock_is_in_the_error() {
    let clock = ServiceClock::ahead_by(3723).accepting_none();
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let endpoint = url(listener.local_addr().unwrap());
    let router = clock.of(axum::Router::new());
    tokio::spawn(async move { axum::serve(listener, router).await });
    let error = Consumer::new(&KEYS)
        .fails(&["--endpoint-url", &endpoint])
        .await;
    assert!(
        error.contains("this machine's clock is 1 h 2 min "),
        "{error}"
    );
    assert!(error.contains(" behind AWS"), "{error}");
}

/// Sends each line of the notes.
struct Notes(mpsc::UnboundedSender<String>);

impl Write for Notes {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        let _ = self.0.send(String::from_utf8_lossy(bytes).into_owned());
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

/// Runs the command in this process until its notes contain `expected`. Returns them.
async fn notes_until(
    arguments: &[&str],
    clock: impl Fn() -> Timestamp,
    is_watched: bool,
    expected: &str,
) -> String {
    let args = ConsumerArgs::parse_from([&["consumer"], arguments].concat());
    let surroundings = ConsumerSurroundings {
        environment: Environment::default(),
        clock,
        is_watched,
    };
    let (sender, mut receiver) = mpsc::unbounded_channel();
    let mut notes = String::new();
    let running = consumer::run(&args, &surroundings, std::io::sink(), Notes(sender));
    let noted = async {
        while let Some(part) = receiver.recv().await {
            notes.push_str(&part);
            if notes.contains(expected) {
                break;
            }
        }
    };
    tokio::select! {
        ended = running => panic!("{ended:?}"),
        () = noted => {}
    }
    notes
}

#[tokio::test]
async fn idle_stream_is_said_to_be_waited_for() {
    let server = kinesis(&ServiceClock::default()).await;
    let clock = || Timestamp::EPOCH;
    let arguments = ["--endpoint-url", &url(server)];
    let notes = notes_until(&arguments, clock, true, "waiting for readings\n").await;
    assert_eq!(notes.lines().count(), 2, "{notes}");
}

#[tokio::test]
async fn time_in_the_future_is_waited_for() {
    let server = kinesis(&ServiceClock::default()).await;
    // The second time it is asked, the clock has reached the start.
    let calls = AtomicI64::new(0);
    let clock = || {
        let calls = calls.fetch_add(1, Ordering::SeqCst);
        Timestamp::from_millis(if calls == 0 { -300_000 } else { 1 })
    };
    let (url, from) = (url(server), "1970-01-01 00:00:00");
    let arguments = ["--endpoint-url", &url, "--from", from];
    let notes = notes_until(&arguments, clock, false, "UTC\n").await;
    let expected = "note: waiting 5m, until 1970-01-01 00:00:00.000 UTC\n";
    assert!(notes.ends_with(expected), "{notes}");

    calls.store(0, Ordering::SeqCst);
    let args = ["consumer", "--endpoint-url", &url, "--from", from];
    let args =
        ConsumerArgs::parse_from([&args[..], &["--count", "1", "--format", "lines"]].concat());
    let surroundings = ConsumerSurroundings {
        environment: Environment::default(),
        clock,
        is_watched: false,
    };
    let mut output = Vec::new();
    consumer::run(&args, &surroundings, &mut output, std::io::sink())
        .await
        .unwrap();
    assert_eq!(output, b"{\"a\":1}\n");
}

#[tokio::test]
async fn age_counts_back_from_now() {
    let server = kinesis(&ServiceClock::default()).await;
    let url = url(server);
    let arguments = [
        "--endpoint-url",
        &url,
        "--from",
        "5m",
        "--count",
        "1",
        "--format",
        "lines",
    ];
    let (code, stdout, stderr) = Consumer::new(&[]).run(&arguments).await;
    assert_eq!(
        (code, stdout.as_str()),
        (Some(0), "{\"a\":1}\n"),
        "{stderr}"
    );
}
