"""What no linter sees in template.yaml, and what breaks the totals or the account if it is wrong.

`rules.py` prints each problem and exits with 1 if there is one. `rules.py --mutate` breaks the template in
memory, one thing at a time, and exits with 1 unless each is found and named: so the rules are known
to bite.
"""

import copy
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
LOG = ["logs:CreateLogStream", "logs:PutLogEvents"]

# Everything that anyone may do, in each role; nothing more, nothing less.
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
    # It never gives up, and its window's state allows one batch at a time.
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
    # It gives up in the end, and then keeps the records.
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
}

FUNCTIONS = {"Aggregator": "aggregator", "Processor": "processor"}

# Whose role each is.
SERVICES = {
    "AggregatorRole": "lambda.amazonaws.com",
    "ProcessorRole": "lambda.amazonaws.com",
    "DeliveryRole": "firehose.amazonaws.com",
}

# What must be watched: namespace, metric, and the resource that it is of.
WATCHED = [
    ("AWS/Lambda", "IteratorAge", "Aggregator"),
    ("AWS/Lambda", "IteratorAge", "Processor"),
    ("AWS/Lambda", "Errors", "Aggregator"),
    ("AWS/Lambda", "Errors", "Processor"),
    ("AWS/Lambda", "Throttles", "Aggregator"),
    ("AWS/Lambda", "Throttles", "Processor"),
    ("AWS/Lambda", "OnFailureDestinationDeliveredEventCount", "ProcessorSummaries"),
    ("AWS/Lambda", "DroppedEventCount", "ProcessorSummaries"),
    ("AWS/Firehose", "IncomingRecords", "RejectsDelivery"),
    # Guests of the live map share these reads with Firehose, and with the functions unless those have their own.
    ("AWS/Kinesis", "ReadProvisionedThroughputExceeded", "ReadingStream"),
    ("AWS/Kinesis", "ReadProvisionedThroughputExceeded", "SummaryStream"),
    ("WildRydes", "LostRejects", "Aggregator"),
    ("WildRydes", "LostRejects", "Processor"),
    ("WildRydes", "LowVitals", "Processor"),
    ("WildRydes", "EvictedReadings", "Aggregator"),
]

KEPT = ["ArchiveBucket", "DashboardBucket", "OnFailureBucket", "ResultBucket", "Table"]


def as_list(value):
    return value if isinstance(value, list) else [value]


def mappings(template):
    found = of_type(template, "AWS::Lambda::EventSourceMapping")
    for name in sorted(found.keys() - MAPPINGS.keys()):
        yield f"{name}: a mapping that no rule knows"
    for name, expected in MAPPINGS.items():
        if name not in found:
            yield f"{name}: there is no such mapping"
            continue
        properties = found[name]["Properties"]
        for setting, value in expected.items():
            actual = default(template, properties.get(setting))
            if actual != value:
                yield f"{name}: {setting} is {actual}, not {value}"


def functions(template):
    found = of_type(template, "AWS::Lambda::Function")
    binaries = workspace_binaries()
    for name in sorted(found.keys() - FUNCTIONS.keys()):
        yield f"{name}: a function that no rule knows"
    for name, binary in FUNCTIONS.items():
        function = found.get(name)
        if function is None:
            yield f"{name}: there is no such function"
            continue
        properties = function["Properties"]
        build = function.get("Metadata", {})
        built = build.get("BuildProperties", {}).get("Binary")
        if built not in binaries:
            yield f"{name}: its Binary is {built}, which the workspace does not build"
        elif built != binary:
            yield f"{name}: its Binary is {built}, not {binary}"
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
            yield f"{name}: it is not for arm64 by default"


def workspace_binaries():
    command = ["cargo", "metadata", "--no-deps", "--offline", "--format-version", "1"]
    metadata = json.loads(subprocess.check_output(command, cwd=ROOT))
    targets = [target for package in metadata["packages"] for target in package["targets"]]
    return {target["name"] for target in targets if "bin" in target["kind"]}


