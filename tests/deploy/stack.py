"""Deploys the built stack into an emulated AWS, sends readings through it, and takes it down again.

Takes the folder that `sam build` left its x86_64 functions in. What is real: the template, both deployed
functions, the streams, the processor's mapping, the table, Firehose and S3 as the emulator has them, and
the producer. What is not: the emulator's mappings have no tumbling windows, so the window's event is made
here, of the records in the stack's stream, and the deployed aggregator is invoked with it. (The window
itself is tested in the local cloud.)
"""

import base64
import collections
import datetime
import decimal
import gzip
import json
import os
import pathlib
import socket
import subprocess
import sys
import time

import boto3

from rules import KEPT
from template import ROOT

HERE = pathlib.Path(__file__).resolve().parent
STACK = "wildrydes"
WAIT_SECONDS = 120


def main():
    build = pathlib.Path(sys.argv[1]).resolve()
    work = ROOT / "target" / "deploy"
    port = free_port()
    os.environ |= {
        "AWS_ACCESS_KEY_ID": "test",
        "AWS_SECRET_ACCESS_KEY": "test",
        "AWS_DEFAULT_REGION": "us-east-1",
        "AWS_ENDPOINT_URL": f"http://127.0.0.1:{port}",
        "SAM_CLI_TELEMETRY": "0",
    }
    with open(work / "cloud.log", "w") as log:
        environment = os.environ | {"BIND_HOST": "127.0.0.1", "GATEWAY_PORT": str(port)}
        command = [sys.executable, HERE / "cloud.py"]
        cloud = subprocess.Popen(command, env=environment, cwd=work, stdout=log, stderr=log)
        try:
            until("the emulator answers", lambda: answers(cloud))
            check(build)
        finally:
            cloud.terminate()
            cloud.wait(timeout=30)


def check(build):
    deploy(build)
    outputs = stack_outputs()
    stop_windowless_mapping()
    send(outputs["ReadingStream"])
    sent = read_shards(outputs["ReadingStream"])
    close_window(sent)
    check_rows(outputs["Table"], expected(sent))
    check_archive(outputs["ArchiveBucket"], sent)
    take_down()


def free_port():
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return listener.getsockname()[1]


def answers(cloud):
    if cloud.poll() is not None:
        sys.exit("the emulator ended; target/deploy/cloud.log says why")
    try:
        return boto3.client("sts").get_caller_identity()
    except Exception:
        return None


def until(what, look):
    """The first answer of `look` that is one, within the time that everything here has."""
    end = time.monotonic() + WAIT_SECONDS
    while time.monotonic() < end:
        answer = look()
        if answer:
            return answer
        time.sleep(0.5)
    sys.exit(f"waited {WAIT_SECONDS} s in vain until {what}")


def sam(*arguments):
    started = time.monotonic()
    ran = subprocess.run(["sam", *arguments], cwd=ROOT, capture_output=True, text=True, timeout=600)
    if ran.returncode != 0:
        sys.exit(f"sam {arguments[0]} failed:\n{ran.stdout}\n{ran.stderr}")
    print(f"sam {arguments[0]}: {time.monotonic() - started:.0f} s")


def deploy(build):
    files = ["--template-file", build / "template.yaml", "--config-file", ROOT / "samconfig.toml"]
    # All that there is, but for consumers with reads of their own, which the emulator does not know.
    overrides = ["Architecture=x86_64", "PublicDashboard=true", "DedicatedReads=false"]
    sam("deploy", *files, "--no-confirm-changeset", "--parameter-overrides", *overrides)
    status = stack()["StackStatus"]
    if status != "CREATE_COMPLETE":
        sys.exit(f"the stack is {status}")


def stack():
    return boto3.client("cloudformation").describe_stacks(StackName=STACK)["Stacks"][0]


def stack_outputs():
    outputs = {one["OutputKey"]: one["OutputValue"] for one in stack()["Outputs"]}
    print(f"outputs: {', '.join(sorted(outputs))}")
    return outputs


