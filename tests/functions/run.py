"""Runs template.yaml by `local --template`, as a user would, and compares each function's sums with what was sent.

Meanwhile, the Python function is replaced by a newer version of its code. Windows are so long that they are open
then, and the newer version goes on with their states.
"""

import collections
import contextlib
import datetime
import json
import os
import pathlib
import re
import shutil
import signal
import subprocess
import sys
import time

import boto3

HERE = pathlib.Path(__file__).resolve().parent
TARGET = HERE.parents[1] / "target"
WORK = TARGET / "functions"
APPLICATION = WORK / "application"
LOG = WORK / "local.log"
WAIT_SECONDS = 300
BATCH = 400
UNICORNS = ["Shadowfax", "Rocinante", "Bucephalus", "Sleipnir"]
# Longer than this takes, and whatever the window, it is closed when the local cloud ends.
WINDOW_SECONDS = 900
COMMANDS = {"Python": "python3 -m awslambdaric app.handler", "Node": "node loop.mjs"}
LANGUAGES = ["Rust", *COMMANDS]


def main():
    shutil.rmtree(APPLICATION, ignore_errors=True)
    shutil.rmtree(WORK / "data", ignore_errors=True)
    APPLICATION.mkdir(parents=True)
    shutil.copy(HERE / "template.yaml", APPLICATION)
    for folder in ["python", "node"]:
        shutil.copytree(HERE / folder, APPLICATION / folder, ignore=shutil.ignore_patterns("__pycache__"))

    with local_cloud() as (cloud, client):
        check_resources(client)
        sent = send_while_python_is_replaced(cloud, client)
        end(cloud)
    # Again, for what the functions have written when the windows were closed.
    with local_cloud() as (cloud, client):
        sums, mixed = read_sums(client)
        end(cloud)
    for language in LANGUAGES:
        if sums[language] != sent:
            sys.exit(f"error: the sums of {language} are {dict(sums[language])}, but {dict(sent)} was sent")
    assert mixed, "no window has records of both versions"
    print(f"{LANGUAGES}: {dict(sent)}; {mixed} sums by more than one version of the code")


def send_while_python_is_replaced(cloud, client):
    """Returns the distances that were sent, per unicorn."""
    sent = collections.Counter()
    send(client, sent, range(BATCH))
    until("the Python function has all records", lambda: sum(line["records"] for line in answers(1)) >= BATCH)
    # It takes the second replacement only if a window has ended during the first.
    for version in [2, 3]:
        replace(cloud, version - 1, version)
        send(client, sent, range((version - 1) * BATCH, version * BATCH))
        first = until(f"version {version} answers", lambda version=version: answers(version))[0]
        if len(first["versions"]) > 1:
            return sent
    sys.exit("error: the newer version of the Python function does not go on with the state of the older one")


def send(client, sent, numbers):
    records = []
    for number in numbers:
        name = UNICORNS[number % len(UNICORNS)]
        at = datetime.datetime(2026, 11, 20, 9) + datetime.timedelta(milliseconds=number)
        reading = {"Name": name, "StatusTime": f"{at:%Y-%m-%d %H:%M:%S.%f}", "Distance": number}
        reading |= {"MagicPoints": 150, "HealthPoints": 150}
        sent[name] += number
        records.append({"PartitionKey": name, "Data": json.dumps(reading).encode()})
    put = client("kinesis").put_records(StreamName="dev-readings", Records=records)
    assert put["FailedRecordCount"] == 0, put


def answers(version):
    """What this version of the Python function has printed, a line per invocation."""
    lines = []
    for line in LOG.read_text(errors="replace").splitlines():
        if line.startswith('{"records"'):
            with contextlib.suppress(ValueError):
                lines.append(json.loads(line))
    return [line for line in lines if line["version"] == version]


def replace(cloud, old, new):
    """Replaces the code, and ends the process that runs the old one, as a crash would."""
    path = APPLICATION / "python" / "app.py"
    text = path.read_text()
    assert text.count(f"VERSION = {old}\n") == 1
    path.write_text(text.replace(f"VERSION = {old}\n", f"VERSION = {new}\n"))
    processes = children(cloud.pid, "awslambdaric")
    assert len(processes) == 1, processes
    os.kill(processes[0], signal.SIGKILL)