def permissions(template):
    roles = of_type(template, "AWS::IAM::Role")
    for name in sorted(roles.keys() - PERMISSIONS.keys()):
        yield f"{name}: a role that no rule knows"
    for name, expected in PERMISSIONS.items():
        if name not in roles:
            yield f"{name}: there is no such role"
            continue
        properties = roles[name]["Properties"]
        if properties.get("ManagedPolicyArns"):
            yield f"{name}: it has managed policies, which name no resources"
        granted = set()
        for statement in statements(properties):
            sid = statement["Sid"]
            unknown = statement.keys() - {"Sid", "Effect", "Action", "Resource"}
            if unknown or statement["Effect"] != "Allow":
                yield f"{name}: {sid} is more than an Allow of actions on resources"
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
            for actions, resources in expected
            for action in actions
            for resource in resources
        }
        for action, resource in sorted(needed - granted):
            yield f"{name}: it may not {action} on {resource}, which it must"
        for action, resource in sorted(granted - needed):
            yield f"{name}: it may {action} on {resource}, which nothing here needs"


def statements(role):
    for policy in role.get("Policies", []):
        for statement in policy["PolicyDocument"]["Statement"]:
            yield statement["Fn::If"][1] if "Fn::If" in statement else statement


def trust(template):
    """Who may take a role: a service only for this account, a guest only as a guest of this pool."""
    roles = of_type(template, "AWS::IAM::Role")
    trusted = {
        name: role["Properties"]["AssumeRolePolicyDocument"]["Statement"] for name, role in roles.items()
    }
    for name in sorted(roles.keys() - SERVICES.keys() - {"GuestRole"}):
        yield f"{name}: no rule knows who may take it"
    for name, service in SERVICES.items():
        expected = {
            "Effect": "Allow",
            "Principal": {"Service": service},
            "Action": "sts:AssumeRole",
            "Condition": {"StringEquals": {"aws:SourceAccount": {"Ref": "AWS::AccountId"}}},
        }
        if [one["Principal"] for one in trusted[name]] != [{"Service": service}]:
            yield f"{name}: someone but {service} may take it"
        elif trusted[name] != [expected]:
            yield f"{name}: {service} may take it for another account, or for more than its work"
    guest = trusted["GuestRole"]
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
        yield "GuestRole: someone but a guest of IdentityPool may take it"
    if template["Resources"]["IdentityPool"]["Properties"].get("AllowClassicFlow") is not False:
        yield "IdentityPool: AllowClassicFlow is not false"


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
            yield f"{name}: its policy does not reject what comes without TLS"
        block = properties.get("PublicAccessBlockConfiguration", {})
        if [block.get(setting) for setting in PUBLIC_ACCESS] != [True] * 4:
            yield f"{name}: public access is not blocked"
        for setting in ["BucketEncryption", "OwnershipControls", "LifecycleConfiguration"]:
            if setting not in properties:
                yield f"{name}: it has no {setting}"
    # The ARN names the account, so that aws:SourceAccount would say nothing more.
    distribution = "arn:${AWS::Partition}:cloudfront::${AWS::AccountId}:distribution/${Distribution}"
    of_distribution = {"StringEquals": {"aws:SourceArn": {"Fn::Sub": distribution}}}
    for name, document in policies.items():
        for statement in document:
            if statement["Effect"] != "Allow":
                continue
            if name != "DashboardBucket" or statement["Principal"] != {"Service": "cloudfront.amazonaws.com"}:
                yield f"{name}: {statement['Sid']} lets someone in whom no rule knows"
            elif statement.get("Condition") != of_distribution:
                yield f"{name}: {statement['Sid']} is for more than its distribution"


PUBLIC_ACCESS = [
    "BlockPublicAcls",
    "BlockPublicPolicy",
    "IgnorePublicAcls",
    "RestrictPublicBuckets",
]


def kept(template):
    """What holds data outlives the stack, unless the stack never came to be."""
    for name, resource in template["Resources"].items():
        policy = resource.get("DeletionPolicy", "Delete")
        replaced = resource.get("UpdateReplacePolicy", "Delete")
        if name in KEPT and (policy, replaced) != ("RetainExceptOnCreate", "Retain"):
            yield f"{name}: it holds data, and a deletion or a replacement would take it along"
        if name not in KEPT and policy != "Delete":
            yield f"{name}: it would outlive the stack, and the README does not say so"