def stop_windowless_mapping():
    """The emulator knows no windows, and the aggregator rejects an event without one."""
    client = boto3.client("lambda")
    mappings = client.list_event_source_mappings(FunctionName=f"{STACK}-aggregator")
    for mapping in mappings["EventSourceMappings"]:
        client.update_event_source_mapping(UUID=mapping["UUID"], Enabled=False)


def send(stream):
    url = os.environ["AWS_ENDPOINT_URL"]
    command = ["cargo", "run", "--quiet", "-p", "producer", "--", "--endpoint-url", url, "--stream", stream]
    fleet = ["--unicorns", "40", "--count", "20", "--rate", "20"]
    ran = subprocess.run([*command, *fleet], cwd=ROOT, capture_output=True, text=True, timeout=900)
    if ran.returncode != 0 or "sent 800 readings, 0 failed" not in ran.stderr:
        sys.exit(f"the producer ended with {ran.returncode}: {ran.stderr}")
    print("producer: sent 800 readings, 0 failed")
    # Most producers but ours end a record without a newline.
    broken = b'{"Name":"Shadowfax","StatusTime":"yesterday"}'
    boto3.client("kinesis").put_record(StreamName=stream, PartitionKey="Shadowfax", Data=broken)


def read_shards(stream):
    """Every record of the stream, by shard."""
    client = boto3.client("kinesis")
    arn = client.describe_stream_summary(StreamName=stream)["StreamDescriptionSummary"]["StreamARN"]
    shards = {}
    for shard in client.list_shards(StreamName=stream)["Shards"]:
        place = {"StreamName": stream, "ShardId": shard["ShardId"]}
        iterator = client.get_shard_iterator(**place, ShardIteratorType="TRIM_HORIZON")["ShardIterator"]
        records = []
        while True:
            answer = client.get_records(ShardIterator=iterator)
            if not answer["Records"]:
                break
            records += answer["Records"]
            iterator = answer["NextShardIterator"]
        shards[arn, shard["ShardId"]] = records
    return shards


def close_window(shards):
    """Invokes the deployed aggregator as Lambda does at a window's end, once a shard."""
    client = boto3.client("lambda")
    start = datetime.datetime.now(datetime.UTC).replace(second=0, microsecond=0)
    for (arn, shard), records in shards.items():
        event = {
            "Records": [lambda_record(arn, shard, record) for record in records],
            "window": {
                "start": start.strftime("%Y-%m-%dT%H:%M:%SZ"),
                "end": (start + datetime.timedelta(seconds=60)).strftime("%Y-%m-%dT%H:%M:%SZ"),
            },
            "state": {},
            "shardId": shard,
            "eventSourceARN": arn,
            "isFinalInvokeForWindow": True,
            "isWindowTerminatedEarly": False,
        }
        answer = client.invoke(FunctionName=f"{STACK}-aggregator", Payload=json.dumps(event))
        payload = json.loads(answer["Payload"].read())
        if "FunctionError" in answer or "state" not in payload:
            sys.exit(f"the aggregator answered {payload}")
    print(f"aggregator: closed the window of {len(shards)} shards")


def lambda_record(arn, shard, record):
    # The emulator pads its sequence numbers with zeros, which those of Kinesis never have.
    number = record["SequenceNumber"].lstrip("0")
    return {
        "kinesis": {
            "kinesisSchemaVersion": "1.0",
            "partitionKey": record["PartitionKey"],
            "sequenceNumber": number,
            "data": base64.b64encode(record["Data"]).decode(),
            "approximateArrivalTimestamp": record["ApproximateArrivalTimestamp"].timestamp(),
        },
        "eventSource": "aws:kinesis",
        "eventVersion": "1.0",
        "eventID": f"{shard}:{number}",
        "eventName": "aws:kinesis:record",
        "invokeIdentityArn": "arn:aws:iam::000000000000:role/aggregator",
        "awsRegion": "us-east-1",
        "eventSourceARN": arn,
    }


def lines(shards):
    for records in shards.values():
        for record in records:
            yield from record["Data"].splitlines()


