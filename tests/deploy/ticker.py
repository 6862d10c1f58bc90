"""Deploys the built examples/ticker to an AWS emulator, sends it its trades, and deletes it.

Takes the output folder of `sam build` for x86_64. The rows in the table, merged over shards, and the finished
rows must have the totals of the trades in the stream, computed here without the SQL text.
"""

import datetime
import decimal
import json
import pathlib
import sys

import boto3

import emulator
from emulator import archive, until
from example_rules import KEPT
from template import ROOT

STACK = "ticker"
EXAMPLE = ROOT / "examples" / "ticker"

# What each pump's rows say: attributes, and how two rows of a group and window merge.
PARTS = {
    "TICKER_PUMP": [("MIN(PRICE)", min), ("MAX(PRICE)", max), ("SUM(PRICE)", decimal.Decimal.__add__)],
    "SECTOR_PUMP": [("SUM(CASE WHEN CHANGE > 0 THEN 1 ELSE 0 END)", decimal.Decimal.__add__)],
}


def main():
    build = pathlib.Path(sys.argv[1]).resolve()
    with emulator.running():
        check(build)


def check(build):
    emulator.deploy(STACK, build / "template.yaml", EXAMPLE / "samconfig.toml")
    outputs = emulator.stack_outputs(STACK)
    emulator.stop_windowless_mapping(STACK)
    ticks = EXAMPLE / "ticks.jsonl"
    prices = [parse(line)["PRICE"] for line in ticks.read_bytes().splitlines()]
    count = len(prices)
    emulator.produce(outputs["Stream"], count, "--replay", ticks, "--partition-key", "TICKER_SYMBOL")
    broken = b'{"TICKER_SYMBOL":"AAPL","SECTOR":"TECHNOLOGY","CHANGE":0.1,"PRICE":"many"}'
    boto3.client("kinesis").put_record(StreamName=outputs["Stream"], PartitionKey="AAPL", Data=broken)
    sent = emulator.read_shards(outputs["Stream"])
    emulator.close_window(STACK, sent, 10)
    check_rows(outputs["Table"], sent, prices)
    emulator.finish_windows(STACK, sent)
    check_finished(outputs, expected(sent))
    [rejected] = until("the rejected trade is in the bucket", lambda: archive(outputs["Bucket"], "rejects/"))
    print(f"rejects: {json.loads(rejected)['Reason']}")
    emulator.delete(STACK, KEPT)


def parse(line):
    return json.loads(line, parse_float=decimal.Decimal, parse_int=decimal.Decimal)


def expected(shards):
    """The merged rows, by pump, key and start of the window."""
    merged = {}
    for record in (record for records in shards.values() for record in records):
        arrival = int(record["ApproximateArrivalTimestamp"].timestamp())
        for line in record["Data"].splitlines():
            tick = parse(line)
            price = tick["PRICE"]
            if not isinstance(price, decimal.Decimal):
                continue
            merge(merged, ("TICKER_PUMP", tick["TICKER_SYMBOL"], arrival // 10 * 10), 1, [price] * 3)
            if tick["SECTOR"] != "RETAIL":
                rising = decimal.Decimal(tick["CHANGE"] > 0)
                merge(merged, ("SECTOR_PUMP", tick["SECTOR"], arrival // 60 * 60), 1, [rising])
    return merged


def merge(merged, group, readings, parts):
    if group in merged:
        before, others = merged[group]
        merges = [function for _, function in PARTS[group[0]]]
        readings += before
        parts = [function(*pair) for function, *pair in zip(merges, others, parts)]
    merged[group] = (readings, parts)


def found(rows):
    merged = {}
    for row in rows:
        pump = row["Pump"]
        key = row["TICKER_SYMBOL" if pump == "TICKER_PUMP" else "SECTOR"]
        start = datetime.datetime.fromisoformat(row["WindowStart"].split("#")[0])
        group = (pump, key, int(start.replace(tzinfo=datetime.UTC).timestamp()))
        merge(merged, group, int(row["Source"]["Readings"]), [row[name] for name, _ in PARTS[pump]])
    return merged


def check_rows(table, shards, prices):
    groups = expected(shards)
    client = boto3.resource("dynamodb").Table(table)

    def complete():
        rows = client.scan()["Items"]
        return rows if len(found(rows)) >= len(groups) else None

    rows = until(f"{len(groups)} groups are in the table", complete)
    merged = found(rows)
    if merged != groups:
        sys.exit(f"the table contains {merged}, but the stream {groups}")
    per_ticker = [value for (pump, _, _), value in merged.items() if pump == "TICKER_PUMP"]
    trades, total = sum(readings for readings, _ in per_ticker), sum(parts[2] for _, parts in per_ticker)
    if (trades, total) != (len(prices), sum(prices)):
        sys.exit(f"the table contains {trades} trades of {total}, but the file {len(prices)} of {sum(prices)}")
    print(f"table: {len(rows)} rows of {trades} trades, whose prices sum to {total}, equal to the file")


def check_finished(outputs, merged):
    trades, sectors = [], []
    for (pump, key, start), (readings, parts) in merged.items():
        if pump == "TICKER_PUMP":
            lowest, highest, total = parts
            average = (total / readings).quantize(decimal.Decimal("0.01"), decimal.ROUND_HALF_UP)
            ended = datetime.datetime.fromtimestamp(start + 10, datetime.UTC).strftime("%Y-%m-%d %H:%M:%S.000")
            names = ["TICKER_SYMBOL", "TRADES", "LOWEST", "HIGHEST", "AVERAGE", "ENDED"]
            trades.append(dict(zip(names, [key, readings, lowest, highest, average, ended])))
        elif readings >= 3:
            sectors.append(dict(zip(["SECTOR", "TRADES", "RISING"], [key, readings, *parts])))
    for name, rows in [("TradesPerTicker", trades), ("BusySectors", sectors)]:
        finished = emulator.finished_rows(outputs[name])
        if sort(finished) != sort(rows):
            sys.exit(f"the stream {name} contains {sort(finished)}, but the merged rows are {sort(rows)}")
        print(f"finished rows: {len(rows)} in {name}, equal to the merged ones")


def sort(rows):
    return sorted(sorted(row.items()) for row in rows)


if __name__ == "__main__":
    main()