def storage(template):
    for name, stream in of_type(template, "AWS::Kinesis::Stream").items():
        if stream["Properties"].get("StreamEncryption", {}).get("EncryptionType") != "KMS":
            yield f"{name}: it is not encrypted"
    table = template["Resources"]["Table"]["Properties"]
    keys = [(key["AttributeName"], key["KeyType"]) for key in table["KeySchema"]]
    if keys != [("Name", "HASH"), ("StatusTime", "RANGE")]:
        yield f"Table: its key is {keys}"
    if not table.get("PointInTimeRecoverySpecification", {}).get("PointInTimeRecoveryEnabled"):
        yield "Table: it has no point-in-time recovery"
    if default(template, table.get("DeletionProtectionEnabled")) != "true":
        yield "Table: it is not protected from deletion by default"
    for name, delivery in of_type(template, "AWS::KinesisFirehose::DeliveryStream").items():
        target = delivery["Properties"]["ExtendedS3DestinationConfiguration"]
        if target.get("CompressionFormat") != "GZIP":
            yield f"{name}: it does not compress"
        if target.get("BufferingHints", {}).get("IntervalInSeconds") != 60:
            yield f"{name}: it does not deliver every 60 s"
        # What others send needs a newline; what the functions send has one.
        from_stream = "KinesisStreamSourceConfiguration" in delivery["Properties"]
        if from_stream and target.get("ProcessingConfiguration") != DELIMITED:
            yield f"{name}: records without a newline run together in its objects"
        if not from_stream and "ProcessingConfiguration" in target:
            yield f"{name}: its lines have newlines already, and another is a blank line in its table"


# Firehose takes the delimiter as a backslash and an n.
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
    """Nobody is let in by default; where guests are, they cannot slow the functions down."""
    for parameter, value in [("PublicDashboard", "false"), ("DedicatedReads", "auto")]:
        actual = template["Parameters"][parameter]["Default"]
        if actual != value:
            yield f"{parameter}: it is {actual} by default, not {value}"
    # What stands for a guest: Cognito's resources, and the page.
    for name in GUESTS:
        if template["Resources"].get(name, {}).get("Condition") != "PublicDashboard":
            yield f"{name}: it is there without PublicDashboard"
    for name in ["PublicDashboard", "DedicatedReads"]:
        if template["Conditions"].get(name) != CONDITIONS[name]:
            yield f"{name}: its condition is {json.dumps(template['Conditions'].get(name))}"
    for mapping, consumer, stream in [
        ("AggregatorReadings", "ReadingConsumer", "ReadingStream"),
        ("ProcessorSummaries", "SummaryConsumer", "SummaryStream"),
    ]:
        source = template["Resources"].get(mapping, {}).get("Properties", {}).get("EventSourceArn")
        if source != {"Fn::If": ["DedicatedReads", get_att(consumer, "ConsumerARN"), get_att(stream)]}:
            yield f"{mapping}: DedicatedReads does not give it reads of its own"


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
    """What a browser may do with the page; tools/local/src/page.rs tests that its own page says the same."""
    headers = template["Resources"]["DistributionHeaders"]["Properties"]["ResponseHeadersPolicyConfig"]
    policy = headers["SecurityHeadersConfig"]["ContentSecurityPolicy"]["ContentSecurityPolicy"]
    policy = policy["Fn::Sub"] if isinstance(policy, dict) else policy
    directives = {directive.strip() for directive in policy.split(";")}
    # These do not fall back to default-src.
    for directive in ["default-src 'self'", "base-uri 'none'", "form-action 'none'", "frame-ancestors 'none'"]:
        if directive not in directives:
            yield f"DistributionHeaders: its policy has no {directive}"


def alarms(template):
    watched = set()
    for name, alarm in of_type(template, "AWS::CloudWatch::Alarm").items():
        properties = alarm["Properties"]
        [dimension] = properties["Dimensions"]
        watched.add((properties["Namespace"], properties["MetricName"], dimension["Value"]["Ref"]))
        if "AlarmActions" not in properties:
            yield f"{name}: nobody hears of it"
        if "Condition" in alarm:
            yield f"{name}: it is not always there"
        if properties.get("TreatMissingData") != "notBreaching":
            yield f"{name}: silence would set it off"
    for namespace, metric, resource in WATCHED:
        if (namespace, metric, resource) not in watched:
            yield f"{resource}: no alarm watches {metric}"
    for namespace, metric, resource in watched:
        if namespace != "WildRydes":
            continue
        source = ROOT / "crates" / "windrow-lambda" / "src" / FUNCTIONS[resource] / "handler.rs"
        if f'("{metric}", Unit::' not in source.read_text():
            yield f"{resource}: it never counts {metric}, which an alarm watches"


