"""Runs ministack, an AWS emulator, with patches for what its CloudFormation lacks.

ministack emulates most of the stack's resources: streams, functions, mappings, table, Firehose, buckets,
roles, alarms. The patches:

- It rejects a template with a resource type that it does not support. The types in STAND_INS get a name
  and nothing else.
- It ignores DeletionPolicy. Here it keeps resources whose policy says so.
- It supports only functions as Firehose processors. Here it appends the delimiter too.
- It does not report whether a stack is protected, which `sam delete` requires.
- It does not look into the data of Kinesis records, so a mapping with a filter would deliver none. Here
  it matches the filter with what is JSON.
- It gives a function's layers only to Python and Node. Here the functions of a SQL application find the
  files of their layer, though not in /opt, which belongs to this machine.

Takes its address from BIND_HOST and GATEWAY_PORT, like ministack.
"""

import base64
import hashlib
import io
import json
import os
import pathlib
import zipfile

# Otherwise it would listen on every address for IoT devices.
os.environ["IOT_MTLS_ENABLED"] = "0"

from ministack.app import main  # noqa: E402
from ministack.services import cloudformation, firehose, lambda_svc  # noqa: E402
from ministack.services.cloudformation import handlers, provisioners, stacks  # noqa: E402

STAND_INS = [
    "AWS::Athena::NamedQuery",
    "AWS::Athena::WorkGroup",
    "AWS::CloudFront::OriginAccessControl",
    "AWS::CloudFront::ResponseHeadersPolicy",
    "AWS::Glue::Database",
    "AWS::Glue::Table",
    "AWS::Logs::LogStream",
]


def create(logical_id, properties, _stack_name):
    named = properties.get("DatabaseInput") or properties.get("TableInput") or properties
    name = named.get("LogStreamName") or named.get("Name") or logical_id
    return name, {"Id": name}


def delete(_physical_id, _properties):
    pass


def add_stand_ins():
    for resource_type in STAND_INS:
        if resource_type in provisioners._RESOURCE_HANDLERS:
            raise SystemExit(f"ministack now supports {resource_type}: remove it from STAND_INS")
        provisioners._RESOURCE_HANDLERS[resource_type] = {"create": create, "delete": delete}


def honour_deletion_policies():
    delete_resource = stacks._delete_resource

    def unless_retained(resource_type, physical_id, properties, stack_name, logical_id):
        stack = cloudformation._stacks.get(stack_name) or {}
        definitions = stack.get("_template", {}).get("Resources", {})
        policy = definitions.get(logical_id, {}).get("DeletionPolicy", "Delete")
        if stack.get("StackStatus") == "DELETE_IN_PROGRESS" and policy != "Delete":
            return None
        return delete_resource(resource_type, physical_id, properties, stack_name, logical_id)

    stacks._delete_resource = unless_retained


def append_delimiters():
    """Appends the delimiter to every record, even if it already ends in one, as Firehose does."""
    process = firehose._apply_lambda_processors

    def with_delimiter(stream, dest, records, *arguments, **options):
        processed = process(stream, dest, records, *arguments, **options)
        config = dest["config"].get("ProcessingConfiguration") or {}
        processors = config.get("Processors", []) if config.get("Enabled") else []
        for processor in processors:
            if processor["Type"] == "AppendDelimiterToRecord":
                [parameter] = processor["Parameters"]
                delimiter = parameter["ParameterValue"].encode().decode("unicode_escape").encode()
                processed = [(record, data + delimiter) for record, data in processed]
        return processed

    firehose._apply_lambda_processors = with_delimiter


def report_termination_protection():
    xml = handlers._xml

    def with_protection(status, root_tag, inner):
        if root_tag == "DescribeStacksResponse":
            protection = "<EnableTerminationProtection>false</EnableTerminationProtection>"
            inner = inner.replace("<StackStatus>", f"{protection}<StackStatus>")
        return xml(status, root_tag, inner)

    handlers._xml = with_protection


def filter_kinesis_data():
    """Matches a mapping's filters with the data of each record, under its only key that Lambda offers to them."""
    apply = lambda_svc._apply_filter_criteria

    def data(record):
        try:
            return {"data": json.loads(base64.b64decode(record["kinesis"]["data"]))}
        except ValueError:
            return {}

    def by_data(records, mapping):
        if not all("kinesis" in record for record in records):
            return apply(records, mapping)
        return [record for record in records if apply([data(record)], mapping)]

    lambda_svc._apply_filter_criteria = by_data


def unpack_layers():
    """Unpacks a function's layers beneath the working directory, and says by variables where the files are."""
    variables = lambda_svc._runtime_env_vars

    def with_layers(config):
        found = {}
        for layer in config.get("Layers") or []:
            data = lambda_svc._resolve_layer_zip(layer["Arn"])
            folder = pathlib.Path("layers", hashlib.sha256(data).hexdigest()).absolute()
            with zipfile.ZipFile(io.BytesIO(data)) as archive:
                archive.extractall(folder)
            for variable, name in [("SQL_FILE", "application.sql"), ("SCHEMA_FILE", "schema.json")]:
                if (folder / name).exists():
                    found[variable] = str(folder / name)
        return found | variables(config)

    lambda_svc._runtime_env_vars = with_layers


if __name__ == "__main__":
    add_stand_ins()
    honour_deletion_policies()
    append_delimiters()
    report_termination_protection()
    filter_kinesis_data()
    unpack_layers()
    main()
