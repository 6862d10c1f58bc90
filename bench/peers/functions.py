"""The suites of the two functions: processor, aggregator, state."""

import functools
import json
import subprocess
import tempfile
import urllib.request
from contextlib import contextmanager
from pathlib import Path

from . import tools
from .report import Target, table, verdict
from .tools import PEERS, WORK, Failure, Series, log, median

ROWS = 10_000
NODE = "Node.js, the original application"
# The peer's CPU per row divided by ours, at least.
ROW_OVER_PEER = 6
# The peer's time to decode and fold an event divided by ours, at least.
OVER_PEER = 6
# Bytes of state per unicorn, and milliseconds to encode or decode the state of 10,000, at most.
STATE_BYTES, STATE_MILLIS = 20, 2


@contextmanager
def stub_table():
    """Runs the stub table, which accepts everything immediately, in its own process. Yields its URL."""
    process = subprocess.Popen([tools.rust("stub_table")], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, text=True)
    try:
        url = process.stdout.readline().strip()
        if not url:
            raise Failure("the stub table did not start")
        yield url
    finally:
        process.kill()
        process.wait()
        process.stdout.close()


def puts(url):
    with urllib.request.urlopen(f"{url}/puts", timeout=10) as response:
        return int(response.read())


def processor_suite(options):
    again = 3 if options.readings < 1_000_000 else 20
    with tempfile.TemporaryDirectory(dir=WORK) as folder, stub_table() as url:
        make = [tools.rust("make_summaries"), "--rows", str(ROWS), "--output", folder]
        tools.call(make, "making events of rows")
        events = sorted(str(path) for path in Path(folder).iterdir())
        commands = {"processor": lambda rounds: [tools.rust("write_rows"), "--endpoint", url, "--rounds", rounds, *events]}
        missing = ""
        try:
            tools.node_modules()
            commands[NODE] = lambda rounds: ["node", str(PEERS / "node" / "run.mjs"), url, rounds, *events]
        except Failure as failure:
            missing = f" **The peer is left out**: {failure}."
            log(f"  left out: {failure}")
        taken, starts = race(commands, again, url, options.rounds)
    per_row = {name: rows_micros(taken[name], starts[name], again) for name in commands}
    return processor_text(per_row, starts, again, missing)


def race(commands, again, url, rounds):
    taken, starts = ({name: Series() for name in commands} for _ in range(2))
    for number in range(rounds + 1):
        for name, command in commands.items():
            log(f"  round {number or '(warm-up)'}: {name}")
            start = tools.timed(command("0"))
            before = puts(url)
            whole = tools.timed(command(str(again)))
            written = puts(url) - before
            if written != again * ROWS:
                raise Failure(f"{name} wrote {written} rows instead of {again * ROWS}")
            if number > 0:
                starts[name].add(*start)
                taken[name].add(*whole)
    return taken, starts


def rows_micros(taken, starts, again):
    """Microseconds of CPU per row for each round, without process startup."""
    start = median(starts.cpu)
    return [(cpu - start) / (again * ROWS) * 1e6 for cpu in taken.cpu]


def processor_text(per_row, starts, again, missing):
    ours = median(per_row["processor"])
    lines = [
        [name, spread(micros, 2), f"{median(starts[name].cpu):.3f}", f"{median(micros) / ours:.1f}x"]
        for name, micros in per_row.items()
    ]
    text = f"{ROWS:,} rows, {again} times, to a stub table that responds immediately and accepts everything; "
    text += "CPU without process startup. All rows were written, 25 per call. The peer does what the original application does, with "
    text += "the AWS SDK for JavaScript, and reads the same events, with many rows per record. Ours also validates every row and "
    text += f"computes a unique key for it.{missing}\n\n"
    targets = []
    if NODE in per_row:
        faster = median(per_row[NODE]) / ours
        targets.append(Target("the peer's CPU, relative to ours", f"at least {ROW_OVER_PEER}x", f"{faster:.2f}x", faster >= ROW_OVER_PEER))
    text = (verdict(targets) + "\n" if targets else "") + text
    return text + table(["", "CPU µs per row (lowest to highest)", "startup, CPU s", "relative to ours"], lines)


def spread(values, digits):
    return f"{median(values):,.{digits}f} ({min(values):,.{digits}f} to {max(values):,.{digits}f})"


@functools.cache
def invocation(rounds):
    """The results of the program `invocation`, which runs once for both suites."""
    log(f"  invocation, {rounds} rounds")
    output = WORK / "invocation.json"
    tools.timed([tools.rust("invocation"), "--rounds", str(rounds)], output)
    return {**json.loads(output.read_text()), "rounds": rounds}


def millis(figures):
    middle, low, high = (nanos / 1e6 for nanos in figures)
    return f"{middle:.2f} ({low:.2f} to {high:.2f})"


def aggregator_suite(options):
    found = invocation(options.rounds * 20)
    faster = found["peer"][0] / found["ours"][0]
    target = Target("the peer's time, relative to ours", f"at least {OVER_PEER}x", f"{faster:.2f}x", faster >= OVER_PEER)
    names = {"ours": "aggregator", "peer": "aws_lambda_events, serde_json, HashMap"}
    lines = [
        [name, millis(found[key]), f"{found[key][0] / found['records']:,.0f}", f"{found[key][0] / found['ours'][0]:.2f}x"]
        for key, name in names.items()
    ]
    text = f"An event of {found['event_bytes'] / 1e6:.2f} MB with {found['records']:,} readings of 1,000 unicorns, from JSON to "
    text += f"totals, on one thread, in turn in one process, {found['rounds']} rounds. Ours deduplicates readings, sums "
    text += "exactly and validates every field; the peer does none of these.\n\n"
    head = ["", "ms per event (lowest to highest)", "ns per reading", "relative to ours"]
    return verdict([target]) + "\n" + text + table(head, lines)


def state_suite(options):
    found = invocation(options.rounds * 20)
    size = found["state_bytes"] / found["state_unicorns"]
    targets = [Target("bytes per unicorn", f"at most {STATE_BYTES}", f"{size:.1f}", size <= STATE_BYTES)]
    for key, name in (("encode", "ms to encode"), ("decode", "ms to decode")):
        middle = found[key][0] / 1e6
        targets.append(Target(name, f"at most {STATE_MILLIS}", millis(found[key]), middle <= STATE_MILLIS))
    text = f"The state of {found['state_unicorns']:,} unicorns, each with a random name of 16 letters and 60 readings, as the JSON that "
    text += "is passed between invocations, without the dedup cache, which takes up to 256 KB more.\n"
    return verdict(targets) + "\n" + text
