"""Checks the templates of the examples with the rules for template.yaml that apply to them.

Prints each problem and exits with 1 if there is one. `rules.py --mutate` tests the rules.
"""

import sys

import rules
from rules import LOG, LOOK, MAPPINGS, READ, get_att, objects
from template import ROOT, load, to_cloudformation

# The folder, the beginning of the binaries' names, the window in seconds, the key of the table, and the
# stream of each output of finished rows.
EXAMPLES = [
    ("thermometer", "thermometer", 60, ("Key", "Time"), {}),
    ("ticker", "sql", 10, ("Key", "WindowStart"), {"TRADES_PER_TICKER": "TradesPerTicker", "BUSY_SECTORS": "BusySectors"}),
]
KEPT = ["Bucket", "Table"]

ON_FAILURE = {"DestinationConfig": {"OnFailure": {"Destination": get_att("Bucket")}}}

PERMISSIONS = {
    "AggregatorRole": [
        ([f"kinesis:{action}" for action in READ], [get_att("ReadingStream")]),
        (["kinesis:PutRecords"], [get_att("SummaryStream")]),
        (["firehose:PutRecordBatch"], [get_att("RejectsDelivery")]),
        (LOG, [get_att("AggregatorLog")]),
    ],
    "ProcessorRole": [
        ([f"kinesis:{action}" for action in READ], [get_att("SummaryStream")]),
        (["dynamodb:BatchWriteItem"], [get_att("Table")]),
        (["firehose:PutRecordBatch"], [get_att("RejectsDelivery")]),
        (["s3:ListBucket"], [get_att("Bucket")]),
        (["s3:PutObject"], [objects("Bucket")]),
        (LOG, [get_att("ProcessorLog")]),
    ],
    "DeliveryRole": [
        (
            ["s3:GetBucketLocation", "s3:ListBucket", "s3:ListBucketMultipartUploads"],
            [get_att("Bucket")],
        ),
        (["s3:AbortMultipartUpload", "s3:PutObject"], [objects("Bucket")]),
    ],
}

# The examples watch the finisher only, as nobody else knows whether finished rows are to come.
WATCHED = [
    ("AWS/Lambda", "Errors", "Finisher"),
    ("Windrow", "WaitingSeconds", "Finisher"),
]


def finisher_permissions(streams):
    return [
        ([f"kinesis:{action}" for action in READ], [get_att("SummaryStream")]),
        ([f"kinesis:{action}" for action in LOOK], [get_att("ReadingStream")]),
        (["dynamodb:GetItem", "dynamodb:PutItem"], [get_att("ProgressTable")]),
        (["kinesis:PutRecords"], [get_att(stream) for stream in streams]),
        (["firehose:PutRecordBatch"], [get_att("RejectsDelivery")]),
        (LOG, [get_att("FinisherLog")]),
    ]


def problems(template, binaries, seconds, key, outputs):
    mappings = {
        "AggregatorReadings": MAPPINGS["AggregatorReadings"] | {"TumblingWindowInSeconds": seconds},
        "ProcessorSummaries": MAPPINGS["ProcessorSummaries"] | ON_FAILURE,
    }
    functions = {"Aggregator": f"{binaries}-aggregator", "Processor": f"{binaries}-processor"}
    permissions = dict(PERMISSIONS)
    if outputs:
        mappings["FinisherWatermarks"] = MAPPINGS["FinisherWatermarks"]
        functions["Finisher"] = f"{binaries}-finisher"
        permissions["FinisherRole"] = finisher_permissions(outputs.values())
        yield from rules.finisher(template, outputs)
        yield from rules.alarms(template, WATCHED)
    yield from rules.mappings(template, mappings)
    yield from rules.functions(template, functions)
    yield from rules.permissions(template, permissions)
    yield from rules.service_trust(template)
    yield from rules.buckets(template)
    yield from rules.retention(template, KEPT)
    yield from rules.storage(template, key)


def main():
    found = 0
    for folder, *expected in EXAMPLES:
        template = to_cloudformation(load(ROOT / "examples" / folder / "template.yaml"))
        for problem in problems(template, *expected):
            print(f"{folder}: {problem}")
            found += 1
    sys.exit(1 if found else 0)


if __name__ == "__main__":
    main()
