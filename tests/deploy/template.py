"""Loads template.yaml or another template, as written or transformed by SAM into plain CloudFormation.

`template.py PATH` prints the transformed template.
"""

import copy
import json
import logging
import os
import pathlib
import sys

from samcli.yamlhelper import yaml_parse
from samtranslator.translator.transform import transform

# It tries to send usage metrics to AWS and logs an error each time that it cannot.
logging.getLogger("samtranslator.metrics.metrics").setLevel(logging.CRITICAL)

ROOT = pathlib.Path(__file__).resolve().parents[2]
TEMPLATE = ROOT / "template.yaml"


def load(path=TEMPLATE):
    return yaml_parse(pathlib.Path(path).read_text())


def to_cloudformation(template):
    """The template that `sam deploy` would pass to CloudFormation, with fake S3 locations for code and layers."""
    os.environ.setdefault("AWS_DEFAULT_REGION", "us-east-1")
    template = copy.deepcopy(template)
    for function in of_type(template, "AWS::Serverless::Function").values():
        function["Properties"]["CodeUri"] = {"Bucket": "artifacts", "Key": "function.zip"}
    for layer in of_type(template, "AWS::Serverless::LayerVersion").values():
        layer["Properties"]["ContentUri"] = {"Bucket": "artifacts", "Key": "layer.zip"}
    return transform(template, {}, NoManagedPolicies())


class NoManagedPolicies:
    """The template's roles use no managed policies, so none has to be looked up."""

    def load(self):
        return {}


def of_type(template, resource_type):
    """The resources of a type, by logical ID."""
    resources = template["Resources"].items()
    return {name: resource for name, resource in resources if resource["Type"] == resource_type}


def built_functions(build):
    """The functions in the output folder of `sam build`, by logical ID, in the order of its template."""
    return list(of_type(load(build / "template.yaml"), "AWS::Serverless::Function"))


def default(template, value):
    """The value, or the parameter's default if it is a Ref to a parameter."""
    if isinstance(value, dict) and list(value) == ["Ref"]:
        return template["Parameters"].get(value["Ref"], {}).get("Default", value)
    return value


if __name__ == "__main__":
    json.dump(to_cloudformation(load(sys.argv[1])), sys.stdout, indent=2, default=str)
