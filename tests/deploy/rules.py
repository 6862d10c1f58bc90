"""Checks template.yaml for mistakes that no linter finds and that break the totals or the account's security.

`rules.py` prints each problem and exits with 1 if there is one. `rules.py --mutate` tests the rules: it
breaks the template in memory, one setting at a time, and exits with 1 unless each mistake is reported.
"""

import copy
import functools
import json
import subprocess
import sys
import tomllib

from template import ROOT, default, load, of_type, to_cloudformation


def get_att(name, attribute="Arn"):
    return {"Fn::GetAtt": [name, attribute]}


def objects(bucket):
    return {"Fn::Sub": f"${{{bucket}.Arn}}/*"}


READ = ["DescribeStream", "DescribeStreamSummary", "GetRecords", "GetShardIterator", "ListShards"]
LOOK = ["GetRecords", "GetShardIterator", "ListShards"]
LOG = ["logs:CreateLogStream", "logs:PutLogEvents"]

# Each role's permissions, exactly.
PERMISSIONS = {
    "AggregatorRole": [
        ([f"kinesis:{action}" for action in READ], [get_att("ReadingStream")]),
        (
            ["kinesis:DescribeStreamConsumer", "kinesis:SubscribeToShard"],
            [get_att("ReadingConsumer", "ConsumerARN")],
        ),
        (["kinesis:PutRecords"], [get_att("SummaryStream")]),
        (["firehose:PutRecordBatch"], [get_att("RejectsDelivery")]),
        (LOG, [get_att("AggregatorLog")]),
    ],
    "ProcessorRole": [
        ([f"kinesis:{action}" for action in READ], [get_att("SummaryStream")]),
        (
            ["kinesis:DescribeStreamConsumer", "kinesis:SubscribeToShard"],
            [get_att("SummaryConsumer", "ConsumerARN")],
        ),
        (["dynamodb:BatchWriteItem"], [get_att("Table")]),
        (["firehose:PutRecordBatch"], [get_att("RejectsDelivery")]),
        (["s3:ListBucket"], [get_att("OnFailureBucket")]),
        (["s3:PutObject"], [objects("OnFailureBucket")]),
        (LOG, [get_att("ProcessorLog")]),
    ],
    "FinisherRole": [
        ([f"kinesis:{action}" for action in READ], [get_att("SummaryStream")]),
        ([f"kinesis:{action}" for action in LOOK], [get_att("ReadingStream")]),
        (["dynamodb:GetItem", "dynamodb:PutItem"], [get_att("ProgressTable")]),
        (["kinesis:PutRecords"], [get_att("FinishedStream")]),
        (["firehose:PutRecordBatch"], [get_att("RejectsDelivery")]),
        (LOG, [get_att("FinisherLog")]),
    ],
    "DeliveryRole": [
        (
            [
                "kinesis:DescribeStream",
                "kinesis:GetRecords",
                "kinesis:GetShardIterator",
                "kinesis:ListShards",
            ],
            [get_att("ReadingStream")],
        ),
        (
            ["s3:GetBucketLocation", "s3:ListBucket", "s3:ListBucketMultipartUploads"],
            [get_att("ArchiveBucket")],
        ),
        (["s3:AbortMultipartUpload", "s3:PutObject"], [objects("ArchiveBucket")]),
        (["logs:PutLogEvents"], [get_att("DeliveryLog")]),
    ],
    "GuestRole": [
        (
            ["kinesis:GetRecords", "kinesis:GetShardIterator", "kinesis:ListShards"],
            [get_att("ReadingStream"), get_att("SummaryStream")],
        ),
    ],
}

MAPPINGS = {
    # Retries without limit. The window state allows only one batch at a time.
    "AggregatorReadings": {
        "StartingPosition": "TRIM_HORIZON",
        "ParallelizationFactor": 1,
        "TumblingWindowInSeconds": 60,
        "MaximumRetryAttempts": -1,
        "MaximumRecordAgeInSeconds": -1,
        "BisectBatchOnFunctionError": False,
        "FunctionResponseTypes": None,
        "DestinationConfig": None,
    },
    # Stops retrying after a limit and then stores the records.
    "ProcessorSummaries": {
        "StartingPosition": "TRIM_HORIZON",
        "ParallelizationFactor": 1,
        "TumblingWindowInSeconds": None,
        "MaximumRetryAttempts": 10,
        "MaximumRecordAgeInSeconds": 86400,
        "BisectBatchOnFunctionError": True,
        "FunctionResponseTypes": ["ReportBatchItemFailures"],
        "DestinationConfig": {"OnFailure": {"Destination": get_att("OnFailureBucket")}},
    },
    # Only tells the finisher when to look, so it keeps no records.
    "FinisherWatermarks": {
        "EventSourceArn": get_att("SummaryStream"),
        "FilterCriteria": {"Filters": [{"Pattern": '{"data":{"Watermark":{"Stream":[{"exists":true}]}}}'}]},
        "StartingPosition": "LATEST",
        "ParallelizationFactor": 1,
        "TumblingWindowInSeconds": None,
        "MaximumRetryAttempts": 2,
        "MaximumRecordAgeInSeconds": 60,
        "BisectBatchOnFunctionError": False,
        "FunctionResponseTypes": None,
        "DestinationConfig": None,
    },
}

