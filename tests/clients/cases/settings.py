"""A stream's settings are changed: retention, tags, mode."""

from matching import any_order, has, has_no
from steps import Case, Group, Step, active, new_stream

INVALID = ("InvalidArgumentException", "ValidationException")


def retention(change, hours, **options):
    wanted = {"StreamName": "{stream}", "RetentionPeriodHours": hours}
    return Step(f"{change}StreamRetentionPeriod", wanted, **options)


def described(**fields):
    return Step(
        "DescribeStreamSummary",
        {"StreamName": "{stream}"},
        {"StreamDescriptionSummary": {"StreamStatus": "ACTIVE", **fields}},
        until=True,
    )


RETENTION = [
    Case(
        "Increase to 8,760 h, Decrease to 24 h",
        [
            *new_stream(),
            retention("Increase", 168),
            described(RetentionPeriodHours=168),
            retention("Increase", 8760),
            described(RetentionPeriodHours=8760),
            retention("Decrease", 24),
            described(RetentionPeriodHours=24),
        ],
    ),
    Case(
        "more than 8,760 h, less than 24 h: an error",
        [
            *new_stream(),
            retention("Increase", 8761, error=INVALID),
            retention("Decrease", 23, error=INVALID),
        ],
    ),
    Case(
        "Increase to less, Decrease to more: InvalidArgumentException",
        [
            *new_stream(),
            retention("Increase", 48),
            described(RetentionPeriodHours=48),
            retention("Increase", 24, error="InvalidArgumentException"),
            retention("Decrease", 72, error="InvalidArgumentException"),
        ],
    ),
]


def of_stream(operation, **arguments):
    return Step(f"{operation}Stream", {"StreamName": "{stream}", **arguments})


def list_of_stream(expect, **arguments):
    return Step("ListTagsForStream", {"StreamName": "{stream}", **arguments}, expect)


def of_resource(operation, resource="{arn}", expect=None, **arguments):
    return Step(operation, {"ResourceARN": resource, **arguments}, expect or {})


def tag(key, value):
    return {"Key": key, "Value": value}


TAGS = [
    Case(
        "AddTagsToStream, ListTagsForStream, RemoveTagsFromStream",
        [
            *new_stream(),
            of_stream("AddTagsTo", Tags={"a": "1", "b": "2"}),
            of_stream("AddTagsTo", Tags={"b": "3"}),
            list_of_stream({"Tags": any_order(tag("a", "1"), tag("b", "3")), "HasMoreTags": False}),
            of_stream("RemoveTagsFrom", TagKeys=["a"]),
            list_of_stream({"Tags": [tag("b", "3")]}),
        ],
    ),
    Case(
        "ListTagsForStream: Limit, HasMoreTags, ExclusiveStartTagKey",
        [
            *new_stream(),
            of_stream("AddTagsTo", Tags={"a": "1", "b": "2"}),
            list_of_stream({"Tags": [tag("a", "1")], "HasMoreTags": True}, Limit=1),
            list_of_stream(
                {"Tags": [tag("b", "2")], "HasMoreTags": False},
                Limit=1,
                ExclusiveStartTagKey="a",
            ),
        ],
    ),
    Case(
        "TagResource, ListTagsForResource, UntagResource of a stream",
        [
            *new_stream(),
            of_resource("TagResource", Tags={"a": "1", "b": "2"}),
            of_resource("ListTagsForResource", expect={"Tags": any_order(tag("a", "1"), tag("b", "2"))}),
            of_resource("UntagResource", TagKeys=["a"]),
            of_resource("ListTagsForResource", expect={"Tags": [tag("b", "2")]}),
        ],
    ),
    Case(
        "both families have the same tags",
        [
            *new_stream(),
            of_stream("AddTagsTo", Tags={"a": "1"}),
            of_resource("ListTagsForResource", expect={"Tags": has(tag("a", "1"))}),
            of_resource("UntagResource", TagKeys=["a"]),
            list_of_stream({"Tags": has_no({"Key": "a"})}),
        ],
    ),
    Case(
        "TagResource, ListTagsForResource, UntagResource of a consumer",
        [
            *new_stream(),
            Step(
                "RegisterStreamConsumer",
                {"StreamARN": "{arn}", "ConsumerName": "tagged", "Tags": {"a": "1"}},
                save={"consumer": "Consumer.ConsumerARN"},
            ),
            Step(
                "DescribeStreamConsumer",
                {"ConsumerARN": "{consumer}"},
                {"ConsumerDescription": {"ConsumerStatus": "ACTIVE"}},
                until=True,
            ),
            of_resource("ListTagsForResource", "{consumer}", {"Tags": [tag("a", "1")]}),
            of_resource("TagResource", "{consumer}", Tags={"b": "2"}),
            of_resource("UntagResource", "{consumer}", TagKeys=["a"]),
            of_resource("ListTagsForResource", "{consumer}", {"Tags": [tag("b", "2")]}),
            of_resource("ListTagsForResource", expect={"Tags": []}),
        ],
    ),
]


def mode(name):
    return Step("UpdateStreamMode", {"StreamARN": "{arn}", "StreamModeDetails": {"StreamMode": name}})


MODE = [
    Case(
        "to on-demand and back",
        [
            *new_stream(2),
            mode("ON_DEMAND"),
            active(),
            described(StreamModeDetails={"StreamMode": "ON_DEMAND"}),
            mode("PROVISIONED"),
            active(),
            described(StreamModeDetails={"StreamMode": "PROVISIONED"}),
        ],
    ),
]

GROUPS = [Group("retention", RETENTION), Group("tags", TAGS), Group("UpdateStreamMode", MODE)]
