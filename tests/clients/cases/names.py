"""Every operation that takes a stream takes its ARN alone. (All other cases use its name.)"""

from matching import has, has_no, length, like, present
from steps import Case, Group, Step, active, iterator, new_stream, put

ARN = {"StreamARN": "{arn}"}
RECORD = {"Data": b"by ARN", "PartitionKey": "a"}
HASH_KEY = str(2**126)
INVALID = ("InvalidArgumentException", "ValidationException")
SHARDS = [f"shardId-{number:012}" for number in range(4)]


def by_arn(operation, arguments=None, expect=None, **options):
    return Step(operation, {**ARN, **(arguments or {})}, expect or {}, **options)


SHARED = [
    Case("DescribeStream", [by_arn("DescribeStream", expect={"StreamDescription": {"StreamName": "{shared}"}})]),
    Case(
        "DescribeStreamSummary",
        [by_arn("DescribeStreamSummary", expect={"StreamDescriptionSummary": {"StreamName": "{shared}"}})],
    ),
    Case("ListShards", [by_arn("ListShards", expect={"Shards": length(1)})]),
    Case("PutRecord", [by_arn("PutRecord", RECORD, {"ShardId": SHARDS[0], "SequenceNumber": like(r"\d+")})]),
    Case(
        "PutRecords",
        [by_arn("PutRecords", {"Records": [RECORD]}, {"FailedRecordCount": 0, "Records": [{"ShardId": SHARDS[0]}]})],
    ),
    Case(
        "GetShardIterator, GetRecords",
        [
            by_arn(
                "GetShardIterator",
                {"ShardId": SHARDS[0], "ShardIteratorType": "TRIM_HORIZON"},
                save={"iterator": "ShardIterator"},
            ),
            by_arn("GetRecords", {"ShardIterator": "{iterator}"}, {"Records": has({"Data": b"first"})}),
        ],
    ),
    Case(
        "AddTagsToStream, ListTagsForStream, RemoveTagsFromStream",
        [
            by_arn("AddTagsToStream", {"Tags": {"by": "arn"}}),
            by_arn("ListTagsForStream", expect={"Tags": has({"Key": "by", "Value": "arn"})}),
            by_arn("RemoveTagsFromStream", {"TagKeys": ["by"]}),
            by_arn("ListTagsForStream", expect={"Tags": has_no({"Key": "by"})}),
        ],
    ),
    Case(
        "IncreaseStreamRetentionPeriod, DecreaseStreamRetentionPeriod",
        [
            by_arn("IncreaseStreamRetentionPeriod", {"RetentionPeriodHours": 48}),
            active("{shared}"),
            by_arn("DescribeStreamSummary", expect={"StreamDescriptionSummary": {"RetentionPeriodHours": 48}}),
            by_arn("DecreaseStreamRetentionPeriod", {"RetentionPeriodHours": 24}),
            active("{shared}"),
            by_arn("DescribeStreamSummary", expect={"StreamDescriptionSummary": {"RetentionPeriodHours": 24}}),
        ],
    ),
    Case(
        "an ARN without a stream: ResourceNotFoundException",
        [
            Step("DescribeStreamSummary", {"StreamARN": "{arn}-missing"}, error="ResourceNotFoundException"),
            Step("PutRecord", {"StreamARN": "{arn}-missing", **RECORD}, error="ResourceNotFoundException"),
        ],
    ),
    Case("neither name nor ARN: an error", [Step("ListShards", error=INVALID)]),
]

OWN = [
    Case(
        "SplitShard",
        [
            *new_stream(1),
            by_arn("SplitShard", {"ShardToSplit": SHARDS[0], "NewStartingHashKey": HASH_KEY}),
            active(open_shards=2),
        ],
    ),
    Case(
        "MergeShards",
        [
            *new_stream(2),
            by_arn("MergeShards", {"ShardToMerge": SHARDS[0], "AdjacentShardToMerge": SHARDS[1]}),
            active(open_shards=1),
        ],
    ),
    Case(
        "UpdateShardCount",
        [
            *new_stream(1),
            by_arn(
                "UpdateShardCount",
                {"TargetShardCount": 2, "ScalingType": "UNIFORM_SCALING"},
                {"StreamARN": "{arn}", "CurrentShardCount": 1, "TargetShardCount": 2},
            ),
            active(open_shards=2),
        ],
    ),
    Case(
        "DeleteStream",
        [
            *new_stream(1),
            by_arn("DeleteStream"),
            by_arn("DescribeStreamSummary", error="ResourceNotFoundException", until=True),
        ],
    ),
]

TOGETHER = [
    Case(
        "name and ARN together",
        [
            *new_stream(),
            put(b"x"),
            iterator(StreamARN="{arn}"),
            by_arn("GetRecords", {"ShardIterator": "{iterator}"}, {"NextShardIterator": present()}),
        ],
    ),
]

GROUPS = [
    Group("by ARN", SHARED, setup=[*new_stream(), put(b"first")]),
    Group("by ARN", OWN + TOGETHER),
]