FUNCTIONS = {"Aggregator": "aggregator", "Processor": "processor", "Finisher": "finisher"}

# The service that assumes each role.
SERVICES = {
    "AggregatorRole": "lambda.amazonaws.com",
    "ProcessorRole": "lambda.amazonaws.com",
    "FinisherRole": "lambda.amazonaws.com",
    "DeliveryRole": "firehose.amazonaws.com",
}

# The metrics that need an alarm: namespace, metric, and resource.
WATCHED = [
    ("AWS/Lambda", "IteratorAge", "Aggregator"),
    ("AWS/Lambda", "IteratorAge", "Processor"),
    ("AWS/Lambda", "Errors", "Aggregator"),
    ("AWS/Lambda", "Errors", "Processor"),
    ("AWS/Lambda", "Errors", "Finisher"),
    ("AWS/Lambda", "Throttles", "Aggregator"),
    ("AWS/Lambda", "Throttles", "Processor"),
    ("AWS/Lambda", "Throttles", "Finisher"),
    ("AWS/Lambda", "OnFailureDestinationDeliveredEventCount", "ProcessorSummaries"),
    ("AWS/Lambda", "DroppedEventCount", "ProcessorSummaries"),
    ("AWS/Firehose", "IncomingRecords", "RejectsDelivery"),
    # Guests of the live map share these reads with Firehose, and with the functions unless they have dedicated reads.
    ("AWS/Kinesis", "ReadProvisionedThroughputExceeded", "ReadingStream"),
    ("AWS/Kinesis", "ReadProvisionedThroughputExceeded", "SummaryStream"),
    ("Windrow", "LostRejects", "Aggregator"),
    ("Windrow", "LostRejects", "Processor"),
    ("Windrow", "LostRejects", "Finisher"),
    ("Windrow", "WaitingSeconds", "Finisher"),
    ("Windrow", "ExpiredWindows", "Finisher"),
    ("Windrow", "SkippedLateWindows", "Finisher"),
    ("Windrow", "LowVitals", "Processor"),
    ("Windrow", "EvictedReadings", "Aggregator"),
    ("Windrow", "EarlyEnds", "Aggregator"),
]

# What exists only with FinishedRows. Neither progress nor finished rows outlive the stack.
FINISHED = ["Finisher", "FinisherLog", "FinisherRole", "FinisherWatermarks", "FinisherSchedule", "ProgressTable"]
FINISHED_CONDITION = {"Fn::Equals": [{"Ref": "FinishedRows"}, "true"]}

FINISHED_OUTPUTS = {"windows": "FinishedStream"}

KEPT = ["ArchiveBucket", "DashboardBucket", "OnFailureBucket", "ResultBucket", "Table"]


def as_list(value):
    return value if isinstance(value, list) else [value]


def mappings(template, expected=MAPPINGS):
    found = of_type(template, "AWS::Lambda::EventSourceMapping")
    for name in sorted(found.keys() - expected.keys()):
        yield f"{name}: a mapping without a rule"
    for name, settings in expected.items():
        if name not in found:
            yield f"{name}: missing mapping"
            continue
        properties = found[name]["Properties"]
        for setting, value in settings.items():
            actual = default(template, properties.get(setting))
            if actual != value:
                yield f"{name}: {setting} is {actual}, not {value}"


def functions(template, expected=FUNCTIONS):
    found = of_type(template, "AWS::Lambda::Function")
    binaries = workspace_binaries()
    for name in sorted(found.keys() - expected.keys()):
        yield f"{name}: a function without a rule"
    for name, binary in expected.items():
        function = found.get(name)
        if function is None:
            yield f"{name}: missing function"
            continue
        properties = function["Properties"]
        build = function.get("Metadata", {})
        built = build.get("BuildProperties", {}).get("Binary")
        if built not in binaries:
            yield f"{name}: Binary is {built}, which the workspace does not build"
        elif built != binary:
            yield f"{name}: Binary is {built}, not {binary}"
        for ignored in sorted(build.get("BuildProperties", {}).keys() - {"Binary"}):
            yield f"{name}: {ignored} is a build property that SAM ignores for Rust"
        if build.get("BuildMethod") != "rust-cargolambda":
            yield f"{name}: BuildMethod is {build.get('BuildMethod')}, not rust-cargolambda"
        for setting, value in [
            ("Handler", "bootstrap"),
            ("Runtime", "provided.al2023"),
            ("Role", get_att(f"{name}Role")),
            ("LoggingConfig", {"LogFormat": "JSON", "LogGroup": {"Ref": f"{name}Log"}}),
        ]:
            if properties.get(setting) != value:
                yield f"{name}: {setting} is {properties.get(setting)}, not {value}"
        if default(template, properties["Architectures"][0]) != "arm64":
            yield f"{name}: the default architecture is not arm64"


