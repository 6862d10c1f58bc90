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
NODE = "Node, as the original"
# The peer's CPU a row over ours, at least.
ROW_OVER_PEER = 6
# The peer's time to decode and fold an event over ours, at least.
OVER_PEER = 6
# Bytes of the state of a unicorn, and milliseconds to encode or decode that of 10,000, at most.
STATE_BYTES, STATE_MILLIS = 20, 2


@contextmanager
def stub_table():
    """A table that takes everything at once, in a process of its own. Gives its URL."""
    process = subprocess.Popen([tools.rust("stub_table")], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, text=True)
    try:
        url = process.stdout.readline().strip()
        if not url:
            raise Failure("the stub table does not start")
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
            log(f"  round {number or 'of warming up'}: {name}")
            start = tools.timed(command("0"))
            before = puts(url)
            whole = tools.timed(command(str(again)))
            written = puts(url) - before
            if written != again * ROWS:
                raise Failure(f"{name} wrote {written} rows in place of {again * ROWS}")
            if number > 0:
                starts[name].add(*start)
                taken[name].add(*whole)
    return taken, starts


def rows_micros(taken, starts, again):
    """Microseconds of CPU a row, for each round: that of so many rounds without that of none."""
    start = median(starts.cpu)
    return [(cpu - start) / (again * ROWS) * 1e6 for cpu in taken.cpu]


def processor_text(per_row, starts, again, missing):
    ours = median(per_row["processor"])
    lines = [
        [name, spread(micros, 2), f"{median(starts[name].cpu):.3f}", f"{median(micros) / ours:.1f}x"]
        for name, micros in per_row.items()
    ]
    text = f"{ROWS:,} rows, {again} times over, to a table that answers at once and takes everything; "
    text += "the CPU of the events without the process's start. All rows were written, 25 a call; the peer does what the original "
    text += "application does, on the AWS SDK for JavaScript, and reads the same events, many rows a record. Ours also checks every row "
    text += f"and gives it a key of its own.{missing}\n\n"
    targets = []
    if NODE in per_row:
        faster = median(per_row[NODE]) / ours
        targets.append(Target("the peer's CPU over ours", f"at least {ROW_OVER_PEER}x", f"{faster:.2f}x", faster >= ROW_OVER_PEER))
    text = (verdict(targets) + "\n" if targets else "") + text
    return text + table(["", "CPU µs a row (lowest to highest)", "start, CPU s", "beside ours"], lines)


def spread(values, digits):
    return f"{median(values):,.{digits}f} ({min(values):,.{digits}f} to {max(values):,.{digits}f})"


@functools.cache
def invocation(rounds):
    """What the program `invocation` measured; it is run once for both suites."""
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
    target = Target("the peer's time over ours", f"at least {OVER_PEER}x", f"{faster:.2f}x", faster >= OVER_PEER)
    names = {"ours": "aggregator", "peer": "aws_lambda_events, serde_json, HashMap"}
    lines = [
        [name, millis(found[key]), f"{found[key][0] / found['records']:,.0f}", f"{found[key][0] / found['ours'][0]:.2f}x"]
        for key, name in names.items()
    ]
    text = f"An event of {found['event_bytes'] / 1e6:.2f} MB with {found['records']:,} readings of 1,000 unicorns, from its JSON to "
    text += f"totals, on one thread, in turn in one process, {found['rounds']} rounds. Ours remembers every reading, to know a "
    text += "repeat, sums exactly and checks every field; the peer does none of it.\n\n"
    head = ["", "ms an event (lowest to highest)", "ns a reading", "beside ours"]
    return verdict([target]) + "\n" + text + table(head, lines)


def state_suite(options):
    found = invocation(options.rounds * 20)
    size = found["state_bytes"] / found["state_unicorns"]
    targets = [Target("bytes a unicorn", f"at most {STATE_BYTES}", f"{size:.1f}", size <= STATE_BYTES)]
    for key, name in (("encode", "ms to encode"), ("decode", "ms to decode")):
        middle = found[key][0] / 1e6
        targets.append(Target(name, f"at most {STATE_MILLIS}", millis(found[key]), middle <= STATE_MILLIS))
    text = f"The state of {found['state_unicorns']:,} unicorns, each with a random name of 16 letters and 60 readings, as the JSON that "
    text += "travels between invocations; without the memory of readings, which takes up to 256 KB more.\n"
    return verdict(targets) + "\n" + text
