//! What a user reads of a template that makes no sense, or not all of which runs here.

#![expect(clippy::unwrap_used, reason = "a test may panic")]

use std::time::Duration;

use windrow_template::{StackModel, StackOptions, StackTemplate, TemplateError};

const STREAM: &str = "  Ticks: {Type: AWS::Kinesis::Stream, Properties: {ShardCount: 1}}\n";

/// A SAM template with a stream and a function that reads it with these settings.
fn with_settings(settings: &str) -> String {
    format!(
        "Transform: AWS::Serverless-2016-10-31
Resources:
{STREAM}  Sum:
    Type: AWS::Serverless::Function
    Properties:
      Events:
        Ticks:
          Type: Kinesis
          Properties:
            Stream: !GetAtt Ticks.Arn
            StartingPosition: LATEST
{settings}"
    )
}

fn resolve(text: &str) -> Result<(), TemplateError> {
    let template = StackTemplate::parse(text)?;
    template.resolve(&StackOptions::default()).map(|_| ())
}

fn message(text: &str) -> String {
    match resolve(text) {
        Ok(()) => "no error".to_owned(),
        Err(error) => error.to_string(),
    }
}

#[test]
fn bounds_of_lambda_are_checked() {
    let cases = [
        ("BatchSize", "0", "10000"),
        ("BatchSize", "10001", "10000"),
        ("MaximumBatchingWindowInSeconds", "301", "300"),
        ("TumblingWindowInSeconds", "901", "900"),
        ("MaximumRetryAttempts", "-2", "10000"),
        ("MaximumRetryAttempts", "10001", "10000"),
        (
            "MaximumRecordAgeInSeconds",
            "59",
            "-1, for any age, or 60 to 604800",
        ),
        ("MaximumRecordAgeInSeconds", "604801", "604800"),
        ("ParallelizationFactor", "11", "10"),
        ("BatchSize", "many", "a whole number"),
        ("Enabled", "maybe", "true or false"),
        ("FunctionResponseTypes", "[All]", "ReportBatchItemFailures"),
    ];
    for (key, value, expected) in cases {
        let found = message(&with_settings(&format!("            {key}: {value}\n")));
        let start = format!("line 13: {key} of Sum.Ticks ");
        assert!(
            found.starts_with(&start) && found.contains(expected),
            "{found}"
        );
    }
    let allowed = "            BatchSize: 10000
            MaximumBatchingWindowInSeconds: 300
            TumblingWindowInSeconds: 900
            MaximumRetryAttempts: -1
            MaximumRecordAgeInSeconds: 604800
";
    assert_eq!(resolve(&with_settings(allowed)), Ok(()));
}

#[test]
fn a_tumbling_window_needs_one_batch_at_a_time() {
    let settings =
        "            TumblingWindowInSeconds: 60\n            ParallelizationFactor: 2\n";
    assert_eq!(
        message(&with_settings(settings)),
        "line 14: ParallelizationFactor of Sum.Ticks must be 1 for a mapping with a tumbling window"
    );
}

#[test]
fn messages_name_what_is_wrong() {
    let cases = [
        (
            "Resources:\n  Ticks: {Type: AWS::Kinesis::Stream}\n  B: {Type: AWS::Kinesis::Stream, Properties: {Name: !Ref Tick}}\n",
            "line 3: `Tick` is neither a parameter nor a resource; did you mean `Ticks`?",
        ),
        (
            "Conditions:\n  Never: !Equals [a, b]\nResources:\n  A: {Type: AWS::Kinesis::Stream, Condition: Never}\n  B: {Type: AWS::Kinesis::Stream, Properties: {Name: !Ref A}}\n",
            "line 5: `A` (line 4) does not exist, since its condition is false",
        ),
        (
            "Resources:\n  A: {Type: AWS::Kinesis::Stream, Condition: Nevr}\nConditions:\n  Never: !Equals [a, b]\n",
            "line 2: there is no condition `Nevr`; did you mean `Never`?",
        ),
        (
            "Resources:\n  A: {Type: AWS::Kinesis::Stream, Properties: {Name: !FindInMap [Names, test, stream]}}\n",
            "line 2: the mappings have no `Names` with `test` with `stream`",
        ),
        (
            "Resources:\n  F: {Type: AWS::Serverless::Function}\n",
            "line 2: `F` is of a type of SAM, which needs `Transform: AWS::Serverless-2016-10-31`",
        ),
        (
            "Resources:\n  A: {Type: AWS::Kinesis::Stream, Properties: {Name: !Cidr [a, b]}}\n",
            "line 2: Fn::Cidr cannot be resolved here",
        ),
        (
            "Resources:\n  A: {Type: AWS::DynamoDB::Table, Properties: {KeySchema: []}}\n",
            "line 2: KeySchema of A has no attribute of the type HASH",
        ),
        (
            "Resources: {A: {Properties: {}}}\n",
            "line 1: the resource `A` has no type",
        ),
        (
            "Parameters: {}\n",
            "line 1: a template must have a map of `Resources`",
        ),
    ];
    for (text, expected) in cases {
        assert_eq!(message(text), expected);
    }
}

