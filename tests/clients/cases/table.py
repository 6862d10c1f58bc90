"""DynamoDB: Scan and Query page by ExclusiveStartKey."""

from matching import absent, length, present
from steps import Case, Group, Step

CLIENTS = ("boto3", "cli", "js")
TABLE = {"TableName": "{stream}"}


def item(number):
    return {"Name": {"S": "Shadowfax"}, "Number": {"N": str(number)}}


SETUP = [
    Step(
        "dynamodb.CreateTable",
        {
            **TABLE,
            "AttributeDefinitions": [
                {"AttributeName": "Name", "AttributeType": "S"},
                {"AttributeName": "Number", "AttributeType": "N"},
            ],
            "KeySchema": [
                {"AttributeName": "Name", "KeyType": "HASH"},
                {"AttributeName": "Number", "KeyType": "RANGE"},
            ],
            "BillingMode": "PAY_PER_REQUEST",
        },
    ),
    Step("dynamodb.DescribeTable", TABLE, {"Table": {"TableStatus": "ACTIVE"}}, until=True),
    Step(
        "dynamodb.BatchWriteItem",
        {"RequestItems": {"{stream}": [{"PutRequest": {"Item": item(number)}} for number in range(5)]}},
        {"UnprocessedItems": absent()},
    ),
]
QUERY = {
    "KeyConditionExpression": "#name = :name",
    "ExpressionAttributeNames": {"#name": "Name"},
    "ExpressionAttributeValues": {":name": {"S": "Shadowfax"}},
}


def pages(operation, **arguments):
    arguments = {"TableName": "{stream}", "Limit": 2, **arguments}
    return Case(
        f"{operation} by ExclusiveStartKey",
        [
            *SETUP,
            Step(f"dynamodb.{operation}", arguments, {"Items": length(2), "LastEvaluatedKey": present()}),
            Step(
                f"dynamodb.{operation}",
                arguments,
                {"Items": [item(number) for number in range(5)], "LastEvaluatedKey": absent()},
                follow={"ExclusiveStartKey": "LastEvaluatedKey"},
                keep=tuple(arguments),
                gather="Items",
            ),
            Step("dynamodb.DeleteTable", TABLE),
        ],
    )


GROUPS = [Group("DynamoDB", [pages("Scan"), pages("Query", **QUERY)], clients=CLIENTS)]