@functools.cache
def workspace_binaries():
    command = ["cargo", "metadata", "--no-deps", "--offline", "--format-version", "1"]
    metadata = json.loads(subprocess.check_output(command, cwd=ROOT))
    targets = [target for package in metadata["packages"] for target in package["targets"]]
    return {target["name"] for target in targets if "bin" in target["kind"]}


def permissions(template, expected=PERMISSIONS):
    roles = of_type(template, "AWS::IAM::Role")
    for name in sorted(roles.keys() - expected.keys()):
        yield f"{name}: a role without a rule"
    for name, permitted in expected.items():
        if name not in roles:
            yield f"{name}: missing role"
            continue
        properties = roles[name]["Properties"]
        if properties.get("ManagedPolicyArns"):
            yield f"{name}: has managed policies, which are not limited to named resources"
        granted = set()
        for statement in statements(properties):
            sid = statement.get("Sid", "a statement")
            unknown = statement.keys() - {"Sid", "Effect", "Action", "Resource"}
            if unknown or statement["Effect"] != "Allow":
                yield f"{name}: {sid} is not a plain Allow of actions on resources"
                continue
            for action in as_list(statement["Action"]):
                if "*" in action:
                    yield f"{name}: {sid} allows the wildcard action {action}"
                for resource in as_list(statement["Resource"]):
                    if resource == "*":
                        yield f"{name}: {sid} allows {action} on every resource"
                    granted.add((action, json.dumps(resource)))
        needed = {
            (action, json.dumps(resource))
            for actions, resources in permitted
            for action in actions
            for resource in resources
        }
        for action, resource in sorted(needed - granted):
            yield f"{name}: lacks the permission {action} on {resource}"
        for action, resource in sorted(granted - needed):
            yield f"{name}: has the unnecessary permission {action} on {resource}"


def statements(role):
    for policy in role.get("Policies", []):
        for statement in policy["PolicyDocument"]["Statement"]:
            yield statement["Fn::If"][1] if "Fn::If" in statement else statement


def trust(template):
    """Who may assume a role: a service only for this account, and a guest only through this identity pool."""
    yield from service_trust(template)
    guest = trusted_by(template)["GuestRole"]
    expected = {
        "Effect": "Allow",
        "Principal": {"Federated": "cognito-identity.amazonaws.com"},
        "Action": "sts:AssumeRoleWithWebIdentity",
        "Condition": {
            "StringEquals": {"cognito-identity.amazonaws.com:aud": {"Ref": "IdentityPool"}},
            "ForAnyValue:StringLike": {"cognito-identity.amazonaws.com:amr": "unauthenticated"},
        },
    }
    if guest != [expected]:
        yield "GuestRole: principals other than guests of IdentityPool may assume it"
    if template["Resources"]["IdentityPool"]["Properties"].get("AllowClassicFlow") is not False:
        yield "IdentityPool: AllowClassicFlow is not false"


def trusted_by(template):
    roles = of_type(template, "AWS::IAM::Role").items()
    return {name: role["Properties"]["AssumeRolePolicyDocument"]["Statement"] for name, role in roles}


def service_trust(template):
    trusted = trusted_by(template)
    for name in sorted(trusted.keys() - SERVICES.keys() - {"GuestRole"}):
        yield f"{name}: no rule defines who may assume it"
    for name, service in SERVICES.items():
        if name not in trusted:
            continue
        expected = {
            "Effect": "Allow",
            "Principal": {"Service": service},
            "Action": "sts:AssumeRole",
            "Condition": {"StringEquals": {"aws:SourceAccount": {"Ref": "AWS::AccountId"}}},
        }
        if [one["Principal"] for one in trusted[name]] != [{"Service": service}]:
            yield f"{name}: principals other than {service} may assume it"
        elif trusted[name] != [expected]:
            yield f"{name}: {service} may assume it for another account or with other actions"


