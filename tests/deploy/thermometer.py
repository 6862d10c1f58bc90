"""Deploys the built examples/thermometer to an AWS emulator, sends it its readings, and deletes it.

Takes the output folder of `sam build` for x86_64. All readings of a room are in one shard and one window, so
the table must have one row per room, with the values of the readings in the stream, computed here.
"""

import collections
import decimal
import json
import pathlib
import sys

import boto3

import emulator
from emulator import archive, lines, until
from example_rules import KEPT
from template import ROOT

STACK = "thermometer"
EXAMPLE = ROOT / "examples" / "thermometer"


def main():
    build = pathlib.Path(sys.argv[1]).resolve()
    with emulator.running():
        check(build)


def check(build):
    emulator.deploy(STACK, build / "template.yaml", EXAMPLE / "samconfig.toml")
    outputs = emulator.stack_outputs(STACK)
    emulator.stop_windowless_mapping(STACK)
    readings = EXAMPLE / "readings.jsonl"
    count = len(readings.read_bytes().splitlines())
    emulator.produce(outputs["Stream"], count, "--replay", readings, "--partition-key", "Site,Room")
    broken = b'{"Site":"Rome","Room":"Attic","Time":"2026-11-20 09:17:08","Celsius":"mild"}'
    boto3.client("kinesis").put_record(StreamName=outputs["Stream"], PartitionKey="Rome", Data=broken)
    sent = emulator.read_shards(outputs["Stream"])
    emulator.close_window(STACK, sent, 60)
    check_rows(outputs["Table"], expected(sent))
    [rejected] = until("the rejected reading is in the bucket", lambda: archive(outputs["Bucket"], "rejects/"))
    print(f"rejects: {json.loads(rejected)['Reason']}")
    emulator.delete(STACK, KEPT)


def expected(shards):
    """The lowest, highest and average temperature of each room, and the number of its readings."""
    rooms = collections.defaultdict(list)
    for line in lines(shards):
        reading = json.loads(line, parse_float=decimal.Decimal, parse_int=decimal.Decimal)
        if isinstance(reading["Celsius"], decimal.Decimal):
            rooms[reading["Site"], reading["Room"]].append(reading["Celsius"])
    return {
        room: (min(values), max(values), sum(values) / len(values), len(values)) for room, values in rooms.items()
    }


def check_rows(table, rooms):
    client = boto3.resource("dynamodb").Table(table)

    def complete():
        rows = client.scan()["Items"]
        return rows if len(rows) >= len(rooms) else None

    rows = until(f"{len(rooms)} rows are in the table", complete)
    measures = ["MinCelsius", "MaxCelsius", "AvgCelsius", "CountCelsius"]
    found = {(row["Site"], row["Room"]): tuple(row[name] for name in measures) for row in rows}
    if found != rooms or len(rows) != len(rooms):
        sys.exit(f"the table contains {found}, but the stream {rooms}")
    print(f"table: {len(rows)} rows of {sum(count for *_, count in rooms.values())} readings, equal to the stream")


if __name__ == "__main__":
    main()
