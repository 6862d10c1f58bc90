"""template.yaml as data: as it is written, and as SAM makes plain CloudFormation of it."""

import copy
import json
import logging
import os
import pathlib
import sys

from samcli.yamlhelper import yaml_parse
from samtranslator.translator.transform import transform

# It would send metrics of its own use to AWS, and complains each time that it could not.
logging.getLogger("samtranslator.metrics.metrics").setLevel(logging.CRITICAL)

ROOT = pathlib.Path(__file__).resolve().parents[2]
TEMPLATE = ROOT / "template.yaml"


def load():
    return yaml_parse(TEMPLATE.read_text())


def to_cloudformation(template):
    """What `sam deploy` would hand to CloudFormation; the code's place in S3 is made up."""
    os.environ.setdefault("AWS_DEFAULT_REGION", "us-east-1")
    template = copy.deepcopy(template)
    template["Globals"]["Function"]["CodeUri"] = {"Bucket": "artifacts", "Key": "function.zip"}
    return transform(template, {}, NoManagedPolicies())


class NoManagedPolicies:
    """Every role is written out, so no managed policy is ever looked up."""

    def load(self):
        return {}


def of_type(template, resource_type):
    """The resources of a type, by their logical ids."""
    resources = template["Resources"].items()
    return {name: resource for name, resource in resources if resource["Type"] == resource_type}


def default(template, value):
    """A value, with a parameter's default for a Ref to it."""
    if isinstance(value, dict) and list(value) == ["Ref"]:
        return template["Parameters"].get(value["Ref"], {}).get("Default", value)
    return value


if __name__ == "__main__":
    json.dump(to_cloudformation(load()), sys.stdout, indent=2, default=str)
