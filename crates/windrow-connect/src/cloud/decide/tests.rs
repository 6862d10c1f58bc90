use aws_types::os_shim_internal::Fs;

use super::*;

const KEYS: [(&str, &str); 2] = [
    ("AWS_ACCESS_KEY_ID", "AKIAEXAMPLE"),
    ("AWS_SECRET_ACCESS_KEY", "secret"),
];

const CONFIG: &str = "\
[default]
region = eu-central-1
[profile signed-in]
sso_session = staff
region = eu-north-1
[sso-session staff]
sso_start_url = https://example.awsapps.com/start
[profile process]
credential_process = /bin/credentials
[profile role]
role_arn = arn:aws:iam::123456789012:role/rider
source_profile = keys
[profile login]
login_session = arn:aws:iam::123456789012:user/alice
region = eu-west-1
[profile of-login]
role_arn = arn:aws:iam::123456789012:role/rider
source_profile = login
[profile loop]
source_profile = loop
[profile plain]
output = json
[profile emulator]
endpoint_url = http://127.0.0.1:9999
services = emulators
[services emulators]
dynamodb =
  endpoint_url = http://127.0.0.1:8000
";

const CREDENTIALS: &str = "\
[keys]
aws_access_key_id = AKIAEXAMPLE
aws_secret_access_key = secret
[empty]
aws_access_key_id =
";

struct Case<'a> {
    services: &'a [AwsService],
    target: Target,
    endpoint: &'a str,
    region: &'a str,
    profile: &'a str,
    variables: &'a [(&'a str, &'a str)],
    files: bool,
}

impl Default for Case<'_> {
    fn default() -> Self {
        Self {
            services: &[AwsService::Kinesis],
            target: Target::Auto,
            endpoint: "",
            region: "",
            profile: "",
            variables: &[],
            files: false,
        }
    }
}

impl Case<'_> {
    async fn decide(&self) -> Result<Decision, TargetError> {
        let flag = |value: &str| (!value.is_empty()).then(|| value.to_owned());
        let args = TargetArgs {
            target: self.target,
            endpoint_url: flag(self.endpoint),
            region: flag(self.region),
            profile: flag(self.profile),
        };
        let mut variables = vec![("HOME".into(), "/home/rider".into())];
        for (name, value) in self.variables {
            variables.push(((*name).into(), (*value).into()));
        }
        let environment = Environment::from_iter(variables);
        let files = if self.files {
            Fs::from_slice(&[
                ("/home/rider/.aws/config", CONFIG),
                ("/home/rider/.aws/credentials", CREDENTIALS),
            ])
        } else {
            Fs::from_slice(&[])
        };
        let chosen = args.profile.as_deref();
        let profiles = environment.profiles_in(&files, chosen).await.unwrap();
        decide(&args, &environment, Some(&profiles), self.services)
    }

    /// A short description of the decision.
    async fn outcome(&self) -> String {
        let plan = match self.decide().await {
            Ok(Decision::Local) => return "local".to_owned(),
            Ok(Decision::Cloud(plan)) => plan,
            Err(error) => return format!("error: {error}"),
        };
        let credentials = match plan.credentials {
            Credentials::MadeUp => "made-up".to_owned(),
            Credentials::Chain => "chain".to_owned(),
            Credentials::Found(FoundCredentials::Variables(_)) => "variables".to_owned(),
            Credentials::Found(FoundCredentials::Profile(name)) => format!("profile {name}"),
            Credentials::Found(FoundCredentials::WebIdentity) => "web identity".to_owned(),
            Credentials::Found(FoundCredentials::Container) => "container".to_owned(),
        };
        let endpoint = match plan.endpoints.describe() {
            aws if aws == "AWS" => "aws".to_owned(),
            endpoint => endpoint.replace("the endpoint ", ""),
        };
        let region = plan.region.unwrap_or_else(|| "no region".to_owned());
        format!("{endpoint}, {credentials}, {region}")
    }
}

async fn check(case: Case<'_>, expected: &str) {
    assert_eq!(case.outcome().await, expected);
}

fn auto<'a>(variables: &'a [(&'a str, &'a str)]) -> Case<'a> {
    Case {
        variables,
        ..Case::default()
    }
}

fn profile(name: &str) -> Case<'_> {
    Case {
        profile: name,
        files: true,
        ..Case::default()
    }
}

