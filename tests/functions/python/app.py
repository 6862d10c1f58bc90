"""Sums the distances of unicorns per tumbling window, and writes the sums to a table when the window ends."""

import base64
import json
import os

VERSION = 1
TABLE = os.environ.get("TABLE")


def handler(event, context):
    state = event["state"]
    sums = state.setdefault("sums", {})
    state["versions"] = sorted({*state.get("versions", []), VERSION})
    for record in event["Records"]:
        reading = json.loads(base64.b64decode(record["kinesis"]["data"]))
        sums[reading["Name"]] = sums.get(reading["Name"], 0) + reading["Distance"]
    if event["isFinalInvokeForWindow"] and TABLE:
        write(event, state)
    # What `python3` prints goes to the log of the function.
    print(json.dumps({"records": len(event["Records"]), "version": VERSION, "versions": state["versions"]}), flush=True)
    return {"state": state}


def write(event, state):
    # Here, since it takes a while and most invocations do without.
    import boto3

    table = boto3.resource("dynamodb").Table(TABLE)
    for name, distance in state["sums"].items():
        # The same item if the end of the window is delivered again.
        window = f"{event['window']['start']}/{event['shardId']}/{name}"
        item = {"Function": "Python", "Window": window, "Name": name, "Distance": distance}
        table.put_item(Item=item | {"Versions": state["versions"]})
