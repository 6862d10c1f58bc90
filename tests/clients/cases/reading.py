"""Records are read: from every kind of place, to the tip, and to the end of a closed shard."""

from matching import absent, any_order, at_least, bytes_at_most, length, present, starts_with
from steps import Case, Group, Step, active, iterator, new_stream, passed, put, read
from times import Later

MIB = 1024 * 1024
SHARDS = [f"shardId-{number:012}" for number in range(4)]
A, B, C = ({"Data": data, "SequenceNumber": f"{{{data.decode()}}}"} for data in (b"a", b"b", b"c"))
INVALID = ("InvalidArgumentException", "ValidationException")


def of_shared(kind, **arguments):
    return iterator(kind, name="{shared}", **arguments)


def one(expect, **options):
    """A single call."""
    return Step("GetRecords", {"ShardIterator": "{iterator}"}, expect, **options)


PLACES = [
    Case("TRIM_HORIZON", [of_shared("TRIM_HORIZON"), read({"Records": [A, B, C]})]),
    Case(
        "AT_SEQUENCE_NUMBER",
        [of_shared("AT_SEQUENCE_NUMBER", StartingSequenceNumber="{b}"), read({"Records": [B, C]})],
    ),
    Case(
        "AFTER_SEQUENCE_NUMBER",
        [of_shared("AFTER_SEQUENCE_NUMBER", StartingSequenceNumber="{b}"), read({"Records": [C]})],
    ),
    Case(
        "LATEST",
        [
            *new_stream(),
            put(b"before"),
            iterator("LATEST"),
            put(b"after"),
            read({"Records": [{"Data": b"after"}]}),
        ],
    ),
    Case(
        "AT_TIMESTAMP, to the millisecond",
        [
            of_shared("AT_TIMESTAMP", Timestamp="{time}"),
            read({"Records": [A, B, C]}),
            of_shared("AT_TIMESTAMP", Timestamp=Later("time", 1)),
            read({"Records": [B, C]}),
        ],
    ),
    Case(
        "AT_TIMESTAMP before the first record",
        [of_shared("AT_TIMESTAMP", Timestamp=Later("time", -3_600_000)), read({"Records": [A, B, C]})],
    ),
    Case(
        "AT_TIMESTAMP after the last record: the next record",
        [
            *new_stream(),
            put(b"before"),
            iterator(),
            read({"Records": length(1)}, save={"last": "Records.0.ApproximateArrivalTimestamp"}),
            passed("last"),
            iterator("AT_TIMESTAMP", Timestamp=Later("last", 1)),
            put(b"after"),
            read({"Records": [{"Data": b"after"}]}),
        ],
    ),
    Case(
        "a shard that does not exist: ResourceNotFoundException",
        [
            Step(
                "GetShardIterator",
                {"StreamName": "{shared}", "ShardId": SHARDS[3], "ShardIteratorType": "LATEST"},
                error="ResourceNotFoundException",
            )
        ],
    ),
    Case(
        "no number, no time, an unknown type: an error",
        [
            Step(
                "GetShardIterator",
                {"StreamName": "{shared}", "ShardId": SHARDS[0], "ShardIteratorType": kind},
                error=INVALID,
            )
            for kind in ("AT_SEQUENCE_NUMBER", "AFTER_SEQUENCE_NUMBER", "AT_TIMESTAMP", "SOMETIMES")
        ],
    ),
]