def buckets(template):
    policies = {
        policy["Properties"]["Bucket"]["Ref"]: policy["Properties"]["PolicyDocument"]["Statement"]
        for policy in of_type(template, "AWS::S3::BucketPolicy").values()
    }
    for name, bucket in of_type(template, "AWS::S3::Bucket").items():
        properties = bucket["Properties"]
        tls_only = {
            "Sid": "TlsOnly",
            "Effect": "Deny",
            "Principal": "*",
            "Action": "s3:*",
            "Resource": [get_att(name), objects(name)],
            "Condition": {"Bool": {"aws:SecureTransport": False}},
        }
        if tls_only not in policies.get(name, []):
            yield f"{name}: policy does not deny requests without TLS"
        block = properties.get("PublicAccessBlockConfiguration", {})
        if [block.get(setting) for setting in PUBLIC_ACCESS] != [True] * 4:
            yield f"{name}: public access is not blocked"
        for setting in ["BucketEncryption", "OwnershipControls", "LifecycleConfiguration"]:
            if setting not in properties:
                yield f"{name}: has no {setting}"
    # The ARN contains the account, so aws:SourceAccount would be redundant.
    distribution = "arn:${AWS::Partition}:cloudfront::${AWS::AccountId}:distribution/${Distribution}"
    of_distribution = {"StringEquals": {"aws:SourceArn": {"Fn::Sub": distribution}}}
    for name, document in policies.items():
        for statement in document:
            if statement["Effect"] != "Allow":
                continue
            if name != "DashboardBucket" or statement["Principal"] != {"Service": "cloudfront.amazonaws.com"}:
                yield f"{name}: {statement['Sid']} allows an unexpected principal"
            elif statement.get("Condition") != of_distribution:
                yield f"{name}: {statement['Sid']} is not limited to its distribution"


PUBLIC_ACCESS = [
    "BlockPublicAcls",
    "BlockPublicPolicy",
    "IgnorePublicAcls",
    "RestrictPublicBuckets",
]


def retention(template, kept=KEPT):
    """Resources with data outlive the stack, unless its creation failed."""
    for name, resource in template["Resources"].items():
        policy = resource.get("DeletionPolicy", "Delete")
        replaced = resource.get("UpdateReplacePolicy", "Delete")
        if name in kept and (policy, replaced) != ("RetainExceptOnCreate", "Retain"):
            yield f"{name}: has data that a deletion or replacement would delete"
        if name not in kept and policy != "Delete":
            yield f"{name}: would outlive the stack, which the guide does not document"


def storage(template, key=("Name", "StatusTime")):
    for name, stream in of_type(template, "AWS::Kinesis::Stream").items():
        if stream["Properties"].get("StreamEncryption", {}).get("EncryptionType") != "KMS":
            yield f"{name}: is not encrypted"
    table = template["Resources"]["Table"]["Properties"]
    keys = [(key["AttributeName"], key["KeyType"]) for key in table["KeySchema"]]
    if keys != list(zip(key, ["HASH", "RANGE"])):
        yield f"Table: key is {keys}"
    if not table.get("PointInTimeRecoverySpecification", {}).get("PointInTimeRecoveryEnabled"):
        yield "Table: has no point-in-time recovery"
    for name, delivery in of_type(template, "AWS::KinesisFirehose::DeliveryStream").items():
        target = delivery["Properties"]["ExtendedS3DestinationConfiguration"]
        if target.get("CompressionFormat") != "GZIP":
            yield f"{name}: does not compress with GZIP"
        if target.get("BufferingHints", {}).get("IntervalInSeconds") != 60:
            yield f"{name}: does not deliver every 60 s"
        # Producers may omit the newline; the functions always write it.
        from_stream = "KinesisStreamSourceConfiguration" in delivery["Properties"]
        if from_stream and target.get("ProcessingConfiguration") != DELIMITED:
            yield f"{name}: records without a newline run together in its objects"
        if not from_stream and "ProcessingConfiguration" in target:
            yield f"{name}: lines already end in newlines; a delimiter would add blank lines"


def finisher(template, outputs=FINISHED_OUTPUTS):
    """The finisher and all that it needs: streams for its outputs, its progress, and a schedule."""
    resources = template["Resources"]
    if template["Conditions"].get("FinishedRows") != FINISHED_CONDITION:
        yield f"FinishedRows: condition is {json.dumps(template['Conditions'].get('FinishedRows'))}"
    for name in [*FINISHED, *outputs.values()]:
        if resources.get(name, {}).get("Condition") != "FinishedRows":
            yield f"{name}: is missing, or exists without FinishedRows"
    variables = resources["Finisher"]["Properties"]["Environment"]["Variables"]
    streams = {output: f"${{{stream}}}" for output, stream in outputs.items()}
    if json.loads(variables["OUTPUT_STREAMS"]["Fn::Sub"]) != streams:
        yield f"Finisher: OUTPUT_STREAMS is {variables['OUTPUT_STREAMS']}, not {streams}"
    for variable, name in [
        ("SUMMARY_STREAM", "SummaryStream"),
        ("READING_STREAM", "ReadingStream"),
        ("PROGRESS_TABLE", "ProgressTable"),
    ]:
        if variables.get(variable) != {"Ref": name}:
            yield f"Finisher: {variable} is {variables.get(variable)}, not {name}"
    # Small accounts have no concurrency to reserve, and invocations may overlap.
    if "ReservedConcurrentExecutions" in resources["Finisher"]["Properties"]:
        yield "Finisher: reserves concurrency"
    table = resources["ProgressTable"]["Properties"]
    if table["KeySchema"] != [{"AttributeName": "Log", "KeyType": "HASH"}]:
        yield f"ProgressTable: key is {table['KeySchema']}"
    if table.get("BillingMode") != "PAY_PER_REQUEST":
        yield "ProgressTable: is not on demand"
    schedule = resources.get("FinisherSchedule", {}).get("Properties", {})
    targets = [target["Arn"] for target in schedule.get("Targets", [])]
    if (schedule.get("ScheduleExpression"), targets) != ("rate(1 minute)", [get_att("Finisher")]):
        yield "FinisherSchedule: does not invoke the finisher once per minute"
    if schedule.get("State", "ENABLED") != "ENABLED":
        yield "FinisherSchedule: is not enabled"


