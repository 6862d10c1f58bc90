"""Firehose, and who the caller is."""

from matching import has, has_no, length, like, present
from steps import Case, Group, Step

# Our CBOR client speaks to Kinesis alone.
CLIENTS = ("boto3", "cli", "js")
ARN = r"arn:aws:firehose:[a-z0-9-]+:\d{12}:deliverystream/[\w.-]+"
DESTINATION = {
    "RoleARN": "arn:aws:iam::000000000000:role/firehose",
    "BucketARN": "arn:aws:s3:::archive",
    "Prefix": "readings/",
    "CompressionFormat": "GZIP",
    "BufferingHints": {"SizeInMBs": 1, "IntervalInSeconds": 60},
}


def named(operation, expect=None, **arguments):
    options = {key: arguments.pop(key) for key in ("error", "until") if key in arguments}
    return Step(f"firehose.{operation}", {"DeliveryStreamName": "{stream}", **arguments}, expect or {}, **options)


def create(**arguments):
    return named("CreateDeliveryStream", ExtendedS3DestinationConfiguration=DESTINATION, **arguments)


def active(**fields):
    wanted = {"DeliveryStreamDescription": {"DeliveryStreamStatus": "ACTIVE", **fields}}
    return named("DescribeDeliveryStream", wanted, until=True)


def delete():
    return named("DeleteDeliveryStream")


FIREHOSE = [
    Case(
        "CreateDeliveryStream, DescribeDeliveryStream: GZIP and a prefix",
        [
            Step(
                "firehose.CreateDeliveryStream",
                {
                    "DeliveryStreamName": "{stream}",
                    "DeliveryStreamType": "DirectPut",
                    "ExtendedS3DestinationConfiguration": DESTINATION,
                },
                {"DeliveryStreamARN": like(ARN)},
            ),
            active(
                DeliveryStreamName="{stream}",
                DeliveryStreamType="DirectPut",
                DeliveryStreamARN=like(ARN),
                HasMoreDestinations=False,
                CreateTimestamp=present(),
                VersionId=present(),
                Destinations=[
                    {"DestinationId": present(), "ExtendedS3DestinationDescription": DESTINATION},
                ],
            ),
            delete(),
        ],
    ),
    Case(
        "a name that is taken: ResourceInUseException",
        [create(), active(), create(error="ResourceInUseException"), delete()],
    ),
    Case(
        "ListDeliveryStreams: Limit, ExclusiveStartDeliveryStreamName, HasMoreDeliveryStreams",
        [
            *(
                Step(
                    "firehose.CreateDeliveryStream",
                    {
                        "DeliveryStreamName": "{stream}-" + letter,
                        "ExtendedS3DestinationConfiguration": DESTINATION,
                    },
                )
                for letter in "abc"
            ),
            Step(
                "firehose.ListDeliveryStreams",
                {"ExclusiveStartDeliveryStreamName": "{stream}-a", "Limit": 1},
                {"DeliveryStreamNames": ["{stream}-b"], "HasMoreDeliveryStreams": True},
            ),
            *(Step("firehose.DeleteDeliveryStream", {"DeliveryStreamName": "{stream}-" + letter}) for letter in "abc"),
        ],
    ),
    Case(
        "PutRecord, PutRecordBatch",
        [
            create(),
            active(),
            named("PutRecord", {"RecordId": present()}, Record={"Data": b"a line\n"}),
            named(
                "PutRecordBatch",
                {"FailedPutCount": 0, "RequestResponses": length(3)},
                Records=[{"Data": b"%d\n" % number} for number in range(3)],
            ),
            delete(),
        ],
    ),
    Case(
        "500 records in a batch; 501: an error",
        [
            create(),
            active(),
            named("PutRecordBatch", {"FailedPutCount": 0}, Records=[{"Data": b"x\n"}] * 500),
            named(
                "PutRecordBatch",
                Records=[{"Data": b"x\n"}] * 501,
                error=("InvalidArgumentException", "ValidationException"),
            ),
            delete(),
        ],
    ),
    Case(
        "tags at creation, TagDeliveryStream, UntagDeliveryStream",
        [
            create(Tags=[{"Key": "a", "Value": "1"}]),
            active(),
            named("ListTagsForDeliveryStream", {"Tags": [{"Key": "a", "Value": "1"}], "HasMoreTags": False}),
            named("TagDeliveryStream", Tags=[{"Key": "b", "Value": "2"}]),
            named("ListTagsForDeliveryStream", {"Tags": has({"Key": "b", "Value": "2"})}),
            named("UntagDeliveryStream", TagKeys=["a"]),
            named("ListTagsForDeliveryStream", {"Tags": has_no({"Key": "a"})}),
            delete(),
        ],
    ),
    Case(
        "DeleteDeliveryStream, then ResourceNotFoundException",
        [
            create(),
            active(),
            delete(),
            named("DescribeDeliveryStream", error="ResourceNotFoundException", until=True),
            named("PutRecord", Record={"Data": b"x"}, error="ResourceNotFoundException"),
        ],
    ),
]

STS = [
    Case(
        "GetCallerIdentity",
        [
            Step(
                "sts.GetCallerIdentity",
                expect={
                    "Account": like(r"\d{12}"),
                    "Arn": like(r"arn:aws:(iam|sts)::\d{12}:.+"),
                    "UserId": present(),
                },
            )
        ],
    )
]

GROUPS = [Group("Firehose", FIREHOSE, clients=CLIENTS), Group("STS", STS, clients=CLIENTS)]
