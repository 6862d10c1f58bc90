"""The AWS emulator in which `stack.py`, `thermometer.py` and `ticker.py` deploy, and what they do in it.

The emulator's mappings have no tumbling windows. So these scripts build a window's event from the records in
the stream and invoke the deployed aggregator with it. (Windows are tested in the local cloud.)
"""

import base64
import contextlib
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

from template import ROOT

HERE = pathlib.Path(__file__).resolve().parent
WORK = ROOT / "target" / "deploy"
WAIT_SECONDS = 120


@contextlib.contextmanager
def running():
    """Runs the emulator. Clients made meanwhile talk to it."""
    port = free_port()
    os.environ |= {
        "AWS_ACCESS_KEY_ID": "test",
        "AWS_SECRET_ACCESS_KEY": "test",
        "AWS_DEFAULT_REGION": "us-east-1",
        "AWS_ENDPOINT_URL": f"http://127.0.0.1:{port}",
        "SAM_CLI_TELEMETRY": "0",
    }
    with open(WORK / "cloud.log", "w") as log:
        environment = os.environ | {"BIND_HOST": "127.0.0.1", "GATEWAY_PORT": str(port)}
        command = [sys.executable, HERE / "cloud.py"]
        cloud = subprocess.Popen(command, env=environment, cwd=WORK, stdout=log, stderr=log)
        try:
            until("the emulator responds", lambda: responds(cloud))
            yield
        finally:
            cloud.terminate()
            cloud.wait(timeout=30)


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


def deploy(name, template, config, *overrides):
    files = ["--template-file", template, "--config-file", config]
    sam("deploy", *files, "--no-confirm-changeset", "--parameter-overrides", "Architecture=x86_64", *overrides)
    status = stack(name)["StackStatus"]
    if status != "CREATE_COMPLETE":
        sys.exit(f"the stack is {status}")


def stack(name):
    return boto3.client("cloudformation").describe_stacks(StackName=name)["Stacks"][0]


def stack_outputs(name):
    outputs = {one["OutputKey"]: one["OutputValue"] for one in stack(name)["Outputs"]}
    print(f"outputs: {', '.join(sorted(outputs))}")
    return outputs


def stop_windowless_mapping(stack_name):
    """Disables the aggregator's mapping: the emulator has no windows, and the aggregator needs one."""
    client = boto3.client("lambda")
    mappings = client.list_event_source_mappings(FunctionName=f"{stack_name}-aggregator")
    for mapping in mappings["EventSourceMappings"]:
        client.update_event_source_mapping(UUID=mapping["UUID"], Enabled=False)


def produce(stream, readings, *arguments):
    """Sends readings with the producer. Fails unless it sends exactly this number."""
    url = os.environ["AWS_ENDPOINT_URL"]
    command = ["cargo", "run", "--quiet", "-p", "producer", "--", "--endpoint-url", url, "--stream", stream]
    result = subprocess.run([*command, *arguments], cwd=ROOT, capture_output=True, text=True, timeout=900)
    if result.returncode != 0 or f"sent {readings} readings, 0 failed" not in result.stderr:
        sys.exit(f"the producer exited with {result.returncode}: {result.stderr}")
    print(f"producer: sent {readings} readings, 0 failed")


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


def close_window(stack_name, shards, seconds):
    """Invokes the deployed aggregator once per shard, as Lambda does at the end of a window."""
    client = boto3.client("lambda")
    now = int(time.time())
    start = datetime.datetime.fromtimestamp(now - now % seconds, datetime.UTC)
    for (arn, shard), records in shards.items():
        event = {
            "Records": [lambda_record(arn, shard, record) for record in records],
            "window": {
                "start": start.strftime("%Y-%m-%dT%H:%M:%SZ"),
                "end": (start + datetime.timedelta(seconds=seconds)).strftime("%Y-%m-%dT%H:%M:%SZ"),
            },
            "state": {},
            "shardId": shard,
            "eventSourceARN": arn,
            "isFinalInvokeForWindow": True,
            "isWindowTerminatedEarly": False,
        }
        response = client.invoke(FunctionName=f"{stack_name}-aggregator", Payload=json.dumps(event))
        payload = json.loads(response["Payload"].read())
        if "FunctionError" in response or "state" not in payload:
            sys.exit(f"the aggregator returned {payload}")
    print(f"aggregator: closed the window of {len(shards)} shards")