# How the functions are built: small, as sizes.py checks too. What Cargo.toml's [profile.release] does not say,
# cargo-lambda adds after these, and so it would win.
FUNCTION_PROFILE = {
    'profile.release.lto = "fat"': "lto",
    "profile.release.codegen-units = 1": "codegen-units",
    'profile.release.panic = "abort"': "panic",
    'profile.release.package."*".opt-level = "s"': None,
}


def read_profiles():
    """The programs' profile, and what cargo-lambda changes in it for the functions."""
    cargo = tomllib.loads((ROOT / "Cargo.toml").read_text())
    cargo_lambda = tomllib.loads((ROOT / "CargoLambda.toml").read_text())
    return {
        "release": cargo["profile"]["release"],
        "functions": cargo_lambda.get("build", {}).get("config", []),
    }


def profiles(read):
    """Fat LTO is for the two functions alone; everything else builds in minutes."""
    for setting, name in FUNCTION_PROFILE.items():
        if setting not in read["functions"]:
            yield f"CargoLambda.toml: build.config does not say {setting}"
        if name and name not in read["release"]:
            yield f"Cargo.toml: [profile.release] does not say {name}, so that cargo-lambda's own choice wins"
    if read["release"].get("lto") not in [False, "off"]:
        yield "Cargo.toml: [profile.release] links every program with LTO"
    if read["release"].get("panic") != "unwind":
        yield "Cargo.toml: [profile.release] ends a program for a panic in one task"


def profile_mutations():
    def without(setting):
        return lambda read: read["functions"].remove(setting)

    def unsaid(name):
        return lambda read: read["release"].pop(name)

    def said(name, value):
        return lambda read: read["release"].update({name: value})

    for setting, name in FUNCTION_PROFILE.items():
        yield f"functions without {setting}", without(setting), "CargoLambda.toml: build.config does not say"
        if name:
            yield f"programs without {name}", unsaid(name), f"does not say {name}"
    yield "fat programs", said("lto", "fat"), "links every program with LTO"
    yield "thin programs", said("lto", "thin"), "links every program with LTO"
    yield "programs that abort", said("panic", "abort"), "ends a program for a panic"


RULES = [mappings, functions, permissions, trust, buckets, kept, storage, public, page, alarms]


def problems(template, read=None):
    transformed = to_cloudformation(template)
    found = [problem for rule in RULES for problem in rule(transformed)]
    return found + list(profiles(read or read_profiles()))


def event(template, function):
    [mapping] = template["Resources"][function]["Properties"]["Events"].values()
    return mapping["Properties"]


def role_statements(template, role):
    [policy] = template["Resources"][role]["Properties"]["Policies"]
    return policy["PolicyDocument"]["Statement"]


