"""Consumers with enhanced fan-out are registered, and subscribe to shards."""

from matching import absent, any_order, has, has_no, length, like, present
from steps import Case, Group, Step, active, new_stream, put

SHARDS = [f"shardId-{number:012}" for number in range(3)]
ARN = r"arn:aws:kinesis:[a-z0-9-]+:\d{12}:stream/[\w.-]+/consumer/[\w.-]+:\d+"
A, B, C = ({"Data": data, "SequenceNumber": f"{{{data.decode()}}}"} for data in (b"a", b"b", b"c"))
# The AWS CLI does not have the operation, and our CBOR client reads no streams of events.
SUBSCRIBERS = ("boto3", "js")


def register(name, stream="{arn}", **options):
    """A step that registers a consumer. Its ARN becomes the variable `consumer`."""
    options = {"save": {"consumer": "Consumer.ConsumerARN"}} | options
    return Step("RegisterStreamConsumer", {"StreamARN": stream, "ConsumerName": name}, **options)


def ready():
    """A step that waits until the consumer is active."""
    wanted = {"ConsumerDescription": {"ConsumerStatus": "ACTIVE"}}
    return Step("DescribeStreamConsumer", {"ConsumerARN": "{consumer}"}, wanted, until=True)


REGISTRY = [
    Case(
        "RegisterStreamConsumer, DescribeStreamConsumer by ARN",
        [
            *new_stream(),
            register(
                "reader",
                expect={
                    "Consumer": {
                        "ConsumerName": "reader",
                        "ConsumerARN": like(ARN),
                        "ConsumerStatus": "CREATING",
                        "ConsumerCreationTimestamp": present(),
                    }
                },
            ),
            ready(),
            Step(
                "DescribeStreamConsumer",
                {"ConsumerARN": "{consumer}"},
                {
                    "ConsumerDescription": {
                        "ConsumerName": "reader",
                        "ConsumerARN": "{consumer}",
                        "StreamARN": "{arn}",
                        "ConsumerCreationTimestamp": present(),
                    }
                },
            ),
        ],
    ),
    Case(
        "DescribeStreamConsumer by name",
        [
            *new_stream(),
            register("reader"),
            Step(
                "DescribeStreamConsumer",
                {"StreamARN": "{arn}", "ConsumerName": "reader"},
                {"ConsumerDescription": {"ConsumerARN": "{consumer}"}},
            ),
        ],
    ),
    Case(
        "ListStreamConsumers: MaxResults, NextToken",
        [
            *new_stream(),
            register("first"),
            register("second"),
            Step(
                "ListStreamConsumers",
                {"StreamARN": "{arn}", "MaxResults": 1},
                {"Consumers": length(1), "NextToken": present()},
            ),
            Step(
                "ListStreamConsumers",
                {"StreamARN": "{arn}", "MaxResults": 1},
                {"Consumers": any_order({"ConsumerName": "first"}, {"ConsumerName": "second"})},
                follow={"NextToken": "NextToken"},
                keep=("StreamARN", "MaxResults"),
                gather="Consumers",
            ),
        ],
    ),
    Case(
        "ConsumerCount of the stream",
        [
            *new_stream(),
            register("reader"),
            ready(),
            Step(
                "DescribeStreamSummary",
                {"StreamName": "{stream}"},
                {"StreamDescriptionSummary": {"ConsumerCount": 1}},
            ),
        ],
    ),
    Case(
        "a name that is taken: ResourceInUseException",
        [*new_stream(), register("reader"), register("reader", error="ResourceInUseException", save={})],
    ),
    Case(
        "DeregisterStreamConsumer by ARN, then ResourceNotFoundException",
        [
            *new_stream(),
            register("reader"),
            ready(),
            Step("DeregisterStreamConsumer", {"ConsumerARN": "{consumer}"}),
            Step(
                "DescribeStreamConsumer",
                {"ConsumerARN": "{consumer}"},
                error="ResourceNotFoundException",
                until=True,
            ),
            Step("ListStreamConsumers", {"StreamARN": "{arn}"}, {"Consumers": []}),
        ],
    ),
    Case(
        "DeregisterStreamConsumer by name",
        [
            *new_stream(),
            register("reader"),
            ready(),
            Step("DeregisterStreamConsumer", {"StreamARN": "{arn}", "ConsumerName": "reader"}),
            Step(
                "ListStreamConsumers",
                {"StreamARN": "{arn}"},
                {"Consumers": has_no({"ConsumerName": "reader"})},
                until=True,
            ),
        ],
    ),
    Case(
        "DeleteStream with consumers: ResourceInUseException, unless EnforceConsumerDeletion",
        [
            *new_stream(),
            register("reader"),
            ready(),
            Step("DeleteStream", {"StreamName": "{stream}"}, error="ResourceInUseException"),
            Step("DeleteStream", {"StreamName": "{stream}", "EnforceConsumerDeletion": True}),
            Step(
                "DescribeStreamSummary",
                {"StreamName": "{stream}"},
                error="ResourceNotFoundException",
                until=True,
            ),
        ],
    ),
]


