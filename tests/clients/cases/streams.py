"""Streams are created, described, listed and deleted."""

from matching import absent, any_order, at_least, during, length, like, present
from steps import Case, Group, Step, active, new_stream

ON_DEMAND = {"StreamMode": "ON_DEMAND"}
PROVISIONED = {"StreamMode": "PROVISIONED"}
HALF = 2**127
HASH_KEYS = [
    {"StartingHashKey": "0", "EndingHashKey": str(HALF - 1)},
    {"StartingHashKey": str(HALF), "EndingHashKey": str(2 * HALF - 1)},
]
ARN = r"arn:aws:kinesis:[a-z0-9-]+:\d{12}:stream/[\w.-]+"


def shard(number, **more):
    """A shard of two, as it is described while open."""
    return {
        "ShardId": f"shardId-{number:012}",
        "HashKeyRange": HASH_KEYS[number],
        "SequenceNumberRange": {"StartingSequenceNumber": like(r"\d+"), "EndingSequenceNumber": absent()},
        "ParentShardId": absent(),
        "AdjacentParentShardId": absent(),
        **more,
    }


def summary(**fields):
    wanted = {"StreamDescriptionSummary": fields}
    return Step("DescribeStreamSummary", {"StreamName": "{stream}"}, wanted, until=True)


CREATE = [
    Case(
        "provisioned",
        [
            *new_stream(2),
            summary(
                StreamName="{stream}",
                StreamARN=like(ARN),
                StreamStatus="ACTIVE",
                StreamModeDetails=PROVISIONED,
                RetentionPeriodHours=24,
                EnhancedMonitoring=[{"ShardLevelMetrics": []}],
                OpenShardCount=2,
                ConsumerCount=0,
            ),
        ],
    ),
    Case(
        "provisioned, with the mode",
        [
            *new_stream(1, StreamModeDetails=PROVISIONED, ShardCount=1),
            summary(StreamModeDetails=PROVISIONED, OpenShardCount=1),
        ],
    ),
    Case(
        "on-demand: four shards, and described as such",
        [
            Step("CreateStream", {"StreamName": "{stream}", "StreamModeDetails": ON_DEMAND}),
            active(),
            summary(StreamModeDetails=ON_DEMAND, OpenShardCount=4),
            Step(
                "DescribeStream",
                {"StreamName": "{stream}"},
                {"StreamDescription": {"StreamModeDetails": ON_DEMAND, "Shards": length(4)}},
            ),
        ],
    ),
    Case(
        "tags at creation",
        [
            *new_stream(Tags={"team": "stables", "empty": ""}),
            Step(
                "ListTagsForStream",
                {"StreamName": "{stream}"},
                {
                    "Tags": any_order({"Key": "team", "Value": "stables"}, {"Key": "empty"}),
                    "HasMoreTags": False,
                },
            ),
        ],
    ),
    Case(
        "a name that is taken: ResourceInUseException",
        [
            *new_stream(),
            Step("CreateStream", {"StreamName": "{stream}", "ShardCount": 1}, error="ResourceInUseException"),
        ],
    ),
    Case(
        "creation time",
        [
            Step("CreateStream", {"StreamName": "{stream}", "ShardCount": 1}, save={"sent": "before"}),
            active(),
            Step("ListStreams", save={"seen": "after"}),
            # AWS calls it approximate.
            summary(StreamCreationTimestamp=during("sent", "seen", slack=10_000)),
        ],
    ),
]

DESCRIBE = [
    Case(
        "every field",
        [
            *new_stream(2),
            Step(
                "DescribeStream",
                {"StreamName": "{stream}"},
                {
                    "StreamDescription": {
                        "StreamName": "{stream}",
                        "StreamARN": "{arn}",
                        "StreamStatus": "ACTIVE",
                        "Shards": [shard(0), shard(1)],
                        "HasMoreShards": False,
                        "RetentionPeriodHours": 24,
                        "EnhancedMonitoring": [{"ShardLevelMetrics": []}],
                    }
                },
            ),
        ],
    ),
    Case(
        "Limit, HasMoreShards, ExclusiveStartShardId",
        [
            *new_stream(2),
            Step(
                "DescribeStream",
                {"StreamName": "{stream}", "Limit": 1},
                {"StreamDescription": {"Shards": [shard(0)], "HasMoreShards": True}},
            ),
            Step(
                "DescribeStream",
                {"StreamName": "{stream}", "Limit": 1, "ExclusiveStartShardId": "shardId-000000000000"},
                {"StreamDescription": {"Shards": [shard(1)], "HasMoreShards": False}},
            ),
        ],
    ),
    Case(
        "DescribeLimits",
        [
            Step(
                "DescribeLimits",
                expect={
                    "ShardLimit": at_least(1),
                    "OpenShardCount": at_least(0),
                    "OnDemandStreamCount": at_least(0),
                    "OnDemandStreamCountLimit": at_least(1),
                },
            )
        ],
    ),
]

LIST = [
    Case(
        "Limit, HasMoreStreams, NextToken",
        [
            Step(
                "ListStreams",
                {"ExclusiveStartStreamName": "{shared}-a", "Limit": 2},
                {
                    "StreamNames": ["{shared}-b", "{shared}-c"],
                    "HasMoreStreams": True,
                    "NextToken": present(),
                },
                save={"token": "NextToken"},
            ),
            Step(
                "ListStreams",
                {"NextToken": "{token}", "Limit": 1},
                {"StreamNames": ["{shared}-d"], "HasMoreStreams": True},
            ),
        ],
    ),
    Case(
        "ExclusiveStartStreamName",
        [
            Step(
                "ListStreams",
                {"ExclusiveStartStreamName": "{shared}-c", "Limit": 1},
                {"StreamNames": ["{shared}-d"]},
            ),
        ],
    ),
    Case(
        "the last page has no NextToken",
        [
            Step(
                "ListStreams",
                {"ExclusiveStartStreamName": "zzzzzzzzzzzz"},
                {"StreamNames": [], "HasMoreStreams": False, "NextToken": absent()},
            ),
        ],
    ),
    Case(
        "StreamSummaries",
        [
            Step(
                "ListStreams",
                {"ExclusiveStartStreamName": "{shared}-a", "Limit": 1},
                {
                    "StreamSummaries": [
                        {
                            "StreamName": "{shared}-b",
                            "StreamARN": like(ARN),
                            "StreamStatus": "ACTIVE",
                            "StreamModeDetails": PROVISIONED,
                        }
                    ]
                },
            ),
        ],
    ),
]

DELETE = [
    Case(
        "then ResourceNotFoundException",
        [
            *new_stream(),
            Step("DeleteStream", {"StreamName": "{stream}"}),
            Step(
                "DescribeStreamSummary",
                {"StreamName": "{stream}"},
                error="ResourceNotFoundException",
                until=True,
            ),
        ],
    ),
    Case(
        "and its name is free again",
        [
            *new_stream(2),
            Step("DeleteStream", {"StreamName": "{stream}"}),
            Step("CreateStream", {"StreamName": "{stream}", "ShardCount": 1}, until=True),
            active(open_shards=1),
        ],
    ),
]

GROUPS = [
    Group("CreateStream", CREATE),
    Group("DescribeStream", DESCRIBE),
    Group(
        "ListStreams",
        LIST,
        # The name without a letter keeps its place in the list, and a later one follows the listed.
        setup=[step for letter in "abcde" for step in new_stream(name="{stream}-" + letter)],
    ),
    Group("DeleteStream", DELETE),
]
