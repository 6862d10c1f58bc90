"""Deploys the built stack to an AWS emulator, sends readings through it, and deletes it.

Takes the output folder of `sam build` for x86_64. This runs the template, the deployed functions and the
producer, with the emulator's streams, processor mapping, table, Firehose and S3.
"""

import collections
import decimal
import json
import pathlib
import sys

import boto3

import emulator
from emulator import archive, lines, until
from rules import KEPT
from template import ROOT

STACK = "wildrydes"


def main():
    build = pathlib.Path(sys.argv[1]).resolve()
    with emulator.running():
        check(build)


def check(build):
    # Everything except dedicated reads, which the emulator does not support.
    everything = ["PublicDashboard=true", "DedicatedReads=false", "FinishedRows=true"]
    emulator.deploy(STACK, build / "template.yaml", ROOT / "samconfig.toml", *everything)
    outputs = emulator.stack_outputs(STACK)
    emulator.stop_windowless_mapping(STACK)
    send(outputs["ReadingStream"])
    sent = emulator.read_shards(outputs["ReadingStream"])
    emulator.close_window(STACK, sent, 60)
    check_rows(outputs["Table"], expected(sent))
    emulator.finish_windows(STACK, sent)
    check_finished(outputs["FinishedStream"], expected(sent))
    check_archive(outputs["ArchiveBucket"], sent)
    emulator.delete(STACK, KEPT)


def send(stream):
    emulator.produce(stream, 800, "--unicorns", "40", "--count", "20", "--rate", "20")
    # Most other producers send records without a newline.
    broken = b'{"Name":"Shadowfax","StatusTime":"yesterday"}'
    boto3.client("kinesis").put_record(StreamName=stream, PartitionKey="Shadowfax", Data=broken)


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


def check_finished(stream, totals):
    rows = emulator.finished_rows(stream)
    found = {row["Name"]: row["Distance"] for row in rows}
    expected = {name: metres for name, (_, metres) in totals.items()}
    if found != expected or len(rows) != len(expected):
        sys.exit(f"the stream of finished rows contains {rows}, but the totals are {expected}")
    print(f"finished rows: {len(rows)}, equal to the stream")


def check_archive(bucket, shards):
    everything = sorted(lines(shards))
    archived = until(
        "every line is archived",
        lambda: (found := sorted(archive(bucket, f"{STACK}/"))) == everything and found,
    )
    print(f"archive: {len(archived)} lines, equal to the stream")
    [rejected] = until("the rejected reading is archived", lambda: archive(bucket, f"{STACK}-rejects/"))
    print(f"rejects: {json.loads(rejected)['Reason']}")


if __name__ == "__main__":
    main()