def subscribe(kind, consumer="{consumer}", **position):
    return Step(
        "SubscribeToShard",
        {
            "ConsumerARN": consumer,
            "ShardId": SHARDS[0],
            "StartingPosition": {"Type": kind, **position},
        },
        save={"subscription": "Subscription"},
    )


def events(records, to_end=False, **expect):
    """A step that reads the events of the subscription until they have these records."""
    wanted = {"Subscription": "{subscription}", "Records": len(records), "ToEnd": to_end}
    return Step("ReadSubscription", wanted, {"Records": records, **expect})


def subscribed(name, records, kind, **position):
    """A case with a consumer of its own, since each may subscribe to a shard once in five seconds."""
    steps = [register(name, "{arn}"), ready(), subscribe(kind, **position), events(records)]
    return Case(f"from {kind}", steps)


SUBSCRIPTIONS = [
    subscribed("trim", [A, B, C], "TRIM_HORIZON"),
    subscribed("at", [B, C], "AT_SEQUENCE_NUMBER", SequenceNumber="{b}"),
    subscribed("after", [C], "AFTER_SEQUENCE_NUMBER", SequenceNumber="{b}"),
    subscribed("time", [A, B, C], "AT_TIMESTAMP", Timestamp="{time}"),
    Case(
        "from LATEST",
        [
            *new_stream(),
            put(b"before"),
            register("latest"),
            ready(),
            subscribe("LATEST"),
            put(b"after"),
            events([{"Data": b"after", "PartitionKey": "a", "ApproximateArrivalTimestamp": present()}]),
        ],
    ),
    Case(
        "ContinuationSequenceNumber, MillisBehindLatest",
        [
            register("fields"),
            ready(),
            subscribe("TRIM_HORIZON"),
            events([A, B, C], ContinuationSequenceNumber=like(r"\d+"), MillisBehindLatest=0),
        ],
    ),
    Case(
        "ChildShards at a closed shard's end, where the subscription ends",
        [
            *new_stream(),
            put(b"a"),
            register("end"),
            ready(),
            Step(
                "SplitShard",
                {"StreamName": "{stream}", "ShardToSplit": SHARDS[0], "NewStartingHashKey": str(2**127)},
            ),
            active(open_shards=2),
            subscribe("TRIM_HORIZON"),
            events(
                [{"Data": b"a"}],
                to_end=True,
                # By this the Kinesis Client Library recognizes the end.
                ContinuationSequenceNumber=absent(),
                ChildShards=has(
                    {"ShardId": SHARDS[1], "ParentShards": [SHARDS[0]]},
                    {"ShardId": SHARDS[2], "ParentShards": [SHARDS[0]]},
                ),
            ),
        ],
    ),
    Case(
        "again within five seconds: ResourceInUseException",
        [
            register("again"),
            ready(),
            subscribe("LATEST"),
            Step(
                "SubscribeToShard",
                {
                    "ConsumerARN": "{consumer}",
                    "ShardId": SHARDS[0],
                    "StartingPosition": {"Type": "LATEST"},
                },
                error="ResourceInUseException",
            ),
        ],
    ),
    Case(
        "a consumer that does not exist: ResourceNotFoundException",
        [
            Step(
                "SubscribeToShard",
                {
                    "ConsumerARN": "{arn}/consumer/missing:1700000000",
                    "ShardId": SHARDS[0],
                    "StartingPosition": {"Type": "LATEST"},
                },
                error="ResourceNotFoundException",
            )
        ],
    ),
]

GROUPS = [
    Group("consumers", REGISTRY),
    Group(
        "SubscribeToShard",
        SUBSCRIPTIONS,
        setup=[
            *new_stream(),
            Step("ListStreams", save={"time": "before"}),
            *(put(data, "a", **{data.decode(): "SequenceNumber"}) for data in (b"a", b"b", b"c")),
        ],
        clients=SUBSCRIBERS,
    ),
]
