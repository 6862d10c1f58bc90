"""Runs checkov on the transformed template: what it finds must be what is listed here, each with a reason.

Takes the path of the transformed template. A finding that is not listed fails, and so does one that is
listed and no longer found.
"""

import json
import pathlib
import subprocess
import sys

FUNCTIONS = ["Aggregator", "Processor"]
LOGS = ["AggregatorLog", "DeliveryLog", "ProcessorLog"]
BUCKETS = ["ArchiveBucket", "DashboardBucket", "OnFailureBucket", "ResultBucket"]

ACCEPTED = {
    "CKV_AWS_18": (BUCKETS, "access logs would need a bucket more, whose own access is not logged; CloudTrail data events do it for an account"),
    "CKV_AWS_21": (["ResultBucket"], "answers of queries, deleted after 7 days"),
    "CKV_AWS_68": (["Distribution"], "a WAF costs more a month than the page, which is static"),
    "CKV_AWS_86": (["Distribution"], "the page is public and static; nobody's visits are kept"),
    "CKV_AWS_115": (FUNCTIONS, "the mappings run one invocation a shard, and a cap would only delay them"),
    "CKV_AWS_116": (FUNCTIONS, "a dead letter queue is for asynchronous invocations; the mappings retry, and the processor's has a bucket"),
    "CKV_AWS_117": (FUNCTIONS, "the functions talk to public AWS endpoints over TLS only; a VPC would add NAT and nothing else"),
    "CKV_AWS_119": (["Table"], "encrypted with the key that AWS manages; a key of one's own is a choice of the account"),
    "CKV_AWS_158": (LOGS, "encrypted by CloudWatch; logs hold counts and names of streams, no readings"),
    "CKV_AWS_173": (FUNCTIONS, "the variables are names of streams and a table"),
    "CKV_AWS_174": (["Distribution"], "CloudFront fixes the TLS version of its own certificate; a domain of one's own would set TLS 1.2"),
    "CKV_AWS_366": (["IdentityPool"], "guests are the point of a public map; GuestRole may read two streams, and PublicDashboard=false leaves all of it out"),
}


def main():
    path = pathlib.Path(sys.argv[1])
    options = ["--framework", "cloudformation", "--skip-download", "--output", "json"]
    # By its bare name: checkov takes a path of 40 characters for a secret key.
    command = ["checkov", *options, "--file", path.name]
    ran = subprocess.run(command, cwd=path.parent, capture_output=True, text=True)
    report = json.loads(ran.stdout)
    if not report.get("results", {}).get("passed_checks"):
        sys.exit(f"checkov checked nothing: {ran.stdout} {ran.stderr}")
    found = {
        (check["check_id"], check["resource"].split(".")[1]): check["check_name"]
        for check in report["results"]["failed_checks"]
    }
    accepted = {(check, name) for check, (names, _) in ACCEPTED.items() for name in names}
    for check, name in sorted(found.keys() - accepted):
        print(f"{name}: {check} {found[check, name]}")
    for check, name in sorted(accepted - found.keys()):
        print(f"{name}: {check} is accepted, but is no longer found: take it out of the list")
    for check, (names, reason) in ACCEPTED.items():
        print(f"accepted: {check} for {', '.join(names)}: {reason}")
    print(f"{len(report['results']['passed_checks'])} checks passed")
    sys.exit(1 if found.keys() != accepted else 0)


if __name__ == "__main__":
    main()