RECORDS = [
    Case(
        "every field of a record",
        [
            of_shared("TRIM_HORIZON"),
            one(
                {
                    "Records": starts_with({**A, "PartitionKey": "a", "ApproximateArrivalTimestamp": "{time}"}),
                    "NextShardIterator": present(),
                }
            ),
        ],
    ),
    Case(
        "Limit",
        [
            of_shared("TRIM_HORIZON"),
            Step(
                "GetRecords",
                {"ShardIterator": "{iterator}", "Limit": 2},
                {"Records": [A, B]},
                save={"iterator": "NextShardIterator"},
            ),
            one({"Records": [C]}),
        ],
    ),
    Case(
        "MillisBehindLatest: more than 0 when behind, 0 at the tip",
        [
            of_shared("TRIM_HORIZON"),
            Step(
                "GetRecords",
                {"ShardIterator": "{iterator}", "Limit": 1},
                {"Records": [A], "MillisBehindLatest": at_least(1)},
                save={"iterator": "NextShardIterator"},
            ),
            one({"Records": [B, C], "MillisBehindLatest": 0}),
        ],
    ),
    Case(
        "an empty shard: 0 records, 0 behind, an iterator",
        [
            *new_stream(),
            iterator(),
            one({"Records": [], "MillisBehindLatest": 0, "NextShardIterator": present()}),
        ],
    ),
    Case(
        "Limit above 10,000: an error",
        [
            of_shared("TRIM_HORIZON"),
            Step("GetRecords", {"ShardIterator": "{iterator}", "Limit": 10_001}, error=INVALID),
        ],
    ),
    Case(
        "no iterator of this service: InvalidArgumentException",
        [Step("GetRecords", {"ShardIterator": "AAAA" * 40}, error="InvalidArgumentException")],
    ),
    Case(
        "at most 10 MiB in a call",
        [
            *new_stream(),
            # The shard accepts 1 MiB per second.
            Step(
                "PutRecord",
                {"StreamName": "{stream}", "PartitionKey": "k", "Data": b"x" * (MIB - 1)},
                until=True,
                times=11,
            ),
            iterator(),
            one({"Records": bytes_at_most(10 * MIB, least=1), "NextShardIterator": present()}),
            read({"Records": length(11)}),
        ],
    ),
]


def closed(steps, children):
    """Reads the first shard of a stream to its end, once `steps` have closed it."""
    return [
        put(b"a", "a"),
        *steps,
        iterator(),
        read({"Records": [{"Data": b"a"}], "NextShardIterator": absent(), "ChildShards": children}),
    ]


END = [
    Case(
        "after a split: two children",
        [
            *new_stream(1),
            *closed(
                [
                    Step(
                        "SplitShard",
                        {
                            "StreamName": "{stream}",
                            "ShardToSplit": SHARDS[0],
                            "NewStartingHashKey": str(2**127),
                        },
                    ),
                    active(open_shards=2),
                ],
                [
                    {
                        "ShardId": SHARDS[1],
                        "ParentShards": [SHARDS[0]],
                        "HashKeyRange": {"StartingHashKey": "0", "EndingHashKey": str(2**127 - 1)},
                    },
                    {
                        "ShardId": SHARDS[2],
                        "ParentShards": [SHARDS[0]],
                        "HashKeyRange": {"StartingHashKey": str(2**127), "EndingHashKey": str(2**128 - 1)},
                    },
                ],
            ),
        ],
    ),
    Case(
        "after a merge: a child of both parents",
        [
            *new_stream(2),
            *closed(
                [
                    Step(
                        "MergeShards",
                        {
                            "StreamName": "{stream}",
                            "ShardToMerge": SHARDS[0],
                            "AdjacentShardToMerge": SHARDS[1],
                        },
                    ),
                    active(open_shards=1),
                ],
                [{"ShardId": SHARDS[2], "ParentShards": any_order(*SHARDS[:2])}],
            ),
        ],
    ),
    Case(
        "no ChildShards before the end",
        [
            *new_stream(1),
            put(b"a", "a"),
            put(b"b", "a"),
            Step(
                "SplitShard",
                {"StreamName": "{stream}", "ShardToSplit": SHARDS[0], "NewStartingHashKey": str(2**127)},
            ),
            active(open_shards=2),
            iterator(),
            Step(
                "GetRecords",
                {"ShardIterator": "{iterator}", "Limit": 1},
                {"Records": [{"Data": b"a"}], "ChildShards": absent(), "NextShardIterator": present()},
            ),
        ],
    ),
]

SHARED = [
    *new_stream(),
    put(b"a", "a", a="SequenceNumber"),
    iterator(),
    read({"Records": length(1)}, save={"time": "Records.0.ApproximateArrivalTimestamp"}),
    passed("time"),
    put(b"b", "a", b="SequenceNumber"),
    put(b"c", "a", c="SequenceNumber"),
]
GROUPS = [
    Group("GetShardIterator", PLACES, setup=SHARED),
    Group("GetRecords", RECORDS, setup=SHARED),
    Group("GetRecords at a closed shard's end", END),
]