#[test]
fn what_is_not_needed_may_be_anything() {
    let text = format!(
        "Resources:\n{STREAM}  Role: {{Type: AWS::IAM::Role, Properties: {{RoleName: !ImportValue x, Policies: !Nonsense []}}}}\n"
    );
    assert_eq!(resolve(&text), Ok(()));
}

fn model(text: &str) -> StackModel {
    let template = StackTemplate::parse(text).unwrap();
    template.resolve(&StackOptions::default()).unwrap()
}

#[test]
fn a_failure_destination_is_a_name() {
    for arn in [
        "arn:aws:s3:::../outside",
        "arn:aws:sqs:us-east-1:000000000000:../outside",
        "arn:aws:sns:us-east-1:000000000000:/outside",
    ] {
        let settings =
            format!("            DestinationConfig: {{OnFailure: {{Destination: '{arn}'}}}}\n");
        let stack = model(&with_settings(&settings));
        assert_eq!(stack.mappings[0].on_failure, None);
        let message = &stack.problems[0].message;
        assert!(
            message.contains(&format!("`{arn}`, which is no bucket")),
            "{message}"
        );
    }
}

#[test]
fn minus_one_is_no_limit() {
    let settings =
        "            MaximumRetryAttempts: -1\n            MaximumRecordAgeInSeconds: -1\n";
    let mapping = model(&with_settings(settings)).mappings.remove(0);
    assert_eq!((mapping.retry_attempts, mapping.record_age), (None, None));
    let settings =
        "            MaximumRetryAttempts: 0\n            MaximumRecordAgeInSeconds: 60\n";
    let mapping = model(&with_settings(settings)).mappings.remove(0);
    let minute = Duration::from_secs(60);
    assert_eq!(
        (mapping.retry_attempts, mapping.record_age),
        (Some(0), Some(minute))
    );
}

#[test]
fn what_only_aws_knows_is_named_and_stops_nothing() {
    let stack = model(&format!(
        "Transform: AWS::Serverless-2016-10-31
Parameters:
  Powertools: {{Type: 'AWS::SSM::Parameter::Value<String>'}}
  Vpc: {{Type: String}}
Resources:
{STREAM}  Sum:
    Type: AWS::Serverless::Function
    Properties:
      Layers: [!Ref Powertools, !ImportValue shared-layer]
      VpcConfig: {{VpcId: !Ref Vpc}}
      Environment:
        Variables:
          POOL: !ImportValue pool
          PASSWORD: '{{{{resolve:secretsmanager:db}}}}'
      Events:
        Other: {{Type: Kinesis, Properties: {{Stream: !ImportValue orders, StartingPosition: LATEST}}}}
"
    ));
    let problems: Vec<String> = stack.problems.iter().map(ToString::to_string).collect();
    for expected in [
        "line 10: a layer of the function Sum is no folder beside the template, so its files are missing here",
        "line 14: only AWS knows `pool`; the value here is the text itself",
        "line 15: only AWS knows `PASSWORD of Sum`; the value here is the text itself",
        "line 17: the mapping SumOther does not run: it reads from `orders`, which is not the ARN of a stream",
    ] {
        assert!(
            problems.iter().any(|problem| problem == expected),
            "{expected}: {problems:#?}"
        );
    }
    assert_eq!(stack.functions[0].environment["POOL"], "pool");
    assert_eq!(stack.mappings, []);
}

#[test]
fn what_sam_makes_is_known_and_nothing_else() {
    let with = |reference: &str| {
        format!(
            "Transform: AWS::Serverless-2016-10-31
Resources:
{STREAM}  Tot: {{Type: AWS::Serverless::Function}}
  Total:
    Type: AWS::Serverless::Function
    Properties: {{FunctionName: sum-function}}
  Mapping:
    Type: AWS::Lambda::EventSourceMapping
    Properties:
      FunctionName: {reference}
      EventSourceArn: !GetAtt Ticks.Arn
      StartingPosition: LATEST
"
        )
    };
    for reference in [
        "!Ref Total.Alias",
        "!Ref Total",
        "!GetAtt Total.Arn",
        "sum-function:live",
        "function:sum-function:live",
    ] {
        let stack = model(&with(reference));
        assert_eq!(stack.mappings[0].function, "Total", "{reference}");
    }
    assert_eq!(
        message(&with("!Ref Totl")),
        "line 11: `Totl` is neither a parameter nor a resource; did you mean `Total`?"
    );
}