#[tokio::test]
async fn without_credentials_auto_is_local() {
    check(auto(&[]), "local").await;
    check(auto(&[("AWS_REGION", "eu-west-1")]), "local").await;
    check(auto(&KEYS[..1]), "local").await;
    check(
        auto(&[("AWS_ACCESS_KEY_ID", ""), ("AWS_SECRET_ACCESS_KEY", "")]),
        "local",
    )
    .await;
    check(auto(&[("AWS_PROFILE", "default")]), "local").await;
}

#[tokio::test]
async fn missing_profile_is_an_error_that_lists_the_others() {
    let files = "/home/rider/.aws/config and ~/.aws/credentials";
    let existing =
        "default, empty, emulator, keys, login, loop, of-login, plain, process, role, signed-in";
    for target in [Target::Auto, Target::Aws] {
        let variables = [
            ("AWS_PROFILE", "prdo"),
            ("AWS_CONFIG_FILE", "/home/rider/.aws/config"),
            KEYS[0],
            KEYS[1],
        ];
        let by_variable = Case {
            target,
            variables: &variables,
            files: true,
            ..Case::default()
        };
        let expected = format!(
            "error: there is no profile \"prdo\", which AWS_PROFILE names, in {files}; existing \
             profiles: {existing}"
        );
        check(by_variable, &expected).await;
        let by_flag = Case {
            target,
            profile: "default",
            ..Case::default()
        };
        let expected = "error: there is no profile \"default\", which --profile names, in \
                        ~/.aws/config and ~/.aws/credentials; they have no profiles";
        check(by_flag, expected).await;
    }
    let variables = [("AWS_PROFILE", "prdo")];
    let with_endpoint = Case {
        endpoint: "http://127.0.0.1:4566",
        ..auto(&variables)
    };
    let outcome = with_endpoint.outcome().await;
    assert!(outcome.contains("no profile \"prdo\""), "{outcome}");
}

#[tokio::test]
async fn with_credentials_in_the_environment_auto_is_aws() {
    let [key, secret] = KEYS;
    check(
        auto(&[key, secret, ("AWS_REGION", "eu-west-1")]),
        "aws, variables, eu-west-1",
    )
    .await;
    check(
        auto(&[key, secret, ("AWS_DEFAULT_REGION", "eu-west-2")]),
        "aws, variables, eu-west-2",
    )
    .await;
    check(
        auto(&[
            ("AWS_WEB_IDENTITY_TOKEN_FILE", "/token"),
            ("AWS_REGION", "eu-west-1"),
        ]),
        "aws, web identity, eu-west-1",
    )
    .await;
    for variable in [
        "AWS_CONTAINER_CREDENTIALS_RELATIVE_URI",
        "AWS_CONTAINER_CREDENTIALS_FULL_URI",
    ] {
        check(
            auto(&[(variable, "/credentials"), ("AWS_REGION", "eu-west-1")]),
            "aws, container, eu-west-1",
        )
        .await;
    }
}

#[tokio::test]
async fn with_credentials_in_a_profile_auto_is_aws() {
    check(profile("signed-in"), "aws, profile signed-in, eu-north-1").await;
    check(profile("login"), "aws, profile login, eu-west-1").await;
    let with_region = |profile| Case {
        profile,
        region: "eu-west-3",
        files: true,
        ..Case::default()
    };
    check(with_region("keys"), "aws, profile keys, eu-west-3").await;
    check(with_region("process"), "aws, profile process, eu-west-3").await;
    check(with_region("role"), "aws, profile role, eu-west-3").await;

    let variables = [("AWS_PROFILE", "signed-in")];
    let by_variable = Case {
        variables: &variables,
        files: true,
        ..Case::default()
    };
    check(by_variable, "aws, profile signed-in, eu-north-1").await;
}

#[tokio::test]
async fn credentials_file_location_is_configurable() {
    let variables = [
        ("AWS_SHARED_CREDENTIALS_FILE", "/elsewhere"),
        ("AWS_REGION", "eu-west-1"),
    ];
    let environment = Environment::from_iter(variables.map(|(k, v)| (k.into(), v.into())));
    let files = Fs::from_slice(&[("/elsewhere", "[default]\naws_access_key_id = AKIAEXAMPLE\n")]);
    let profiles = environment.profiles_in(&files, None).await.unwrap();
    let services = [AwsService::Kinesis];
    let decision = decide(
        &TargetArgs::default(),
        &environment,
        Some(&profiles),
        &services,
    )
    .unwrap();
    let Decision::Cloud(plan) = decision else {
        panic!("not AWS")
    };
    let expected = FoundCredentials::Profile("default".to_owned());
    assert_eq!(plan.credentials, Credentials::Found(expected));
}

