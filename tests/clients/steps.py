"""What the cases are made of. Cases are data: `runner.py` runs them with any client.

A text in arguments and expectations may name variables: "{stream}-a". A text that is only a variable, "{arn}",
becomes its value, whatever type that has. Every case has a variable `stream`, a name that nothing else has.
"""

from dataclasses import dataclass, field, replace

from matching import clock_after

CLIENTS = ["boto3", "cli", "js", "cbor"]


@dataclass(frozen=True)
class Step:
    """One call, and what its answer must contain.

    operation: "PutRecord" of Kinesis, or "firehose.PutRecord".
    expect: compared by `matching.py`.
    error: the error's type, or several, if the call must fail.
    save: variables, and where in the answer their values are: {"arn": "Consumer.ConsumerARN"}. All of a list's
        elements are "*": "Shards.*.ShardId". "before" and "after" are the times of the call itself.
    follow: for the next page, which argument is which field of the answer: {"NextToken": "NextToken"}. All other
        arguments are left out, except those of `keep`. Pages are read until the answer is as expected.
    gather: the list of the pages that is joined.
    until: whether to repeat the call until the answer is as expected.
    times: how often to make the call.
    """

    operation: str
    arguments: dict = field(default_factory=dict)
    expect: object = field(default_factory=dict)
    error: object = None
    save: dict = field(default_factory=dict)
    follow: dict = field(default_factory=dict)
    keep: tuple = ()
    gather: str = ""
    until: bool = False
    times: int = 1


@dataclass(frozen=True)
class Case:
    """Steps in order, for the clients that can do them."""

    name: str
    steps: list
    clients: tuple = tuple(CLIENTS)


@dataclass(frozen=True)
class Group:
    """Cases that share what `setup` makes. They do not depend on each other's order."""

    name: str
    cases: list
    setup: tuple = ()
    clients: tuple = tuple(CLIENTS)


def new_stream(shards=1, name="{stream}", **arguments):
    """Steps that create a stream and wait until it is active. Its ARN becomes the variable `arn`."""
    if "StreamModeDetails" not in arguments:
        arguments["ShardCount"] = shards
    return [Step("CreateStream", {"StreamName": name, **arguments}), active(name, shards)]


def active(name="{stream}", open_shards=None):
    """A step that waits until a stream is active. Its ARN becomes the variable `arn`."""
    summary = {"StreamStatus": "ACTIVE"}
    if open_shards is not None:
        summary["OpenShardCount"] = open_shards
    return Step(
        "DescribeStreamSummary",
        {"StreamName": name},
        {"StreamDescriptionSummary": summary},
        until=True,
        save={"arn": "StreamDescriptionSummary.StreamARN"},
    )


def put(data, key="a", name="{stream}", **save):
    """A step that puts a record. `save` are variables, and the fields of the answer that they become."""
    return Step("PutRecord", {"StreamName": name, "Data": data, "PartitionKey": key}, save=save)


def passed(time):
    """A step that waits until the time of the variable has passed, by more than a clock can be unsure of."""
    return Step("ListStreams", {"Limit": 1}, clock_after(time, 5), until=True)


def iterator(kind="TRIM_HORIZON", shard="shardId-000000000000", name="{stream}", **arguments):
    """A step that gets a shard iterator. It becomes the variable `iterator`."""
    wanted = {"StreamName": name, "ShardId": shard, "ShardIteratorType": kind, **arguments}
    return Step("GetShardIterator", wanted, save={"iterator": "ShardIterator"})


def read(expect, **options):
    """A step that reads from the variable `iterator`, over as many calls as it takes."""
    step = Step(
        "GetRecords",
        {"ShardIterator": "{iterator}"},
        expect,
        follow={"ShardIterator": "NextShardIterator"},
        gather="Records",
    )
    return replace(step, **options)
