"""The driver of boto3, with its default settings. Takes the endpoint's URL."""

import datetime
import sys

import boto3
import botocore
import botocore.exceptions

import wire
from times import Millis
from subscriptions import Subscriptions

clients = {}
subscriptions = Subscriptions()


def main():
    wire.serve(call)


def call(service, operation, arguments):
    if operation == "ReadSubscription":
        return subscriptions.read(**arguments)
    if service not in clients:
        clients[service] = boto3.client(service, endpoint_url=sys.argv[1])
    method = getattr(clients[service], botocore.xform_name(operation))
    try:
        answer = method(**with_times(arguments))
    except botocore.exceptions.ClientError as error:
        raise wire.CallError(error.response["Error"]["Code"], error.response["Error"]["Message"]) from error
    answer.pop("ResponseMetadata")
    if operation == "SubscribeToShard":
        return subscriptions.add(answer["EventStream"])
    return answer


def with_times(value):
    if isinstance(value, Millis):
        return datetime.datetime.fromtimestamp(value / 1000, datetime.UTC)
    if isinstance(value, dict):
        return {key: with_times(part) for key, part in value.items()}
    if isinstance(value, list):
        return [with_times(part) for part in value]
    return value


if __name__ == "__main__":
    main()