def arrival_only(template):
    """A window by event time is never known to be complete."""
    rule = template.get("Rules", {}).get("FinishedRowsByArrival", {})
    asserted = [one["Assert"] for one in rule.get("Assertions", [])]
    expected = [{"Fn::Equals": [{"Ref": "WindowTime"}, "arrival"]}]
    if rule.get("RuleCondition") != FINISHED_CONDITION or asserted != expected:
        yield "FinishedRowsByArrival: does not keep FinishedRows from windows by event time"
    if template["Parameters"]["FinishedRows"]["Default"] != "false":
        yield "FinishedRows: is not false by default"


def protection(template):
    table = template["Resources"]["Table"]["Properties"]
    if default(template, table.get("DeletionProtectionEnabled")) != "true":
        yield "Table: has no deletion protection by default"


# Firehose expects the delimiter as a backslash and an n.
DELIMITED = {
    "Enabled": True,
    "Processors": [
        {
            "Type": "AppendDelimiterToRecord",
            "Parameters": [{"ParameterName": "Delimiter", "ParameterValue": "\\n"}],
        }
    ],
}


def public(template):
    """Guests are not admitted by default. If they are, they cannot slow the functions down."""
    for parameter, value in [("PublicDashboard", "false"), ("DedicatedReads", "auto")]:
        actual = template["Parameters"][parameter]["Default"]
        if actual != value:
            yield f"{parameter}: default is {actual}, not {value}"
    # The resources for guests: Cognito's, and the page.
    for name in GUESTS:
        if template["Resources"].get(name, {}).get("Condition") != "PublicDashboard":
            yield f"{name}: exists without PublicDashboard"
    for name in ["PublicDashboard", "DedicatedReads"]:
        if template["Conditions"].get(name) != CONDITIONS[name]:
            yield f"{name}: condition is {json.dumps(template['Conditions'].get(name))}"
    for mapping, consumer, stream in [
        ("AggregatorReadings", "ReadingConsumer", "ReadingStream"),
        ("ProcessorSummaries", "SummaryConsumer", "SummaryStream"),
    ]:
        source = template["Resources"].get(mapping, {}).get("Properties", {}).get("EventSourceArn")
        if source != {"Fn::If": ["DedicatedReads", get_att(consumer, "ConsumerARN"), get_att(stream)]}:
            yield f"{mapping}: DedicatedReads does not give it dedicated reads"


GUESTS = ["Distribution", "GuestRole", "IdentityPool", "IdentityPoolRoles"]
CONDITIONS = {
    "PublicDashboard": {"Fn::Equals": [{"Ref": "PublicDashboard"}, "true"]},
    "DedicatedReads": {
        "Fn::Or": [
            {"Fn::Equals": [{"Ref": "DedicatedReads"}, "true"]},
            {
                "Fn::And": [
                    {"Fn::Equals": [{"Ref": "DedicatedReads"}, "auto"]},
                    {"Condition": "PublicDashboard"},
                ]
            },
        ]
    },
}


def page(template):
    """The page's security headers. A test in tools/local/src/page.rs checks the local page's."""
    headers = template["Resources"]["DistributionHeaders"]["Properties"]["ResponseHeadersPolicyConfig"]
    policy = headers["SecurityHeadersConfig"]["ContentSecurityPolicy"]["ContentSecurityPolicy"]
    policy = policy["Fn::Sub"] if isinstance(policy, dict) else policy
    directives = {directive.strip() for directive in policy.split(";")}
    # These do not fall back to default-src.
    for directive in ["default-src 'self'", "base-uri 'none'", "form-action 'none'", "frame-ancestors 'none'"]:
        if directive not in directives:
            yield f"DistributionHeaders: policy has no {directive}"


