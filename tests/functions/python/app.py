"""A function that counts the records of a tumbling window in its state."""

import base64
import json


def handler(event, context):
    state = event["state"]
    for record in event["Records"]:
        data = json.loads(base64.b64decode(record["kinesis"]["data"]))
        state[data["unicorn"]] = state.get(data["unicorn"], 0) + 1
    return {"state": state}
