"""Deploys the built stack to an AWS emulator, sends readings through it, and deletes it.

Takes the output folder of `sam build` for x86_64. This runs the template, both deployed functions and the
producer, with the emulator's streams, processor mapping, table, Firehose and S3. The emulator's mappings
have no tumbling windows, so this script builds the window's event from the records in the stream and invokes
the deployed aggregator with it. (Windows are tested in the local cloud.)
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
            until("the emulator responds", lambda: responds(cloud))
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
    delete()


def free_port():
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return listener.getsockname()[1]


def responds(cloud):
    if cloud.poll() is not None:
        sys.exit("the emulator exited; see target/deploy/cloud.log")
    try:
        return boto3.client("sts").get_caller_identity()
    except Exception:
        return None


def until(condition, check):
    """Calls `check` until it returns a true value, and returns that. Exits after WAIT_SECONDS."""
    end = time.monotonic() + WAIT_SECONDS
    while time.monotonic() < end:
        result = check()
        if result:
            return result
        time.sleep(0.5)
    sys.exit(f"timed out after {WAIT_SECONDS} s waiting until {condition}")


def sam(*arguments):
    started = time.monotonic()
    result = subprocess.run(["sam", *arguments], cwd=ROOT, capture_output=True, text=True, timeout=600)
    if result.returncode != 0:
        sys.exit(f"sam {arguments[0]} failed:\n{result.stdout}\n{result.stderr}")
    print(f"sam {arguments[0]}: {time.monotonic() - started:.0f} s")


def deploy(build):
    files = ["--template-file", build / "template.yaml", "--config-file", ROOT / "samconfig.toml"]
    # Everything except dedicated reads, which the emulator does not support.
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
    """Disables the aggregator's mapping: the emulator has no windows, and the aggregator needs one."""
    client = boto3.client("lambda")
    mappings = client.list_event_source_mappings(FunctionName=f"{STACK}-aggregator")
    for mapping in mappings["EventSourceMappings"]:
        client.update_event_source_mapping(UUID=mapping["UUID"], Enabled=False)


def send(stream):
    url = os.environ["AWS_ENDPOINT_URL"]
    command = ["cargo", "run", "--quiet", "-p", "producer", "--", "--endpoint-url", url, "--stream", stream]
    fleet = ["--unicorns", "40", "--count", "20", "--rate", "20"]
    result = subprocess.run([*command, *fleet], cwd=ROOT, capture_output=True, text=True, timeout=900)
    if result.returncode != 0 or "sent 800 readings, 0 failed" not in result.stderr:
        sys.exit(f"the producer exited with {result.returncode}: {result.stderr}")
    print("producer: sent 800 readings, 0 failed")
    # Most other producers send records without a newline.
    broken = b'{"Name":"Shadowfax","StatusTime":"yesterday"}'
    boto3.client("kinesis").put_record(StreamName=stream, PartitionKey="Shadowfax", Data=broken)


def read_shards(stream):
    """Every record of the stream, by shard."""
    client = boto3.client("kinesis")
    arn = client.describe_stream_summary(StreamName=stream)["StreamDescriptionSummary"]["StreamARN"]
    shards = {}
    for shard in client.list_shards(StreamName=stream)["Shards"]:
        position = {"StreamName": stream, "ShardId": shard["ShardId"]}
        iterator = client.get_shard_iterator(**position, ShardIteratorType="TRIM_HORIZON")["ShardIterator"]
        records = []
        while True:
            response = client.get_records(ShardIterator=iterator)
            if not response["Records"]:
                break
            records += response["Records"]
            iterator = response["NextShardIterator"]
        shards[arn, shard["ShardId"]] = records
    return shards


def close_window(shards):
    """Invokes the deployed aggregator once per shard, as Lambda does at the end of a window."""
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
        response = client.invoke(FunctionName=f"{STACK}-aggregator", Payload=json.dumps(event))
        payload = json.loads(response["Payload"].read())
        if "FunctionError" in response or "state" not in payload:
            sys.exit(f"the aggregator returned {payload}")
    print(f"aggregator: closed the window of {len(shards)} shards")


def lambda_record(arn, shard, record):
    # The emulator pads sequence numbers with leading zeros; Kinesis does not.
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
    """Readings and metres of each unicorn, computed from the records in the stream."""
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
    found = {row["Name"]: (int(row["Source"]["Readings"]), row["Distance"]) for row in rows}
    if found != totals or len(rows) != len(totals):
        sys.exit(f"the table contains {found}, but the stream {totals}")
    readings = sum(count for count, _ in totals.values())
    metres = sum(metres for _, metres in totals.values())
    print(f"table: {len(rows)} rows of {readings} readings and {metres} m, equal to the stream")


def check_archive(bucket, shards):
    everything = sorted(lines(shards))
    archived = until(
        "every line is archived",
        lambda: (found := sorted(archive(bucket, f"{STACK}/"))) == everything and found,
    )
    print(f"archive: {len(archived)} lines, equal to the stream")
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
                sys.exit(f"{entry['Key']} does not end in a newline, so records may run together")
            found += filter(bytes.strip, data.splitlines())
    return found


def delete():
    """Deletes the stack, and checks that exactly the resources in KEPT remain."""
    resources = boto3.client("cloudformation").list_stack_resources(StackName=STACK)
    summaries = resources["StackResourceSummaries"]
    kept = {one["PhysicalResourceId"] for one in summaries if one["LogicalResourceId"] in KEPT}
    sam("delete", "--no-prompts", "--stack-name", STACK, "--region", "us-east-1")
    remaining = {name for name in existing() if not name.startswith("aws-sam-cli-managed")}
    if remaining != kept:
        sys.exit(f"left over: {sorted(remaining - kept)}; missing: {sorted(kept - remaining)}")
    print(f"kept, as intended: {', '.join(sorted(remaining))}")


def existing():
    """The names of all existing resources of the kinds that the stack has."""
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
        response = getattr(boto3.client(client), operation)()
        yield from (one[name] for one in response.get(kind, []))
    pools = boto3.client("cognito-identity").list_identity_pools(MaxResults=10)
    yield from (pool["IdentityPoolName"] for pool in pools["IdentityPools"])
    distributions = boto3.client("cloudfront").list_distributions()["DistributionList"]
    yield from (one["Id"] for one in distributions.get("Items", []))


if __name__ == "__main__":
    main()
