"""Runs every case by every client, and prints those that fail. Called by `check`, which installs the tools."""

import argparse
import concurrent.futures
import dataclasses
import os
import pathlib
import sys
import time

import runner
import servers
from cases import GROUPS
from steps import CLIENTS

BEGIN, END = "<!-- tests/clients/check: begin -->", "<!-- tests/clients/check: end -->"
NAMES = {"boto3": "boto3", "cli": "AWS CLI", "js": "JavaScript", "cbor": "CBOR"}


def main():
    parser = argparse.ArgumentParser(description="Runs every case by every client.")
    parser.add_argument("--endpoint", help="the URL of a server [default: starts our local cloud]")
    parser.add_argument("--client", choices=CLIENTS, help="only this client [default: all]")
    parser.add_argument("--only", default="", help="only cases with this text in their group or name")
    parser.add_argument(
        "--markdown",
        type=pathlib.Path,
        help="where to write the table of results: into this file, or in it, between the lines that say so",
    )
    parser.add_argument(
        "--programs",
        type=pathlib.Path,
        default=servers.ROOT / "target" / "debug",
        help="the folder of the program `local` [default: target/debug]",
    )
    arguments = parser.parse_args()
    os.environ |= servers.ENVIRONMENT
    clients = [arguments.client] if arguments.client else CLIENTS
    groups = chosen(arguments.only)
    if arguments.endpoint:
        results = run(clients, arguments.endpoint, groups)
    else:
        with servers.local_cloud(arguments.programs) as endpoint:
            results = run(clients, endpoint, groups)
    if arguments.markdown:
        write_table(arguments.markdown, markdown(clients, results))
    failed = [result for result in results if result.problem]
    for result in failed:
        print(f"{result.client}: {result.group}: {result.case}: {result.problem}")
    print(f"{len(results) - len(failed)} of {len(results)} cases are as AWS documents them")
    sys.exit(1 if failed else 0)


def chosen(text):
    """The groups with the cases that have this text in their group or name."""
    for group in GROUPS:
        cases = [case for case in group.cases if text.lower() in f"{group.name}: {case.name}".lower()]
        if cases:
            yield dataclasses.replace(group, cases=cases)


def run(clients, endpoint, groups):
    """The results of all clients, which run beside each other: most of them wait most of the time."""
    groups = list(groups)
    with concurrent.futures.ThreadPoolExecutor(len(clients)) as threads:
        runs = [threads.submit(of_client, client, endpoint, groups) for client in clients]
        return [result for one in runs for result in one.result()]


def of_client(client, endpoint, groups):
    started = time.monotonic()
    servers.WORK.mkdir(parents=True, exist_ok=True)
    with (servers.WORK / f"{client}.log").open("w") as log:
        results = list(runner.run(client, endpoint, groups, log))
    print(f"{NAMES[client]}: {len(results)} cases in {time.monotonic() - started:.0f} s", flush=True)
    return results


def markdown(clients, results):
    """A table of the cases by client."""
    cells = {(result.group, result.case, result.client): result for result in results}
    cases = dict.fromkeys((result.group, result.case) for result in results)
    lines = [
        f"| operation | case | {' | '.join(NAMES[client] for client in clients)} |",
        f"|---|---|{'---|' * len(clients)}",
    ]
    before = None
    for group, case in cases:
        marks = (mark(cells.get((group, case, client))) for client in clients)
        lines.append(f"| {'' if group == before else group} | {case} | {' | '.join(marks)} |")
        before = group
    return "\n".join(lines) + "\n"


def write_table(path, table):
    """Writes the table to a file, or replaces the one between BEGIN and END in a document."""
    text = path.read_text() if path.exists() else ""
    if BEGIN in text:
        before, rest = text.split(BEGIN)
        table = f"{before}{BEGIN}\n\n{table}\n{END}{rest.split(END)[1]}"
    path.write_text(table)


def mark(result):
    if result is None:
        return ""
    return "**no**" if result.problem else "yes"


if __name__ == "__main__":
    main()