#[tokio::test]
async fn profile_flag_without_credentials_is_an_error() {
    let default_only = Case {
        files: true,
        ..Case::default()
    };
    check(default_only, "local").await;
    for name in ["plain", "empty"] {
        let variables = [("AWS_PROFILE", name)];
        let by_variable = Case {
            files: true,
            ..auto(&variables)
        };
        let on_aws = Case {
            target: Target::Aws,
            ..profile(name)
        };
        for case in [profile(name), by_variable, on_aws] {
            let outcome = case.outcome().await;
            let expected = format!(
                "error: profile {name:?} in ~/.aws/config and ~/.aws/credentials has no credentials"
            );
            assert!(outcome.starts_with(&expected), "{outcome}");
        }
    }
}

#[tokio::test]
async fn sign_in_command_is_that_of_the_profile_with_the_session() {
    let environment = Environment::from_iter([("HOME".into(), "/home/rider".into())]);
    let files = Fs::from_slice(&[("/home/rider/.aws/config", CONFIG)]);
    let profiles = environment.profiles_in(&files, None).await.unwrap();
    for (profile, expected) in [
        ("login", Some("aws login --profile login")),
        ("of-login", Some("aws login --profile login")),
        ("signed-in", Some("aws sso login --profile signed-in")),
        ("plain", None),
        ("loop", None),
        ("missing", None),
    ] {
        let command = credentials::sign_in_command(&profiles, profile);
        assert_eq!(command.as_deref(), expected, "{profile}");
    }
}

#[tokio::test]
async fn endpoints_of_variables_and_profiles_are_named() {
    const GENERAL: (&str, &str) = ("AWS_ENDPOINT_URL", "http://127.0.0.1:1");
    const OF_KINESIS: (&str, &str) = ("AWS_ENDPOINT_URL_KINESIS", "http://127.0.0.1:2");
    const OF_S3: (&str, &str) = ("AWS_ENDPOINT_URL_S3", "http://127.0.0.1:3");
    const IGNORE: (&str, &str) = ("AWS_IGNORE_CONFIGURED_ENDPOINT_URLS", "true");
    const REGION: (&str, &str) = ("AWS_REGION", "eu-west-1");
    let [key, secret] = KEYS;
    let made_up = "made-up, eu-west-1";
    for (variables, expected) in [
        (
            &[GENERAL, REGION][..],
            "http://127.0.0.1:1 (from AWS_ENDPOINT_URL), made-up, eu-west-1",
        ),
        (
            &[GENERAL, OF_KINESIS, key, secret, REGION],
            "http://127.0.0.1:2 (from AWS_ENDPOINT_URL_KINESIS), made-up, eu-west-1",
        ),
        (&[OF_S3, key, secret, REGION], "aws, variables, eu-west-1"),
        (
            &[GENERAL, IGNORE, key, secret, REGION],
            "aws, variables, eu-west-1",
        ),
        (
            &[("AWS_ENDPOINT_URL", " "), key, secret, REGION],
            "aws, variables, eu-west-1",
        ),
    ] {
        check(auto(variables), expected).await;
    }
    let flag = Case {
        endpoint: "http://127.0.0.1:7",
        ..auto(&[GENERAL, OF_KINESIS, REGION])
    };
    check(flag, &format!("http://127.0.0.1:7, {made_up}")).await;

    let variables = [("AWS_PROFILE", "emulator"), key, secret, REGION];
    let by_profile = |services, target| Case {
        services,
        target,
        files: true,
        ..auto(&variables)
    };
    let kinesis = "http://127.0.0.1:9999 (from profile emulator)";
    let dynamodb = "http://127.0.0.1:8000 (from profile emulator)";
    let one = by_profile(&[AwsService::Kinesis], Target::Auto);
    check(one, &format!("{kinesis}, {made_up}")).await;
    let both = [AwsService::Kinesis, AwsService::DynamoDb];
    let each = format!("Kinesis at {kinesis}, DynamoDB at {dynamodb}, {made_up}");
    check(by_profile(&both, Target::Auto), &each).await;
    let expected =
        format!("error: --target aws sends real credentials, but the endpoint {kinesis}");
    let outcome = by_profile(&both, Target::Aws).outcome().await;
    assert!(outcome.starts_with(&expected), "{outcome}");
}