def alarms(template, expected=WATCHED):
    watched = set()
    for name, alarm in of_type(template, "AWS::CloudWatch::Alarm").items():
        properties = alarm["Properties"]
        [dimension] = properties["Dimensions"]
        watches = template["Resources"][dimension["Value"]["Ref"]]
        watched.add((properties["Namespace"], properties["MetricName"], dimension["Value"]["Ref"]))
        if "AlarmActions" not in properties:
            yield f"{name}: has no AlarmActions"
        if alarm.get("Condition") != watches.get("Condition"):
            yield f"{name}: exists only under a condition, or without what it watches"
        if properties.get("TreatMissingData") != "notBreaching":
            yield f"{name}: fires on missing data"
    for namespace, metric, resource in expected:
        if (namespace, metric, resource) not in watched:
            yield f"{resource}: no alarm watches {metric}"
    for namespace, metric, resource in watched:
        if namespace != "Windrow":
            continue
        source = ROOT / "crates" / "windrow-lambda" / "src" / FUNCTIONS[resource] / "handler.rs"
        # A function emits its own metrics and the sensor's.
        emits = f'("{metric}", Unit::' in source.read_text()
        emits |= f'METRIC: &str = "{metric}"' in (ROOT / "unicorn" / "src" / "row.rs").read_text()
        if not emits:
            yield f"{resource}: does not emit {metric}, which an alarm watches"


# The build settings that keep the functions small; sizes.py checks their sizes. For settings missing from
# Cargo.toml's [profile.release], cargo-lambda adds its own after these, which would override them.
FUNCTION_PROFILE = {
    'profile.release.lto = "fat"': "lto",
    "profile.release.codegen-units = 1": "codegen-units",
    'profile.release.panic = "abort"': "panic",
    'profile.release.package."*".opt-level = "s"': None,
    'profile.release.package.sqlparser.opt-level = "z"': None,
}


def read_profiles():
    """The release profile, and cargo-lambda's changes to it for the functions."""
    cargo = tomllib.loads((ROOT / "Cargo.toml").read_text())
    cargo_lambda = tomllib.loads((ROOT / "CargoLambda.toml").read_text())
    return {
        "release": cargo["profile"]["release"],
        "functions": cargo_lambda.get("build", {}).get("config", []),
    }


def profiles(settings):
    """Only functions use fat LTO, so that everything else builds within minutes."""
    for setting, name in FUNCTION_PROFILE.items():
        if setting not in settings["functions"]:
            yield f"CargoLambda.toml: build.config does not contain {setting}"
        if name and name not in settings["release"]:
            yield f"Cargo.toml: [profile.release] does not set {name}, so cargo-lambda's default applies"
    if settings["release"].get("lto") not in [False, "off"]:
        yield "Cargo.toml: [profile.release] links every program with LTO"
    if settings["release"].get("panic") != "unwind":
        yield "Cargo.toml: [profile.release] aborts the program on a panic in one task"


def profile_mutations():
    def without(setting):
        return lambda settings: settings["functions"].remove(setting)

    def without_release(name):
        return lambda settings: settings["release"].pop(name)

    def with_release(name, value):
        return lambda settings: settings["release"].update({name: value})

    for setting, name in FUNCTION_PROFILE.items():
        yield f"functions without {setting}", without(setting), "CargoLambda.toml: build.config does not contain"
        if name:
            yield f"programs without {name}", without_release(name), f"does not set {name}"
    yield "fat programs", with_release("lto", "fat"), "links every program with LTO"
    yield "thin programs", with_release("lto", "thin"), "links every program with LTO"
    yield "programs that abort", with_release("panic", "abort"), "aborts the program on a panic"


RULES = [
    mappings,
    functions,
    permissions,
    trust,
    buckets,
    retention,
    storage,
    finisher,
    arrival_only,
    protection,
    public,
    page,
    alarms,
]


def problems(template, settings=None):
    transformed = to_cloudformation(template)
    found = [problem for rule in RULES for problem in rule(transformed)]
    return found + list(profiles(settings or read_profiles()))


def event(template, function):
    events = template["Resources"][function]["Properties"]["Events"].values()
    [mapping] = [event for event in events if event["Type"] == "Kinesis"]
    return mapping["Properties"]


def role_statements(template, role):
    [policy] = template["Resources"][role]["Properties"]["Policies"]
    return policy["PolicyDocument"]["Statement"]