def children(parent, text):
    """The processes that this one has started with this text in their commands."""
    found = []
    for folder in pathlib.Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError):
            after_name = (folder / "stat").read_text().rpartition(")")[2]
            if int(after_name.split()[1]) == parent and text in (folder / "cmdline").read_text():
                found.append(int(folder.name))
    return found


def check_resources(client):
    stream = client("kinesis").describe_stream_summary(StreamName="dev-readings")["StreamDescriptionSummary"]
    assert (stream["OpenShardCount"], stream["RetentionPeriodHours"]) == (2, 24), stream
    deliveries = client("firehose").list_delivery_streams()["DeliveryStreamNames"]
    assert deliveries == ["dev-rejects"], deliveries
    for language in LANGUAGES:
        line = f"the function {language} gets the records of dev-readings in windows of {WINDOW_SECONDS} s"
        assert line in LOG.read_text(), LOG.read_text()


def read_sums(client):
    """Returns the distances per function and unicorn, and the number of sums by several versions."""
    sums = collections.defaultdict(collections.Counter)
    mixed = 0
    pages = client("dynamodb").get_paginator("scan").paginate(TableName="dev-distances")
    for item in pages.search("Items"):
        sums[item["Function"]["S"]][item["Name"]["S"]] += int(item["Distance"]["N"])
        mixed += len(item.get("Versions", {}).get("L", [])) > 1
    for row in set(summary_lines(client("kinesis"))):
        row = json.loads(row)
        # There are watermarks too.
        if "Name" in row:
            sums["Rust"][row["Name"]] += row["Distance"]
    return sums, mixed


def summary_lines(kinesis):
    place = {"StreamName": "dev-summaries", "ShardId": "shardId-000000000000", "ShardIteratorType": "TRIM_HORIZON"}
    iterator = kinesis.get_shard_iterator(**place)["ShardIterator"]
    while True:
        got = kinesis.get_records(ShardIterator=iterator)
        for record in got["Records"]:
            yield from record["Data"].splitlines()
        iterator = got["NextShardIterator"]
        if not got["Records"] and got["MillisBehindLatest"] == 0:
            return


@contextlib.contextmanager
def local_cloud():
    """Runs the template. Gives the process, and a function that makes clients."""
    command = [TARGET / "debug" / "local", "--port", "0", "--data-dir", WORK / "data"]
    command += ["--template", "template.yaml", "--parameter-overrides", f"WindowSeconds={WINDOW_SECONDS}"]
    for function, run in COMMANDS.items():
        command += ["--function", f"{function}={run}"]
    with LOG.open("w") as log:
        process = subprocess.Popen(command, cwd=APPLICATION, stdout=log, stderr=log)
    try:
        until("the local cloud has started", lambda: process.poll() is not None or "Ctrl-C" in LOG.read_text())
        url = re.search(r"answer at (http://127\.0\.0\.1:\d+)", LOG.read_text())
        if not url:
            sys.exit(f"error: the local cloud did not start: {LOG.read_text()}")
        settings = {"endpoint_url": url[1], "region_name": "us-east-1"}
        settings |= {"aws_access_key_id": "test", "aws_secret_access_key": "test"}
        yield process, lambda service: boto3.client(service, **settings)
    finally:
        process.kill()
        process.wait()


def end(cloud):
    """Ends the local cloud, which closes the open windows first."""
    cloud.send_signal(signal.SIGINT)
    code = cloud.wait(timeout=WAIT_SECONDS)
    if code != 0:
        sys.exit(f"error: the local cloud exited with {code}: {LOG.read_text()}")


def until(condition, check):
    """Calls `check` until it returns a true value, and returns that."""
    deadline = time.monotonic() + WAIT_SECONDS
    while time.monotonic() < deadline:
        result = check()
        if result:
            return result
        time.sleep(0.1)
    sys.exit(f"error: timed out after {WAIT_SECONDS} s waiting until {condition}: {LOG.read_text()}")


if __name__ == "__main__":
    main()
