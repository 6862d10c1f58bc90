"""Checks examples/ticker/template.yaml with the rules for template.yaml that apply to it.

Prints each problem and exits with 1 if there is one. `rules.py --mutate` tests the rules.
"""

import sys

import rules
from rules import LOG, MAPPINGS, READ, get_att, objects
from template import ROOT, load, to_cloudformation

TEMPLATE = ROOT / "examples" / "ticker" / "template.yaml"
KEPT = ["Bucket", "Table"]

ON_FAILURE = {"DestinationConfig": {"OnFailure": {"Destination": get_att("Bucket")}}}
TICKER_MAPPINGS = {
    "AggregatorReadings": MAPPINGS["AggregatorReadings"] | {"TumblingWindowInSeconds": 10},
    "ProcessorSummaries": MAPPINGS["ProcessorSummaries"] | ON_FAILURE,
}

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


def problems(template):
    yield from rules.mappings(template, TICKER_MAPPINGS)
    yield from rules.functions(template, {"Aggregator": "sql-aggregator", "Processor": "sql-processor"})
    yield from rules.permissions(template, PERMISSIONS)
    yield from rules.service_trust(template)
    yield from rules.buckets(template)
    yield from rules.retention(template, KEPT)
    yield from rules.storage(template, ("Key", "WindowStart"))


def main():
    found = list(problems(to_cloudformation(load(TEMPLATE))))
    for problem in found:
        print(problem)
    sys.exit(1 if found else 0)


if __name__ == "__main__":
    main()
