"""Shards are listed: pages and filters.

The stream had two shards. The first was split between the times `early` and `late`, which gave two more.
"""

from matching import absent, length, present
from steps import Case, Group, Step, active, iterator, new_stream, passed, put, read
from times import Later

SHARDS = [f"shardId-{number:012}" for number in range(4)]
SPLIT_KEY = str(2**126)


def lists(shards, **arguments):
    expect = {"Shards": [{"ShardId": SHARDS[number]} for number in shards]}
    return Step("ListShards", {"StreamName": "{shared}", **arguments}, expect)


def filtered(shards, kind, **fields):
    return Case(f"ShardFilter {kind}", [lists(shards, ShardFilter={"Type": kind, **fields})])


def timed(name, shards, kind, time):
    return Case(f"ShardFilter {kind}, {name}", [lists(shards, ShardFilter={"Type": kind, "Timestamp": time})])


CASES = [
    Case("all", [lists([0, 1, 2, 3])]),
    Case(
        "by NextToken alone",
        [
            Step(
                "ListShards",
                {"StreamName": "{shared}", "MaxResults": 3},
                {"Shards": length(3), "NextToken": present()},
                save={"token": "NextToken"},
            ),
            Step(
                "ListShards",
                {"NextToken": "{token}"},
                {"Shards": [{"ShardId": SHARDS[3]}], "NextToken": absent()},
            ),
        ],
    ),
    Case(
        "NextToken and MaxResults, page by page",
        [
            Step(
                "ListShards",
                {"StreamName": "{shared}", "MaxResults": 1},
                {"Shards": [{"ShardId": shard} for shard in SHARDS], "NextToken": absent()},
                follow={"NextToken": "NextToken"},
                keep=("MaxResults",),
                gather="Shards",
            )
        ],
    ),
    Case(
        "NextToken keeps the filter",
        [
            Step(
                "ListShards",
                {"StreamName": "{shared}", "MaxResults": 1, "ShardFilter": {"Type": "AT_LATEST"}},
                {"Shards": [{"ShardId": SHARDS[number]} for number in (1, 2, 3)], "NextToken": absent()},
                follow={"NextToken": "NextToken"},
                keep=("MaxResults",),
                gather="Shards",
            )
        ],
    ),
    # AWS rejects the name, and with it the pages of boto3 and of the AWS CLI, which send both.
    Case(
        "NextToken and the name, as paginators send them",
        [
            Step("ListShards", {"StreamName": "{shared}", "MaxResults": 3}, save={"token": "NextToken"}),
            Step(
                "ListShards",
                {"StreamName": "{shared}", "NextToken": "{token}"},
                {"Shards": [{"ShardId": SHARDS[3]}], "NextToken": absent()},
            ),
        ],
    ),
    Case("ExclusiveStartShardId", [lists([2, 3], ExclusiveStartShardId=SHARDS[1])]),
    filtered([2, 3], "AFTER_SHARD_ID", ShardId=SHARDS[1]),
    filtered([0, 1], "AT_TRIM_HORIZON"),
    filtered([0, 1, 2, 3], "FROM_TRIM_HORIZON"),
    filtered([1, 2, 3], "AT_LATEST"),
    timed("before the split", [0, 1], "AT_TIMESTAMP", "{early}"),
    timed("after the split", [1, 2, 3], "AT_TIMESTAMP", Later("late", 1)),
    timed("before the split", [0, 1, 2, 3], "FROM_TIMESTAMP", "{early}"),
    timed("after the split", [1, 2, 3], "FROM_TIMESTAMP", Later("late", 1)),
    timed("before the stream", [0, 1, 2, 3], "FROM_TIMESTAMP", Later("early", -3_600_000)),
    Case(
        "ShardFilter without its ShardId or Timestamp: an error",
        [
            Step(
                "ListShards",
                {"StreamName": "{shared}", "ShardFilter": {"Type": kind}},
                error=("InvalidArgumentException", "ValidationException"),
            )
            for kind in ("AFTER_SHARD_ID", "AT_TIMESTAMP", "FROM_TIMESTAMP")
        ],
    ),
]


def arrival(shard, variable):
    """Steps that save the arrival time of the first record of a shard."""
    time = {variable: "Records.0.ApproximateArrivalTimestamp"}
    return [iterator(shard=shard), read({"Records": length(1)}, save=time)]


GROUPS = [
    Group(
        "ListShards",
        CASES,
        setup=[
            *new_stream(2),
            # The MD5 of the key "a" is in the first quarter of all hash keys.
            put(b"early", "a"),
            *arrival(SHARDS[0], "early"),
            passed("early"),
            Step(
                "SplitShard",
                {"StreamName": "{stream}", "ShardToSplit": SHARDS[0], "NewStartingHashKey": SPLIT_KEY},
            ),
            active(open_shards=3),
            Step("ListStreams", {"Limit": 1}, save={"split": "after"}),
            passed("split"),
            put(b"late", "a"),
            *arrival(SHARDS[2], "late"),
        ],
    )
]
