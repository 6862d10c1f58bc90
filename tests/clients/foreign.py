"""Sends 4,000 readings with `producer` and reads them with `consumer`, at an endpoint that is not ours.

A consumer that starts at the latest record reads while half of the readings are sent, a shard is split, and the other
half is sent. Afterwards, others start at the beginning and at a time. Each must print every reading once. What is in the
stream is read with boto3.
"""

import argparse
import atexit
import collections
import datetime
import json
import os
import pathlib
import re
import signal
import subprocess
import sys
import time

import boto3

import servers
from servers import until

HERE = pathlib.Path(__file__).resolve().parent
SERVERS = ["moto", "kinesalite", "local"]
STREAM = "wildrydes"
# Readings per half.
UNICORNS, COUNT = 40, 50
HALF = UNICORNS * COUNT
# Readings that are sent before any consumer starts.
EARLIER = 100
# How long to wait for what takes seconds on an idle machine, so that a check that fails ends.
LIMIT_SECONDS = 600


def main():
    parser = argparse.ArgumentParser(description="Sends and reads readings at endpoints that are not ours.")
    parser.add_argument("--server", choices=SERVERS, help="only this one [default: moto and kinesalite]")
    parser.add_argument(
        "--programs",
        type=pathlib.Path,
        default=servers.ROOT / "target" / "debug",
        help="the folder of `producer` and `consumer` [default: target/debug]",
    )
    arguments = parser.parse_args()
    os.environ |= servers.ENVIRONMENT
    wrong = 0
    for name in [arguments.server] if arguments.server else SERVERS[:2]:
        started = time.monotonic()
        with server(name, arguments.programs) as url:
            for finding in check(url, arguments.programs):
                print(f"{name}: {finding}", flush=True)
                wrong += finding.startswith("WRONG")
        print(f"{name}: {time.monotonic() - started:.0f} s", flush=True)
    sys.exit(1 if wrong else 0)


def server(name, programs):
    if name == "moto":
        return servers.listening(name, lambda port: [sys.executable, HERE / "drivers" / "moto_in_turn.py", str(port)])
    if name == "kinesalite":
        return servers.listening(name, lambda port: ["node", HERE / "drivers" / "js" / "kinesalite.mjs", str(port)])
    return servers.local_cloud(programs)


def check(url, programs):
    """Yields what was found, and "WRONG: ..." where it is not what it should be."""
    client = boto3.client("kinesis", endpoint_url=url)
    create_stream(client)
    Producer(programs, url, EARLIER, "--name", "Earlier", "--rate", "1000", "--count", str(EARLIER)).wait()

    latest = Consumer(programs, url, "latest")
    wait_until_reading(client, latest)
    fleet = ["--unicorns", str(UNICORNS), "--count", str(COUNT), "--rate", "20"]
    producer = Producer(programs, url, HALF, *fleet)
    until("the first readings are read", lambda: len(latest.lines()) >= UNICORNS, LIMIT_SECONDS)
    closed = split_last_shard(client)
    yield f"split {closed} after {len(latest.lines())} lines"
    producer.wait()
    # On a busy machine the first half may be sent before the split. The new shards get some in any case.
    Producer(programs, url, HALF, *fleet).wait()

    stored = Stored(client)
    new = collections.Counter(line for line in stored.lines if "Earlier" not in line and not is_mark(line))
    yield f"{len(stored.lines)} lines are in {len(stored.records)} shards"
    if len(new) != 2 * HALF:
        yield f"WRONG: {len(new)} of {2 * HALF} readings are in the stream"
    if new.total() > len(new):
        yield f"{new.total() - len(new)} are in it twice: a call ran out of time, and was retried"
    yield compared("from latest, during a split", latest.read_on(client, new.total()), new)
    latest.stop()

    stored = Stored(client)
    everything = collections.Counter(stored.lines)
    yield compared("from the start", read(programs, url, "start", everything), everything)
    when, later = stored.from_middle_of(closed)
    yield compared(f"from {when}", read(programs, url, when, later), later)


