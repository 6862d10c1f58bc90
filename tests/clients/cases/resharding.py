"""Shards are split, merged, and brought to a number."""

from matching import absent, has, like
from steps import Case, Group, Step, active, new_stream

SHARDS = [f"shardId-{number:012}" for number in range(8)]
HASH_KEYS = 2**128
CLOSED = {"EndingSequenceNumber": like(r"\d+")}


def keys(start, end):
    """A range of hash keys, in quarters of all."""
    return {
        "StartingHashKey": str(start * HASH_KEYS // 4),
        "EndingHashKey": str(end * HASH_KEYS // 4 - 1),
    }


def lists(*shards):
    return Step("ListShards", {"StreamName": "{stream}"}, {"Shards": list(shards)})


def lists_open(*ranges):
    """The hash keys of the open shards, in any order of the shards."""
    wanted = {"StreamName": "{stream}", "ShardFilter": {"Type": "AT_LATEST"}}
    return [Step("ListShards", wanted, {"Shards": has({"HashKeyRange": one})}) for one in ranges]


def split(shard, key, **options):
    wanted = {"StreamName": "{stream}", "ShardToSplit": shard, "NewStartingHashKey": str(key)}
    return Step("SplitShard", wanted, **options)


def merge(shard, adjacent, **options):
    wanted = {"StreamName": "{stream}", "ShardToMerge": shard, "AdjacentShardToMerge": adjacent}
    return Step("MergeShards", wanted, **options)


def update(count, **options):
    wanted = {"StreamName": "{stream}", "TargetShardCount": count, "ScalingType": "UNIFORM_SCALING"}
    return Step("UpdateShardCount", wanted, **options)


SPLIT = [
    Case(
        "parents, children, hash keys, sequence numbers",
        [
            *new_stream(1),
            split(SHARDS[0], HASH_KEYS // 4),
            active(open_shards=2),
            lists(
                {"ShardId": SHARDS[0], "SequenceNumberRange": CLOSED, "ParentShardId": absent()},
                {
                    "ShardId": SHARDS[1],
                    "ParentShardId": SHARDS[0],
                    "AdjacentParentShardId": absent(),
                    "HashKeyRange": keys(0, 1),
                    "SequenceNumberRange": {"EndingSequenceNumber": absent()},
                },
                {"ShardId": SHARDS[2], "ParentShardId": SHARDS[0], "HashKeyRange": keys(1, 4)},
            ),
        ],
    ),
    Case(
        "a hash key outside the shard: InvalidArgumentException",
        [*new_stream(2), split(SHARDS[0], HASH_KEYS * 3 // 4, error="InvalidArgumentException")],
    ),
    Case(
        "a shard that does not exist: ResourceNotFoundException",
        [*new_stream(1), split(SHARDS[7], HASH_KEYS // 2, error="ResourceNotFoundException")],
    ),
]

MERGE = [
    Case(
        "both parents",
        [
            *new_stream(2),
            merge(SHARDS[0], SHARDS[1]),
            active(open_shards=1),
            lists(
                {"ShardId": SHARDS[0], "SequenceNumberRange": CLOSED},
                {"ShardId": SHARDS[1], "SequenceNumberRange": CLOSED},
                {
                    "ShardId": SHARDS[2],
                    "ParentShardId": SHARDS[0],
                    "AdjacentParentShardId": SHARDS[1],
                    "HashKeyRange": keys(0, 4),
                    "SequenceNumberRange": {"EndingSequenceNumber": absent()},
                },
            ),
        ],
    ),
    Case(
        "shards that are not adjacent: InvalidArgumentException",
        [*new_stream(3), merge(SHARDS[0], SHARDS[2], error="InvalidArgumentException")],
    ),
]

UPDATE = [
    Case(
        "up",
        [
            *new_stream(2),
            update(4, expect={"StreamName": "{stream}", "CurrentShardCount": 2, "TargetShardCount": 4}),
            active(open_shards=4),
            *lists_open(keys(0, 1), keys(1, 2), keys(2, 3), keys(3, 4)),
        ],
    ),
    Case(
        "down",
        [
            *new_stream(2),
            update(1, expect={"StreamName": "{stream}", "CurrentShardCount": 2, "TargetShardCount": 1}),
            active(open_shards=1),
            *lists_open(keys(0, 4)),
        ],
    ),
    Case(
        "by a part",
        [
            *new_stream(3),
            update(4),
            active(open_shards=4),
            *lists_open(keys(0, 1), keys(1, 2), keys(2, 3), keys(3, 4)),
        ],
    ),
    Case(
        "more than double, less than half: an error",
        [
            *new_stream(3),
            update(7, error=("InvalidArgumentException", "LimitExceededException")),
            update(1, error=("InvalidArgumentException", "LimitExceededException")),
        ],
    ),
    Case(
        "of an on-demand stream: ValidationException",
        [
            *new_stream(4, StreamModeDetails={"StreamMode": "ON_DEMAND"}),
            update(8, error="ValidationException"),
        ],
    ),
]

GROUPS = [Group("SplitShard", SPLIT), Group("MergeShards", MERGE), Group("UpdateShardCount", UPDATE)]
