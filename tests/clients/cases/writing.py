"""Records are put: what is accepted, what is rejected, and where it goes."""

from matching import after_number, at_least, during, has, length, like, present
from steps import Case, Group, Step, iterator, new_stream, put, read

MIB = 1024 * 1024
HASH_KEYS = 2**128
SHARDS = [f"shardId-{number:012}" for number in range(20)]
INVALID = ("InvalidArgumentException", "ValidationException")
# Two of these characters take four bytes, all others take two.
LONG_KEY = "é" * 254 + "ßø"


def put_records(records, name="{stream}", **options):
    return Step("PutRecords", {"StreamName": name, "Records": records}, **options)


def explicit(key, **fields):
    return {"StreamName": "{shared}", "PartitionKey": "a", "Data": b"x", "ExplicitHashKey": str(key), **fields}


def spread(sizes):
    """Records of these sizes, with their keys, one in each of as many shards."""
    return [
        {
            "PartitionKey": "k",
            "Data": b"x" * (size - 1),
            "ExplicitHashKey": str(index * HASH_KEYS // len(sizes)),
        }
        for index, size in enumerate(sizes)
    ]


ONE = [
    Case(
        "ShardId, SequenceNumber",
        [
            Step(
                "PutRecord",
                {"StreamName": "{shared}", "PartitionKey": "a", "Data": b"x"},
                {"ShardId": SHARDS[0], "SequenceNumber": like(r"\d+")},
            )
        ],
    ),
    Case(
        "the MD5 of the partition key decides the shard",
        [
            Step("PutRecord", {"StreamName": "{shared}", "PartitionKey": key, "Data": b"x"}, {"ShardId": shard})
            for key, shard in [("a", SHARDS[0]), ("b", SHARDS[1]), ("c", SHARDS[0]), ("d", SHARDS[1])]
        ],
    ),
    Case(
        "ExplicitHashKey decides the shard",
        [
            Step("PutRecord", explicit(0), {"ShardId": SHARDS[0]}),
            Step("PutRecord", explicit(HASH_KEYS // 2 - 1), {"ShardId": SHARDS[0]}),
            Step("PutRecord", explicit(HASH_KEYS // 2), {"ShardId": SHARDS[1]}),
            Step("PutRecord", explicit(HASH_KEYS - 1), {"ShardId": SHARDS[1]}),
        ],
    ),
    Case("ExplicitHashKey too large: an error", [Step("PutRecord", explicit(HASH_KEYS), error=INVALID)]),
    Case(
        "sequence numbers increase",
        [
            put(b"1", name="{shared}", first="SequenceNumber"),
            Step(
                "PutRecord",
                {
                    "StreamName": "{shared}",
                    "PartitionKey": "a",
                    "Data": b"2",
                    "SequenceNumberForOrdering": "{first}",
                },
                {"SequenceNumber": after_number("first")},
            ),
        ],
    ),
    Case(
        "a partition key of 256 characters, not ASCII",
        [
            *new_stream(),
            put(b"long key", LONG_KEY),
            iterator(),
            read({"Records": [{"PartitionKey": LONG_KEY, "Data": b"long key"}]}),
        ],
    ),
    Case(
        "a partition key of 257 characters: an error",
        [
            Step("PutRecord", {"StreamName": "{shared}", "PartitionKey": LONG_KEY + "é", "Data": b"x"}, error=INVALID),
            Step("PutRecord", {"StreamName": "{shared}", "PartitionKey": "a" * 257, "Data": b"x"}, error=INVALID),
        ],
    ),
    Case(
        "any bytes",
        [
            *new_stream(),
            put(bytes(range(256)), "bytes"),
            iterator(),
            read({"Records": [{"PartitionKey": "bytes", "Data": bytes(range(256))}]}),
        ],
    ),
    Case(
        "1 MiB",
        [
            *new_stream(),
            put(b"x" * (MIB - 1), "k"),
            iterator(),
            read({"Records": [{"Data": b"x" * (MIB - 1)}]}),
        ],
    ),
    Case(
        "more than 1 MiB: an error",
        [Step("PutRecord", {"StreamName": "{shared}", "PartitionKey": "k", "Data": b"x" * MIB}, error=INVALID)],
    ),
    Case(
        "ApproximateArrivalTimestamp: milliseconds, not ahead of the clock",
        [
            *new_stream(),
            Step(
                "PutRecord",
                {"StreamName": "{stream}", "PartitionKey": "a", "Data": b"x"},
                save={"sent": "before", "acknowledged": "after"},
            ),
            iterator(),
            read({"Records": [{"ApproximateArrivalTimestamp": during("sent", "acknowledged")}]}),
        ],
    ),
]

MANY = [
    Case(
        "500 records, in order",
        [
            *new_stream(),
            put_records(
                [{"PartitionKey": "a", "Data": b"%d" % number} for number in range(500)],
                expect={"FailedRecordCount": 0, "Records": length(500)},
            ),
            iterator(),
            read({"Records": [{"Data": b"%d" % number} for number in range(500)]}),
        ],
    ),
    Case(
        "501 records: an error",
        [put_records([{"PartitionKey": "a", "Data": b"x"}] * 501, "{shared}", error=INVALID)],
    ),
    Case(
        "each record's shard and sequence number",
        [
            put_records(
                [{"PartitionKey": key, "Data": b"x"} for key in "ab"],
                "{shared}",
                expect={
                    "FailedRecordCount": 0,
                    "Records": [
                        {"ShardId": SHARDS[0], "SequenceNumber": like(r"\d+")},
                        {"ShardId": SHARDS[1], "SequenceNumber": like(r"\d+")},
                    ],
                },
            )
        ],
    ),
    Case(
        "10 MiB in a call",
        [
            *new_stream(20),
            put_records(
                spread([MIB // 2] * 20),
                expect={"FailedRecordCount": 0, "Records": [{"ShardId": shard} for shard in SHARDS]},
            ),
        ],
    ),
    Case(
        "more than 10 MiB in a call: an error",
        [*new_stream(20), put_records(spread([MIB // 2 + 1] + [MIB // 2] * 19), error=INVALID)],
    ),
    Case(
        "above the shard's limit: ProvisionedThroughputExceededException, and the rest is accepted",
        [
            *new_stream(2),
            put_records(
                [{"PartitionKey": "a", "Data": b"x" * (MIB - 1)}] * 3 + [{"PartitionKey": "b", "Data": b"x"}],
                expect={
                    "FailedRecordCount": at_least(1),
                    "Records": has(
                        {"ErrorCode": "ProvisionedThroughputExceededException", "ErrorMessage": present()},
                        {"ShardId": SHARDS[1], "SequenceNumber": like(r"\d+")},
                    ),
                },
            ),
        ],
    ),
]

GROUPS = [
    Group("PutRecord", ONE, setup=new_stream(2)),
    Group("PutRecords", MANY, setup=new_stream(2)),
]