#[tokio::test]
async fn real_credentials_never_go_to_some_loopback_endpoint() {
    let [key, secret] = KEYS;
    let local = ("AWS_ENDPOINT_URL_KINESIS", "http://[::1]:2");
    let remote = ("AWS_ENDPOINT_URL_DYNAMODB", "https://dynamodb.example.com");
    for (variables, elsewhere) in [
        (&[local, key, secret][..], "AWS"),
        (
            &[local, remote, key, secret],
            "https://dynamodb.example.com (from AWS_ENDPOINT_URL_DYNAMODB)",
        ),
    ] {
        for services in [
            [AwsService::Kinesis, AwsService::DynamoDb],
            [AwsService::DynamoDb, AwsService::Kinesis],
        ] {
            let case = Case {
                services: &services,
                ..auto(variables)
            };
            let expected = format!(
                "error: Kinesis has the endpoint http://[::1]:2 (from AWS_ENDPOINT_URL_KINESIS) on \
                 this machine, but DynamoDB goes to {elsewhere}: give both an endpoint on this \
                 machine, or neither"
            );
            check(case, &expected).await;
        }
    }
    let with_keys = [local, key, secret];
    let alone = Case {
        services: &[AwsService::DynamoDb],
        region: "eu-west-1",
        ..auto(&with_keys)
    };
    check(alone, "aws, variables, eu-west-1").await;
}

#[tokio::test]
async fn profile_flag_overrides_the_environment() {
    let case = Case {
        variables: &KEYS,
        ..profile("signed-in")
    };
    check(case, "aws, profile signed-in, eu-north-1").await;
}

#[tokio::test]
async fn aws_needs_a_region() {
    check(
        auto(&KEYS),
        "error: no AWS region: give --region, or set AWS_REGION or the profile's region \
         (or use the local cloud with --target local)",
    )
    .await;
    // The SDK's full search may still find one.
    let aws = Case {
        target: Target::Aws,
        ..Case::default()
    };
    check(aws, "aws, chain, no region").await;
}

#[tokio::test]
async fn endpoint_takes_precedence() {
    let remote = "https://kinesis.example.com";
    for loopback in [
        "http://127.0.0.1:4566",
        "http://localhost:4566",
        "http://[::1]:4566",
    ] {
        for target in [Target::Auto, Target::Local] {
            let case = Case {
                target,
                endpoint: loopback,
                variables: &KEYS,
                region: "eu-west-1",
                ..Case::default()
            };
            check(case, &format!("{loopback}, made-up, eu-west-1")).await;
        }
    }
    let with = |target, variables| Case {
        target,
        endpoint: remote,
        variables,
        ..Case::default()
    };
    check(
        with(Target::Auto, &KEYS),
        &format!("{remote}, variables, no region"),
    )
    .await;
    check(
        with(Target::Auto, &[]),
        &format!("{remote}, made-up, no region"),
    )
    .await;
    check(
        with(Target::Aws, &KEYS),
        &format!("{remote}, chain, no region"),
    )
    .await;
}

#[tokio::test]
async fn contradictory_flags_are_errors() {
    for (target, endpoint, expected) in [
        (
            Target::Local,
            "https://kinesis.example.com",
            "--target local sends nothing off this machine",
        ),
        (
            Target::Local,
            "http://localhost:4566@kinesis.example.com",
            "--target local sends nothing off this machine",
        ),
        (
            Target::Local,
            "http://127.0.0.1.example.com",
            "--target local sends nothing off this machine",
        ),
        (
            Target::Aws,
            "http://127.0.0.1:4566",
            "--target aws sends real credentials",
        ),
        (Target::Auto, "127.0.0.1:4566", "the endpoint \"127"),
        (Target::Auto, "localhost", "the endpoint \"localhost"),
        (Target::Auto, "ftp://localhost", "the endpoint \"ftp"),
        (Target::Auto, "http://", "the endpoint \"http"),
    ] {
        let case = Case {
            target,
            endpoint,
            variables: &KEYS,
            region: "eu-west-1",
            ..Case::default()
        };
        let outcome = case.outcome().await;
        assert!(
            outcome.starts_with(&format!("error: {expected}")),
            "{outcome}"
        );
    }
}

#[tokio::test]
async fn local_ignores_credentials_in_the_environment() {
    let case = Case {
        target: Target::Local,
        variables: &KEYS,
        files: true,
        ..Case::default()
    };
    check(case, "local").await;
}
