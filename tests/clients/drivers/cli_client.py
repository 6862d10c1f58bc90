"""The driver of the AWS CLI, which runs in this process, since its start takes longer than most calls.

Takes the endpoint's URL. Each call is a command line, and the answer is what the CLI prints.
"""

import base64
import contextlib
import io
import json
import re
import sys
import tempfile

import botocore
from awscli.clidriver import create_clidriver

import wire
from times import Millis

driver = create_clidriver()


def main():
    with tempfile.TemporaryDirectory() as folder:
        wire.serve(lambda *call: run(folder, *call))


def run(folder, service, operation, arguments):
    model = driver.session.get_service_model(service).operation_model(operation)
    command = [service, botocore.xform_name(operation, "-"), "--endpoint-url", sys.argv[1]]
    command += ["--output", "json", "--no-paginate"]
    for name, value in list(arguments.items()):
        # Only a file can hold any bytes.
        if isinstance(value, bytes):
            path = f"{folder}/blob"
            with open(path, "wb") as file:
                file.write(value)
            command += ["--" + botocore.xform_name(name, "-"), f"fileb://{path}"]
            arguments.pop(name)
    command += ["--cli-input-json", json.dumps(as_input(arguments))]
    printed, errors = io.StringIO(), io.StringIO()
    with contextlib.redirect_stdout(printed), contextlib.redirect_stderr(errors):
        status = driver.main(command)
    if status != 0:
        error = re.search(r"An error occurred \((\w+)\)", errors.getvalue())
        raise wire.CallError(error[1] if error else f"exit status {status}", errors.getvalue().strip())
    return as_output(json.loads(printed.getvalue() or "{}"), model.output_shape)


def as_input(value):
    """Version 1 of the CLI takes bytes within an argument as text."""
    if isinstance(value, bytes):
        return value.decode()
    if isinstance(value, Millis):
        return value / 1000
    if isinstance(value, dict):
        return {key: as_input(part) for key, part in value.items()}
    if isinstance(value, list):
        return [as_input(part) for part in value]
    return value


def as_output(value, shape):
    """The printed JSON, with times and bytes where the service's model has them."""
    if shape is None or value is None:
        return value
    if shape.type_name == "structure":
        return {key: as_output(part, shape.members.get(key)) for key, part in value.items()}
    if shape.type_name == "list":
        return [as_output(part, shape.member) for part in value]
    if shape.type_name == "map":
        return {key: as_output(part, shape.value) for key, part in value.items()}
    if shape.type_name == "timestamp" and isinstance(value, (int, float)):
        return Millis(round(value * 1000))
    if shape.type_name == "blob":
        return base64.b64decode(value)
    return value


if __name__ == "__main__":
    main()