def expected(shards):
    """Readings and metres of each unicorn, folded here from what is in the stream."""
    totals = collections.defaultdict(lambda: (0, decimal.Decimal(0)))
    for line in lines(shards):
        reading = json.loads(line, parse_float=decimal.Decimal)
        if "Distance" in reading:
            count, metres = totals[reading["Name"]]
            totals[reading["Name"]] = (count + 1, metres + reading["Distance"])
    return dict(totals)


def check_rows(table, totals):
    client = boto3.resource("dynamodb").Table(table)

    def complete():
        rows = client.scan()["Items"]
        return rows if len(rows) >= len(totals) else None

    rows = until(f"{len(totals)} rows are in the table", complete)
    found = {row["Name"]: (int(row["Readings"]), row["Distance"]) for row in rows}
    if found != totals or len(rows) != len(totals):
        sys.exit(f"the table has {found}, and the stream {totals}")
    readings = sum(count for count, _ in totals.values())
    metres = sum(metres for _, metres in totals.values())
    print(f"table: {len(rows)} rows of {readings} readings and {metres} m, as in the stream")


def check_archive(bucket, shards):
    everything = sorted(lines(shards))
    archived = until(
        "every line is archived",
        lambda: (found := sorted(archive(bucket, f"{STACK}/"))) == everything and found,
    )
    print(f"archive: {len(archived)} lines, as in the stream")
    [rejected] = until("the rejected reading is archived", lambda: archive(bucket, f"{STACK}-rejects/"))
    print(f"rejects: {json.loads(rejected)['Reason']}")


def archive(bucket, prefix):
    client = boto3.client("s3")
    found = []
    for page in client.get_paginator("list_objects_v2").paginate(Bucket=bucket, Prefix=prefix):
        for entry in page.get("Contents", []):
            data = client.get_object(Bucket=bucket, Key=entry["Key"])["Body"].read()
            data = gzip.decompress(data) if data.startswith(b"\x1f\x8b") else data
            if not data.endswith(b"\n"):
                sys.exit(f"{entry['Key']} does not end in a newline, so that records may run together")
            found += filter(bytes.strip, data.splitlines())
    return found


def take_down():
    """After `sam delete`, what the README says survives is there, and nothing else."""
    resources = boto3.client("cloudformation").list_stack_resources(StackName=STACK)
    summaries = resources["StackResourceSummaries"]
    kept = {one["PhysicalResourceId"] for one in summaries if one["LogicalResourceId"] in KEPT}
    sam("delete", "--no-prompts", "--stack-name", STACK, "--region", "us-east-1")
    left = {name for name in existing() if not name.startswith("aws-sam-cli-managed")}
    if left != kept:
        sys.exit(f"left over: {sorted(left - kept)}; missing: {sorted(kept - left)}")
    print(f"left, and meant to be: {', '.join(sorted(left))}")


def existing():
    """The names of everything that exists, of each kind that the stack has."""
    yield from boto3.client("kinesis").list_streams()["StreamNames"]
    yield from boto3.client("firehose").list_delivery_streams()["DeliveryStreamNames"]
    yield from boto3.client("dynamodb").list_tables()["TableNames"]
    for kind, client, operation, name in [
        ("Buckets", "s3", "list_buckets", "Name"),
        ("Functions", "lambda", "list_functions", "FunctionName"),
        ("EventSourceMappings", "lambda", "list_event_source_mappings", "UUID"),
        ("Roles", "iam", "list_roles", "RoleName"),
        ("MetricAlarms", "cloudwatch", "describe_alarms", "AlarmName"),
        ("DashboardEntries", "cloudwatch", "list_dashboards", "DashboardName"),
        ("logGroups", "logs", "describe_log_groups", "logGroupName"),
    ]:
        answer = getattr(boto3.client(client), operation)()
        yield from (one[name] for one in answer.get(kind, []))
    pools = boto3.client("cognito-identity").list_identity_pools(MaxResults=10)
    yield from (pool["IdentityPoolName"] for pool in pools["IdentityPools"])
    distributions = boto3.client("cloudfront").list_distributions()["DistributionList"]
    yield from (one["Id"] for one in distributions.get("Items", []))


if __name__ == "__main__":
    main()