def mutations():
    """Each mutation as its name, the change, and text that the reported problem must contain."""

    def each(sid, role):
        def without(template):
            kept = [
                one
                for one in role_statements(template, role)
                if "Fn::If" in one or one["Sid"] != sid
            ]
            [policy] = template["Resources"][role]["Properties"]["Policies"]
            policy["PolicyDocument"]["Statement"] = kept

        return without

    for role in PERMISSIONS:
        for statement in role_statements(load(), role):
            if "Fn::If" not in statement:
                sid = statement["Sid"]
                yield f"{role} without {sid}", each(sid, role), f"{role}: lacks the permission "

    def setting(function, name, value):
        def change(template):
            event(template, function)[name] = value

        return change

    for function, mapping, position in [
        ("Aggregator", "AggregatorReadings", "LATEST"),
        ("Processor", "ProcessorSummaries", "LATEST"),
        ("Finisher", "FinisherWatermarks", "TRIM_HORIZON"),
    ]:
        for name, value in [
            ("StartingPosition", position),
            ("ParallelizationFactor", 2),
            ("MaximumRetryAttempts", 3),
            ("DestinationConfig", {"OnFailure": {"Destination": {"Ref": "Queue"}}}),
        ]:
            yield f"{mapping} with {name} {value}", setting(function, name, value), f"{mapping}: {name} is "

    def resource(name, path, value):
        def change(template):
            *parents, last = path
            node = template["Resources"][name]
            for parent in parents:
                node = node[parent]
            if value is None:
                del node[last]
            else:
                node[last] = value

        return change

    def grant(role, **change):
        def widen(template):
            role_statements(template, role)[0].update(change)

        return widen

    binary = ["Metadata", "BuildProperties", "Binary"]
    yield "a renamed binary", resource("Processor", binary, "proccessor"), "Processor: Binary is proccessor"
    yield "a swapped binary", resource("Processor", binary, "aggregator"), "Processor: Binary is aggregator"
    flags = ["Metadata", "BuildProperties", "CargoLambdaFlags"]
    yield "flags of a build", resource("Processor", flags, ["--package", "x"]), "Processor: CargoLambdaFlags is"
    yield "a wildcard action", grant("AggregatorRole", Action="kinesis:*"), "the wildcard action kinesis:*"
    yield "a wildcard resource", grant("GuestRole", Resource="*"), "GuestRole: WatchTheFleet allows"
    yield (
        "a guest who writes",
        grant("GuestRole", Action=["kinesis:GetRecords", "kinesis:PutRecord"]),
        "GuestRole: has the unnecessary permission kinesis:PutRecord",
    )
    yield (
        "a bucket without TLS",
        resource("ArchiveBucketPolicy", ["Properties", "PolicyDocument", "Statement"], []),
        "ArchiveBucket: policy does not",
    )
    yield "a table that is deleted", resource("Table", ["DeletionPolicy"], "Delete"), "Table: has data"
    yield (
        "a missing alarm",
        resource("AggregatorAge", ["Properties", "MetricName"], "Duration"),
        "Aggregator: no alarm watches IteratorAge",
    )
    yield (
        "an alarm on an unknown metric",
        resource("WeakUnicorns", ["Properties", "MetricName"], "LowSpirits"),
        "Processor: does not emit LowSpirits",
    )
    yield (
        "an alarm only with a public map",
        resource("ReadingReads", ["Condition"], "PublicDashboard"),
        "ReadingReads: exists only under a condition",
    )
    for name, stream in [("ReadingReads", "ReadingStream"), ("SummaryReads", "SummaryStream")]:
        yield (
            f"no {name}",
            resource(name, ["Properties", "MetricName"], "IncomingRecords"),
            f"{stream}: no alarm watches ReadProvisionedThroughputExceeded",
        )
    yield from guest_mutations(resource)
    yield from finisher_mutations(setting, resource)
    for role in SERVICES:
        statement = ["Properties", "AssumeRolePolicyDocument", "Statement", 0]
        yield (
            f"{role} for any account",
            resource(role, [*statement, "Condition"], None),
            f"{role}: {SERVICES[role]} may assume it for another account",
        )
        yield (
            f"{role} for another service",
            resource(role, [*statement, "Principal"], {"Service": "ec2.amazonaws.com"}),
            f"{role}: principals other than {SERVICES[role]}",
        )
    distribution_only = ["Properties", "PolicyDocument", "Statement", 1]
    yield (
        "a page for any distribution",
        resource("DashboardBucketPolicy", [*distribution_only, "Condition"], None),
        "DashboardBucket: DistributionOnly is not limited to",
    )
    archive = ["Properties", "ExtendedS3DestinationConfiguration", "ProcessingConfiguration"]
    for name, path, value in [
        ("no delimiter", archive, None),
        ("a disabled delimiter", [*archive, "Enabled"], False),
        ("another delimiter", [*archive, "Processors", 0, "Parameters", 0, "ParameterValue"], ","),
    ]:
        yield name, resource("ReadingDelivery", path, value), "ReadingDelivery: records without a newline"
    yield (
        "an unwanted delimiter",
        resource("RejectsDelivery", archive, copy.deepcopy(DELIMITED)),
        "RejectsDelivery: lines already end",
    )
    yield (
        "an unencrypted stream",
        resource("SummaryStream", ["Properties", "StreamEncryption"], None),
        "SummaryStream: is not encrypted",
    )


