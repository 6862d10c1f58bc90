"""The driver of a client that speaks CBOR as the SDK for Java does. Takes the endpoint's URL.

Objects and lists have no length but an end, a time is tag 1 with an integer of milliseconds, and bytes are bytes.
It signs nothing that anyone could check.
"""

import http.client
import sys
import urllib.parse

import cbor2

import wire
from times import Millis

TYPE = "application/x-amz-cbor-1.1"
TIME = 1
AUTHORIZATION = (
    "AWS4-HMAC-SHA256 Credential=test/20260101/us-east-1/kinesis/aws4_request, "
    "SignedHeaders=content-type;host;x-amz-date;x-amz-target, Signature=" + "0" * 64
)
# The fields that are times, since an answer may leave out the tag.
TIMES = {"ApproximateArrivalTimestamp", "StreamCreationTimestamp", "ConsumerCreationTimestamp"}

connection = None


def main():
    wire.serve(call)


def call(_service, operation, arguments):
    headers = {
        "Content-Type": TYPE,
        "X-Amz-Target": f"Kinesis_20131202.{operation}",
        "X-Amz-Date": "20260101T000000Z",
        "Authorization": AUTHORIZATION,
    }
    body = cbor2.dumps(arguments, encoders={Millis: tagged}, indefinite_containers=True)
    response, body = exchange(body, headers)
    answer = {}
    if body:
        if response.getheader("Content-Type") != TYPE:
            raise wire.CallError("not CBOR", f"{response.status} {response.getheader('Content-Type')}: {body[:200]}")
        answer = with_times(cbor2.loads(body, semantic_decoders={TIME: lambda decoder: Millis(decoder.decode())}))
    if response.status != 200:
        kind = answer.get("__type", f"status {response.status}")
        raise wire.CallError(kind.split("#")[-1], answer.get("message", ""))
    return answer


def exchange(body, headers):
    global connection
    if connection is None:
        connection = http.client.HTTPConnection(urllib.parse.urlsplit(sys.argv[1]).netloc)
    try:
        connection.request("POST", "/", body, headers)
        response = connection.getresponse()
        return response, response.read()
    except (OSError, http.client.HTTPException):
        # The next call opens a new one.
        connection.close()
        raise


def tagged(encoder, value):
    encoder.encode(cbor2.CBORTag(TIME, int(value)))


def with_times(value):
    if isinstance(value, list):
        return [with_times(part) for part in value]
    if isinstance(value, dict):
        return {key: Millis(part) if key in TIMES else with_times(part) for key, part in value.items()}
    return value


if __name__ == "__main__":
    main()