def finish_windows(stack_name, shards):
    """Waits until the mapping for watermarks has invoked the deployed finisher, and then finishes all windows.

    The emulator's schedule invokes it too, once per minute. An event of a schedule says what time it is. So this does
    not wait until the last window has ended, but sends such an event from a time at which all have.
    """
    client = boto3.client("lambda")
    table = boto3.resource("dynamodb").Table(f"{stack_name}-progress")
    [arn] = {arn for arn, _ in shards}

    def has_read():
        [item] = table.scan()["Items"] or [{"Progress": "{}"}]
        watermarks = json.loads(item["Progress"]).get("Watermarks", {})
        return watermarks.get(arn, {}).keys() == {shard for _, shard in shards}

    def is_invoked():
        [mapping] = client.list_event_source_mappings(FunctionName=f"{stack_name}-finisher")["EventSourceMappings"]
        return mapping["LastProcessingResult"].startswith("OK")

    until("watermarks have invoked the finisher", is_invoked)
    until("the finisher has read all watermarks", has_read)
    later = datetime.datetime.now(datetime.UTC) + datetime.timedelta(minutes=5)
    event = {"source": "aws.events", "detail-type": "Scheduled Event", "time": later.strftime("%Y-%m-%dT%H:%M:%SZ")}
    response = client.invoke(FunctionName=f"{stack_name}-finisher", Payload=json.dumps(event))
    if "FunctionError" in response:
        sys.exit(f"the finisher returned {response['Payload'].read()}")
    print(f"finisher: read the watermarks of {len(shards)} shards")


def finished_rows(stream):
    """The rows of a stream of finished rows, each with its highest revision, without the fields of the finisher."""
    newest = {}
    for line in lines(read_shards(stream)):
        row = json.loads(line, parse_float=decimal.Decimal, parse_int=decimal.Decimal)
        row_id, revision = row.pop("RowId"), row.pop("Revision")
        if revision >= newest.get(row_id, (0, None))[0]:
            newest[row_id] = (revision, row)
    return [row for _, row in newest.values() if "Removed" not in row]


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


def delete(name, kept):
    """Deletes the stack, and checks that exactly the resources with these logical IDs remain."""
    resources = boto3.client("cloudformation").list_stack_resources(StackName=name)
    summaries = resources["StackResourceSummaries"]
    kept = {one["PhysicalResourceId"] for one in summaries if one["LogicalResourceId"] in kept}
    sam("delete", "--no-prompts", "--stack-name", name, "--region", "us-east-1")
    remaining = {one for one in existing() if not one.startswith("aws-sam-cli-managed")}
    if remaining != kept:
        sys.exit(f"left over: {sorted(remaining - kept)}; missing: {sorted(kept - remaining)}")
    print(f"kept, as intended: {', '.join(sorted(remaining))}")


def existing():
    """The names of all existing resources of the kinds that the stacks have."""
    yield from boto3.client("kinesis").list_streams()["StreamNames"]
    yield from boto3.client("firehose").list_delivery_streams()["DeliveryStreamNames"]
    yield from boto3.client("dynamodb").list_tables()["TableNames"]
    for kind, client, operation, name in [
        ("Buckets", "s3", "list_buckets", "Name"),
        ("Functions", "lambda", "list_functions", "FunctionName"),
        ("Layers", "lambda", "list_layers", "LayerName"),
        ("EventSourceMappings", "lambda", "list_event_source_mappings", "UUID"),
        ("Roles", "iam", "list_roles", "RoleName"),
        ("MetricAlarms", "cloudwatch", "describe_alarms", "AlarmName"),
        ("DashboardEntries", "cloudwatch", "list_dashboards", "DashboardName"),
        ("Rules", "events", "list_rules", "Name"),
        ("logGroups", "logs", "describe_log_groups", "logGroupName"),
    ]:
        response = getattr(boto3.client(client), operation)()
        yield from (one[name] for one in response.get(kind, []))
    pools = boto3.client("cognito-identity").list_identity_pools(MaxResults=10)
    yield from (pool["IdentityPoolName"] for pool in pools["IdentityPools"])
    distributions = boto3.client("cloudfront").list_distributions()["DistributionList"]
    yield from (one["Id"] for one in distributions.get("Items", []))
