"""Errors have the types that clients decide by."""

from steps import Case, Group, Step

STREAM = {"StreamName": "windrow-has-no-such-stream"}
RECORD = {"PartitionKey": "a", "Data": b"x"}
SHARD = "shardId-000000000000"
CALLS = {
    "AddTagsToStream": {"Tags": {"a": "1"}},
    "DecreaseStreamRetentionPeriod": {"RetentionPeriodHours": 24},
    "DeleteStream": {},
    "DescribeStream": {},
    "DescribeStreamSummary": {},
    "GetShardIterator": {"ShardId": SHARD, "ShardIteratorType": "LATEST"},
    "IncreaseStreamRetentionPeriod": {"RetentionPeriodHours": 48},
    "ListShards": {},
    "ListTagsForStream": {},
    "MergeShards": {"ShardToMerge": SHARD, "AdjacentShardToMerge": "shardId-000000000001"},
    "PutRecord": RECORD,
    "PutRecords": {"Records": [RECORD]},
    "RemoveTagsFromStream": {"TagKeys": ["a"]},
    "SplitShard": {"ShardToSplit": SHARD, "NewStartingHashKey": "1"},
    "UpdateShardCount": {"TargetShardCount": 2, "ScalingType": "UNIFORM_SCALING"},
}

CASES = [
    Case(
        f"{operation}: ResourceNotFoundException",
        [Step(operation, {**STREAM, **arguments}, error="ResourceNotFoundException")],
    )
    for operation, arguments in CALLS.items()
]
CASES += [
    Case(
        "a name that no stream can have: ValidationException",
        [
            Step("DescribeStreamSummary", {"StreamName": "no stream"}, error="ValidationException"),
            Step("CreateStream", {"StreamName": "a" * 129, "ShardCount": 1}, error="ValidationException"),
        ],
    ),
]

GROUPS = [Group("a stream that does not exist", CASES)]
