"""ministack, an emulator of AWS, with what its CloudFormation lacks.

It creates most of the stack for real: streams, functions, their mappings, table, Firehose, buckets, roles,
alarms. Of the resource types in STAND_INS it knows nothing and would reject the whole template; here
they get a name and nothing else. It deletes what a DeletionPolicy says to keep; here it keeps it. Of
Firehose's processors it knows functions only; here it appends the delimiter as well. And it does not say
whether a stack is protected, without which `sam delete` stops.

Takes its address from BIND_HOST and GATEWAY_PORT, as ministack does.
"""

import os

# It would listen on every address, for devices that there are none of.
os.environ["IOT_MTLS_ENABLED"] = "0"

from ministack.app import main  # noqa: E402
from ministack.services import cloudformation, firehose  # noqa: E402
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


def stand_in():
    for resource_type in STAND_INS:
        if resource_type in provisioners._RESOURCE_HANDLERS:
            raise SystemExit(f"ministack now creates {resource_type}: take it out of STAND_INS")
        provisioners._RESOURCE_HANDLERS[resource_type] = {"create": create, "delete": delete}


def keep_what_is_retained():
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
    """As Firehose does: after every record, whether or not it ends in one."""
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


def say_that_nothing_is_protected():
    xml = handlers._xml

    def with_protection(status, root_tag, inner):
        if root_tag == "DescribeStacksResponse":
            protection = "<EnableTerminationProtection>false</EnableTerminationProtection>"
            inner = inner.replace("<StackStatus>", f"{protection}<StackStatus>")
        return xml(status, root_tag, inner)

    handlers._xml = with_protection


if __name__ == "__main__":
    stand_in()
    keep_what_is_retained()
    append_delimiters()
    say_that_nothing_is_protected()
    main()