def finisher_mutations(setting, resource):
    """Mutations that would keep the finisher from being invoked, or from knowing what is complete."""

    def unconditional(template):
        template["Rules"]["FinishedRowsByArrival"]["Assertions"] = []

    def by_default(template):
        template["Parameters"]["FinishedRows"]["Default"] = "true"

    filters = {"Filters": [{"Pattern": '{"Watermark":[{"exists":true}]}'}]}
    yield "another filter", setting("Finisher", "FilterCriteria", filters), "FinisherWatermarks: FilterCriteria is"
    yield "no filter", setting("Finisher", "FilterCriteria", None), "FinisherWatermarks: FilterCriteria is"
    readings = setting("Finisher", "Stream", get_att("ReadingStream"))
    yield "watermarks of another stream", readings, "FinisherWatermarks: EventSourceArn is"
    schedule = ["Properties", "Events", "Schedule"]
    for name, path, value in [
        ("no schedule", schedule, None),
        ("a rare schedule", [*schedule, "Properties", "Schedule"], "rate(1 day)"),
    ]:
        yield name, resource("Finisher", path, value), "FinisherSchedule: does not invoke the finisher"
    enabled = [*schedule, "Properties", "Enabled"]
    yield "a disabled schedule", resource("Finisher", enabled, False), "FinisherSchedule: is not enabled"
    variables = ["Properties", "Environment", "Variables"]
    yield (
        "an unknown output",
        resource("Finisher", [*variables, "OUTPUT_STREAMS"], {"Fn::Sub": '{"rows":"${FinishedStream}"}'}),
        "Finisher: OUTPUT_STREAMS is",
    )
    yield (
        "another stream of readings",
        resource("Finisher", [*variables, "READING_STREAM"], {"Ref": "SummaryStream"}),
        "Finisher: READING_STREAM is",
    )
    reserved = ["Properties", "ReservedConcurrentExecutions"]
    yield "reserved concurrency", resource("Finisher", reserved, 1), "Finisher: reserves concurrency"
    for name in ["ProgressTable", "FinishedStream"]:
        yield f"{name} without its condition", resource(name, ["Condition"], None), f"{name}: is missing, or exists"
    key = ["Properties", "KeySchema", 0, "AttributeName"]
    yield "another key of the progress", resource("ProgressTable", key, "log"), "ProgressTable: key is"
    provisioned = resource("ProgressTable", ["Properties", "BillingMode"], "PROVISIONED")
    yield "provisioned progress", provisioned, "ProgressTable: is not on demand"
    yield "finished rows by event time", unconditional, "FinishedRowsByArrival: does not"
    yield "finished rows by default", by_default, "FinishedRows: is not false by default"
    yield (
        "an alarm without its function",
        resource("FinisherWaiting", ["Condition"], None),
        "FinisherWaiting: exists only under a condition, or without what it watches",
    )
    waiting = resource("FinisherWaiting", ["Properties", "MetricName"], "Waiting")
    yield "an alarm on nothing", waiting, "Finisher: no alarm watches WaitingSeconds"


def guest_mutations(resource):
    """Mutations that would admit guests by default or let them slow the functions down."""

    def parameter(name, value):
        def change(template):
            template["Parameters"][name]["Default"] = value

        return change

    def without_auto(template):
        template["Conditions"]["DedicatedReads"] = {"Fn::Equals": [{"Ref": "DedicatedReads"}, "true"]}

    def shared(function, stream):
        def change(template):
            event(template, function)["Stream"] = get_att(stream)

        return change

    def without(directive):
        def change(template):
            headers = template["Resources"]["DistributionHeaders"]["Properties"]["ResponseHeadersPolicyConfig"]
            policy = headers["SecurityHeadersConfig"]["ContentSecurityPolicy"]
            policy["ContentSecurityPolicy"] = {
                "Fn::Sub": policy["ContentSecurityPolicy"]["Fn::Sub"].replace(directive, "")
            }

        return change

    yield "a public map by default", parameter("PublicDashboard", "true"), "PublicDashboard: default is true"
    yield "shared reads by default", parameter("DedicatedReads", "false"), "DedicatedReads: default is false"
    yield "guests that share reads", without_auto, "DedicatedReads: condition is"
    for name in GUESTS:
        yield f"{name} without its condition", resource(name, ["Condition"], None), f"{name}: exists without"
    for function, stream, mapping in [
        ("Aggregator", "ReadingStream", "AggregatorReadings"),
        ("Processor", "SummaryStream", "ProcessorSummaries"),
    ]:
        yield (
            f"{function} with shared reads",
            shared(function, stream),
            f"{mapping}: DedicatedReads does not",
        )
    for directive in ["base-uri 'none'", "form-action 'none'", "frame-ancestors 'none'"]:
        yield f"a page without {directive}", without(directive), f"policy has no {directive}"


def mutate():
    missed = 0
    for name, change, expected in mutations():
        template = copy.deepcopy(load())
        change(template)
        found = [problem for problem in problems(template) if expected in problem]
        print(f"{name}: {found[0] if found else 'NOT REPORTED'}")
        missed += not found
    for name, change, expected in profile_mutations():
        settings = copy.deepcopy(read_profiles())
        change(settings)
        found = [problem for problem in profiles(settings) if expected in problem]
        print(f"{name}: {found[0] if found else 'NOT REPORTED'}")
        missed += not found
    return missed


def main():
    if sys.argv[1:] == ["--mutate"]:
        sys.exit(1 if mutate() else 0)
    found = problems(load())
    for problem in found:
        print(problem)
    sys.exit(1 if found else 0)


if __name__ == "__main__":
    main()
