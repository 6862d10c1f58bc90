"""The language between the runner and the clients' drivers: a JSON object per line.

A call is {"service": "kinesis", "operation": "PutRecord", "arguments": {...}}. Its answer is {"answer": {...}}
or {"error": "ResourceNotFoundException", "message": "..."}. Bytes are {"$blob": base64}, and times are
{"$time": milliseconds}.
"""

import base64
import datetime
import json
import sys

from times import Millis


def encoded(value):
    """As a line of JSON."""
    return json.dumps(_plain(value), separators=(",", ":"))


def decoded(line):
    return json.loads(line, object_hook=_special)


def _plain(value):
    if isinstance(value, (bytes, bytearray)):
        return {"$blob": base64.b64encode(value).decode()}
    if isinstance(value, Millis):
        return {"$time": int(value)}
    if isinstance(value, datetime.datetime):
        return {"$time": round(value.timestamp() * 1000)}
    if isinstance(value, dict):
        return {key: _plain(part) for key, part in value.items()}
    if isinstance(value, (list, tuple)):
        return [_plain(part) for part in value]
    return value


def _special(value):
    if "$blob" in value:
        return base64.b64decode(value["$blob"])
    if "$time" in value:
        return Millis(round(value["$time"]))
    return value


def serve(call):
    """The whole of a driver written in Python: answers each line of the standard input by `call`.

    `call` takes service, operation and arguments, and returns the answer or raises `CallError`.
    """
    # A client may print what it likes; only answers go to the runner.
    answers, sys.stdout = sys.stdout, sys.stderr
    for line in sys.stdin:
        wanted = decoded(line)
        try:
            answer = {"answer": call(wanted["service"], wanted["operation"], wanted["arguments"])}
        except CallError as error:
            answer = {"error": error.kind, "message": str(error)}
        except Exception as error:  # What the client itself objects to is a result too.
            answer = {"error": type(error).__name__, "message": str(error)}
        print(encoded(answer), file=answers, flush=True)


class CallError(Exception):
    """An error that a service answered. `kind` is its type."""

    def __init__(self, kind, message):
        super().__init__(message)
        self.kind = kind