def mutations():
    """What is broken, how, and what a problem must say of it."""

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
                yield f"{role} without {sid}", each(sid, role), f"{role}: it may not "

    def setting(function, name, value):
        def change(template):
            event(template, function)[name] = value

        return change

    for function, mapping in [("Aggregator", "AggregatorReadings"), ("Processor", "ProcessorSummaries")]:
        for name, value in [
            ("StartingPosition", "LATEST"),
            ("ParallelizationFactor", 2),
            ("MaximumRetryAttempts", 3),
            ("DestinationConfig", {"OnFailure": {"Destination": {"Ref": "Queue"}}}),
        ]:
            yield f"{mapping} with {name} {value}", setting(function, name, value), f"{mapping}: {name} is "

    def resource(name, path, value):
        def change(template):
            *parents, last = path
            place = template["Resources"][name]
            for parent in parents:
                place = place[parent]
            if value is None:
                del place[last]
            else:
                place[last] = value

        return change

    def grant(role, **change):
        def widen(template):
            role_statements(template, role)[0].update(change)

        return widen

    binary = ["Metadata", "BuildProperties", "Binary"]
    yield "a renamed binary", resource("Processor", binary, "proccessor"), "Processor: its Binary is proccessor"
    yield "a swapped binary", resource("Processor", binary, "aggregator"), "Processor: its Binary is aggregator"
    yield "a wildcard action", grant("AggregatorRole", Action="kinesis:*"), "the wildcard action kinesis:*"
    yield "a wildcard resource", grant("GuestRole", Resource="*"), "GuestRole: WatchTheFleet allows"
    yield (
        "a guest who writes",
        grant("GuestRole", Action=["kinesis:GetRecords", "kinesis:PutRecord"]),
        "GuestRole: it may kinesis:PutRecord",
    )
    yield (
        "a bucket without TLS",
        resource("ArchiveBucketPolicy", ["Properties", "PolicyDocument", "Statement"], []),
        "ArchiveBucket: its policy",
    )
    yield "a table that dies", resource("Table", ["DeletionPolicy"], "Delete"), "Table: it holds data"
    yield (
        "an alarm less",
        resource("AggregatorAge", ["Properties", "MetricName"], "Duration"),
        "Aggregator: no alarm watches IteratorAge",
    )
    yield (
        "an alarm on nothing",
        resource("WeakUnicorns", ["Properties", "MetricName"], "LowSpirits"),
        "Processor: it never counts LowSpirits",
    )
    yield (
        "an alarm that is only there for guests",
        resource("ReadingReads", ["Condition"], "PublicDashboard"),
        "ReadingReads: it is not always there",
    )
    for name, stream in [("ReadingReads", "ReadingStream"), ("SummaryReads", "SummaryStream")]:
        yield (
            f"no {name}",
            resource(name, ["Properties", "MetricName"], "IncomingRecords"),
            f"{stream}: no alarm watches ReadProvisionedThroughputExceeded",
        )
    yield from guest_mutations(resource)
    for role in SERVICES:
        statement = ["Properties", "AssumeRolePolicyDocument", "Statement", 0]
        yield (
            f"{role} for any account",
            resource(role, [*statement, "Condition"], None),
            f"{role}: {SERVICES[role]} may take it for another account",
        )
        yield (
            f"{role} for another service",
            resource(role, [*statement, "Principal"], {"Service": "ec2.amazonaws.com"}),
            f"{role}: someone but {SERVICES[role]}",
        )
    distribution_only = ["Properties", "PolicyDocument", "Statement", 1]
    yield (
        "a page for any distribution",
        resource("DashboardBucketPolicy", [*distribution_only, "Condition"], None),
        "DashboardBucket: DistributionOnly is for more",
    )
    archive = ["Properties", "ExtendedS3DestinationConfiguration", "ProcessingConfiguration"]
    for name, path, value in [
        ("no delimiter", archive, None),
        ("a delimiter that is switched off", [*archive, "Enabled"], False),
        ("another delimiter", [*archive, "Processors", 0, "Parameters", 0, "ParameterValue"], ","),
    ]:
        yield name, resource("ReadingDelivery", path, value), "ReadingDelivery: records without a newline"
    yield (
        "a delimiter too many",
        resource("RejectsDelivery", archive, copy.deepcopy(DELIMITED)),
        "RejectsDelivery: its lines have newlines",
    )
    yield (
        "a plain stream",
        resource("SummaryStream", ["Properties", "StreamEncryption"], None),
        "SummaryStream: it is not encrypted",
    )


def guest_mutations(resource):
    """What would let strangers in, or let guests slow the functions down."""

    def parameter(name, value):
        def change(template):
            template["Parameters"][name]["Default"] = value

        return change

    def undedicated(template):
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

    yield "a public map by default", parameter("PublicDashboard", "true"), "PublicDashboard: it is true"
    yield "shared reads by default", parameter("DedicatedReads", "false"), "DedicatedReads: it is false"
    yield "guests that share reads", undedicated, "DedicatedReads: its condition is"
    for name in GUESTS:
        yield f"{name} for ever", resource(name, ["Condition"], None), f"{name}: it is there without"
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
        yield f"a page without {directive}", without(directive), f"its policy has no {directive}"


def mutate():
    unseen = 0
    for name, change, expected in mutations():
        template = copy.deepcopy(load())
        change(template)
        found = [problem for problem in problems(template) if expected in problem]
        print(f"{name}: {found[0] if found else 'NOT SEEN'}")
        unseen += not found
    for name, change, expected in profile_mutations():
        read = copy.deepcopy(read_profiles())
        change(read)
        found = [problem for problem in profiles(read) if expected in problem]
        print(f"{name}: {found[0] if found else 'NOT SEEN'}")
        unseen += not found
    return unseen


def main():
    if sys.argv[1:] == ["--mutate"]:
        sys.exit(1 if mutate() else 0)
    found = problems(load())
    for problem in found:
        print(problem)
    sys.exit(1 if found else 0)


if __name__ == "__main__":
    main()
