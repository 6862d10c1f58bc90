"""Runs checkov on a transformed template, whose path it takes: wildrydes.json,
thermometer.json or ticker.json.

Its findings must be exactly the accepted ones below, each listed with a reason. An unlisted finding fails,
and so does a listed one that is no longer found.
"""

import json
import pathlib
import subprocess
import sys

FUNCTIONS = ["Aggregator", "Processor"]
FINISHED = [*FUNCTIONS, "Finisher"]

REASONS = {
    "CKV_AWS_18": "access logs would need another bucket, whose own access is not logged; CloudTrail data events cover an account",
    "CKV_AWS_21": "query results, deleted after 7 days",
    "CKV_AWS_28": "progress, which is computed again from the streams without it",
    "CKV_AWS_68": "a WAF costs more per month than the page, which is static",
    "CKV_AWS_86": "the page is public and static; visits are not recorded",
    "CKV_AWS_115": "the mappings run one invocation per shard, and a limit would only delay them; small accounts cannot reserve any",
    "CKV_AWS_116": "a dead letter queue is for asynchronous invocations; the mappings retry, the processor's has a bucket, and the next event of the finisher's schedule does what a failed one left",
    "CKV_AWS_117": "the functions talk to public AWS endpoints over TLS only; a VPC would add NAT and nothing else",
    "CKV_AWS_119": "encrypted with the AWS managed key; a customer managed key is the account owner's choice",
    "CKV_AWS_158": "encrypted by CloudWatch; logs contain counts and stream names, but no readings",
    "CKV_AWS_173": "the variables are only names of streams, a table and columns",
    "CKV_AWS_174": "CloudFront sets the TLS version of its default certificate; a custom domain would use TLS 1.2",
    "CKV_AWS_366": "a public map needs guests; GuestRole may only read two streams, and PublicDashboard=false omits the pool",
}

EXAMPLE = {
    "CKV_AWS_18": ["Bucket"],
    "CKV_AWS_115": FUNCTIONS,
    "CKV_AWS_116": FUNCTIONS,
    "CKV_AWS_117": FUNCTIONS,
    "CKV_AWS_119": ["Table"],
    "CKV_AWS_158": ["AggregatorLog", "ProcessorLog"],
    "CKV_AWS_173": FUNCTIONS,
}

# The ticker has a finisher.
TICKER = EXAMPLE | {
    "CKV_AWS_28": ["ProgressTable"],
    "CKV_AWS_115": FINISHED,
    "CKV_AWS_116": FINISHED,
    "CKV_AWS_117": FINISHED,
    "CKV_AWS_119": ["ProgressTable", "Table"],
    "CKV_AWS_158": ["AggregatorLog", "FinisherLog", "ProcessorLog"],
    "CKV_AWS_173": FINISHED,
}

ACCEPTED = {
    "wildrydes": {
        "CKV_AWS_18": ["ArchiveBucket", "DashboardBucket", "OnFailureBucket", "ResultBucket"],
        "CKV_AWS_21": ["ResultBucket"],
        "CKV_AWS_28": ["ProgressTable"],
        "CKV_AWS_68": ["Distribution"],
        "CKV_AWS_86": ["Distribution"],
        "CKV_AWS_115": FINISHED,
        "CKV_AWS_116": FINISHED,
        "CKV_AWS_117": FINISHED,
        "CKV_AWS_119": ["ProgressTable", "Table"],
        "CKV_AWS_158": ["AggregatorLog", "DeliveryLog", "FinisherLog", "ProcessorLog"],
        "CKV_AWS_173": FINISHED,
        "CKV_AWS_174": ["Distribution"],
        "CKV_AWS_366": ["IdentityPool"],
    },
    "thermometer": EXAMPLE,
    "ticker": TICKER,
}


def main():
    path = pathlib.Path(sys.argv[1])
    options = ["--framework", "cloudformation", "--skip-download", "--output", "json"]
    # Pass only the file name: checkov takes a path of 40 characters for a secret key.
    command = ["checkov", *options, "--file", path.name]
    result = subprocess.run(command, cwd=path.parent, capture_output=True, text=True)
    report = json.loads(result.stdout)
    if not report.get("results", {}).get("passed_checks"):
        sys.exit(f"checkov checked nothing: {result.stdout} {result.stderr}")
    found = {
        (check["check_id"], check["resource"].split(".")[1]): check["check_name"]
        for check in report["results"]["failed_checks"]
    }
    expected = ACCEPTED[path.stem]
    accepted = {(check, name) for check, names in expected.items() for name in names}
    for check, name in sorted(found.keys() - accepted):
        print(f"{name}: {check} {found[check, name]}")
    for check, name in sorted(accepted - found.keys()):
        print(f"{name}: {check} is accepted but no longer found: remove it from the list")
    for check, names in expected.items():
        print(f"accepted: {check} for {', '.join(names)}: {REASONS[check]}")
    print(f"{len(report['results']['passed_checks'])} checks passed")
    sys.exit(1 if found.keys() != accepted else 0)


if __name__ == "__main__":
    main()