def create_stream(client):
    """Creates the stream with two shards. Our local cloud has it already, with one."""
    if STREAM not in client.list_streams()["StreamNames"]:
        client.create_stream(StreamName=STREAM, ShardCount=2)
    until("the stream is active", lambda: is_active(client), LIMIT_SECONDS)
    if len(client.list_shards(StreamName=STREAM)["Shards"]) == 1:
        client.update_shard_count(StreamName=STREAM, TargetShardCount=2, ScalingType="UNIFORM_SCALING")
        until("the stream is active", lambda: is_active(client), LIMIT_SECONDS)


def is_active(client):
    status = client.describe_stream_summary(StreamName=STREAM)["StreamDescriptionSummary"]["StreamStatus"]
    return status == "ACTIVE"


def open_shards(client):
    shards = client.list_shards(StreamName=STREAM)["Shards"]
    return [shard for shard in shards if "EndingSequenceNumber" not in shard["SequenceNumberRange"]]


def split_last_shard(client):
    """Splits an open shard in two, and returns its ID when the new shards accept records."""
    shard = open_shards(client)[-1]
    keys = [int(shard["HashKeyRange"][f"{end}HashKey"]) for end in ("Starting", "Ending")]
    client.split_shard(StreamName=STREAM, ShardToSplit=shard["ShardId"], NewStartingHashKey=str(sum(keys) // 2))
    until("the stream is active", lambda: is_active(client), LIMIT_SECONDS)
    return shard["ShardId"]


def started(command, **files):
    """A process that ends with this one at the latest."""
    process = subprocess.Popen(command, **files)
    atexit.register(process.kill)
    return process


class Producer:
    """A running producer, which must send this number of readings."""

    def __init__(self, programs, url, readings, *arguments):
        self.readings = readings
        command = [programs / "producer", "--endpoint-url", url, "--stream", STREAM, *arguments]
        self.path = servers.WORK / "producer.errors"
        with self.path.open("w") as errors:
            self.process = started(command, stdout=subprocess.DEVNULL, stderr=errors)

    def wait(self):
        self.process.wait(timeout=LIMIT_SECONDS)
        printed = self.path.read_text()
        if self.process.returncode != 0 or f"sent {self.readings} readings, 0 failed" not in printed:
            sys.exit(f"the producer exited with {self.process.returncode}: {printed}")


class Consumer:
    """A running consumer. What it prints goes to a file, so that it never waits for this program."""

    def __init__(self, programs, url, start, *arguments):
        self.path = servers.WORK / f"consumer-{re.sub(r'[^a-z0-9]', '-', start)}"
        command = [programs / "consumer", "--endpoint-url", url, "--stream", STREAM, "--from", start]
        with self.path.open("w") as output, self.path.with_suffix(".errors").open("w") as errors:
            self.process = started([*command, "--format", "lines", *arguments], stdout=output, stderr=errors)

    def printed(self):
        text = self.path.read_text()
        # The last line may be incomplete.
        return text[: text.rfind("\n") + 1].splitlines()

    def lines(self):
        """What it has printed, without marks."""
        return [line for line in self.printed() if not is_mark(line)]

    def marks(self):
        return {line for line in self.printed() if is_mark(line)}

    def errors(self):
        return " ".join(self.path.with_suffix(".errors").read_text().split())

    def read_on(self, client, number):
        """Waits until it has printed this many lines, and then everything that is in the stream."""
        await_or_go_on(lambda: len(self.lines()) >= number)
        marks = put_marks(client, "end")
        await_or_go_on(lambda: marks <= self.marks())
        return self

    def stop(self):
        self.process.send_signal(signal.SIGINT)
        self.process.wait(timeout=30)


def await_or_go_on(check):
    """Waits until `check` returns a true value, but not for long: what is missing then is found by comparing."""
    end = time.monotonic() + LIMIT_SECONDS
    while not check() and time.monotonic() < end:
        time.sleep(0.05)


def wait_until_reading(client, consumer):
    """Puts a mark into every shard until the consumer has printed one of each: then it misses nothing from here on."""
    sent = {}

    def prints_all():
        if consumer.process.poll() is not None:
            sys.exit(f"the consumer exited: {consumer.errors()}")
        for mark in put_marks(client, len(sent)):
            sent[mark] = json.loads(mark)["Mark"]
        return {sent.get(mark) for mark in consumer.marks()} >= set(sent.values())

    until("the consumer prints a record of each shard", prints_all, LIMIT_SECONDS)


def put_marks(client, number):
    """Puts a line into every open shard, and returns the lines."""
    marks = set()
    for shard in open_shards(client):
        mark = json.dumps({"Mark": shard["ShardId"], "Number": number})
        key = shard["HashKeyRange"]["StartingHashKey"]
        client.put_record(StreamName=STREAM, PartitionKey="mark", ExplicitHashKey=key, Data=f"{mark}\n".encode())
        marks.add(mark)
    return marks


def is_mark(line):
    return line.startswith('{"Mark"')


class Stored:
    """What is in the stream, read with boto3: the records by shard."""

    def __init__(self, client):
        shards = client.list_shards(StreamName=STREAM)["Shards"]
        self.records = {shard["ShardId"]: records_of(client, shard) for shard in shards}

    @property
    def lines(self):
        return [line for records in self.records.values() for record in records for line in lines_of(record)]

    def from_middle_of(self, shard):
        """The millisecond in which a shard's middle record arrived, and the lines of all records that arrived in it or later.

        Each shard has such a record: the marks at the end. If one had none, kinesalite would never answer.
        """
        records = self.records[shard]
        time = records[len(records) // 2]["ApproximateArrivalTimestamp"].astimezone(datetime.UTC)
        # `consumer` takes milliseconds, and moto counts microseconds.
        time = time.replace(microsecond=time.microsecond // 1000 * 1000)
        every = (record for records in self.records.values() for record in records)
        later = [record for record in every if record["ApproximateArrivalTimestamp"] >= time]
        lines = collections.Counter(line for record in later for line in lines_of(record))
        return time.strftime("%Y-%m-%d %H:%M:%S.%f")[:-3], lines


def records_of(client, shard):
    wanted = {"StreamName": STREAM, "ShardId": shard["ShardId"], "ShardIteratorType": "TRIM_HORIZON"}
    iterator = client.get_shard_iterator(**wanted)["ShardIterator"]
    records = []
    # An open shard has no end, and a page may be empty before its tip.
    empty = 0
    while iterator and empty < 3:
        response = client.get_records(ShardIterator=iterator)
        records += response["Records"]
        empty = 0 if response["Records"] else empty + 1
        iterator = response.get("NextShardIterator")
    return records


def lines_of(record):
    return record["Data"].decode().splitlines()


def read(programs, url, start, expected):
    """A consumer that has printed the expected number of lines, and has then stopped."""
    consumer = Consumer(programs, url, start, "--count", str(expected.total()))
    try:
        consumer.process.wait(timeout=LIMIT_SECONDS)
    except subprocess.TimeoutExpired:
        consumer.stop()
    return consumer


def compared(name, consumer, expected):
    """How what a consumer has printed differs from the expected lines; marks count only where they are expected."""
    found = collections.Counter(consumer.printed() if any(map(is_mark, expected)) else consumer.lines())
    if found == expected:
        return f"{name}: all {expected.total()} lines, as often as they are in the stream"
    missing, more = (expected - found).total(), (found - expected).total()
    says = consumer.errors()[-300:]
    return f"WRONG: {name}: {missing} of {expected.total()} lines are missing, {more} too many. It says: {says}"


if __name__ == "__main__":
    main()
