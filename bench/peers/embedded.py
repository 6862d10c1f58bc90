"""The suite that runs the whole pipeline in the local cloud: local."""

import json
import re
import tempfile

from . import tools
from .report import Target, table, verdict
from .tools import WORK, Failure, log

# A shard takes 1,000 readings per second. 20 shards would suffice only if names spread evenly.
UNICORNS, RATE, SHARDS = 2_000, 10, 40


def local_suite(options):
    """Runs for as long as --readings allows, from 10 to 60 seconds."""
    duration = min(max(options.readings // (UNICORNS * RATE), 10), 60)
    with tempfile.TemporaryDirectory(dir=WORK) as folder:
        flags = ["--unicorns", str(UNICORNS), "--rate", str(RATE), "--duration", f"{duration}s", "--window", "10s"]
        flags += ["--shards", str(SHARDS), "--seed", "1"]
        location = ["--target", "local", "--port", "0", "--dashboard-port", "0", "--data-dir", f"{folder}/cloud", "--format", "lines"]
        output = WORK / "rows.jsonl"
        log(f"  producer {' '.join(flags)}")
        cpu, wall = tools.timed([tools.rust("producer"), *flags, *location], output, limit=600)
        stderr = (WORK / "stderr.txt").read_text(errors="replace")
    ended = re.search(r"sent ([\d,]+) readings, ([\d,]+) failed", stderr)
    if ended is None:
        raise Failure(f"the producer did not report what it sent: {stderr[-300:]}")
    sent, failed = (int(number.replace(",", "")) for number in ended.groups())
    rows = [json.loads(line) for line in output.read_text(encoding="utf-8").splitlines()]
    counted = sum(row["Source"]["Readings"] for row in rows)
    output.unlink()
    skipped = re.search(r"[\d,]+ readings were skipped: .*", stderr)
    return text(sent, failed, rows, counted, cpu, wall, duration, " ".join(flags), skipped.group(0) if skipped else "")


def text(sent, failed, rows, counted, cpu, wall, duration, flags, skipped):
    rate = UNICORNS * RATE
    pace = Target("readings per second", f"{rate:,}", f"{sent / duration:,.0f}", sent >= rate * duration)
    lost = Target("readings sent but in no row", "0", f"{sent - counted:,}", sent == counted and failed == 0)
    lines = [
        ["readings requested", f"{rate * duration:,}"],
        ["readings sent", f"{sent:,}"], ["readings failed", f"{failed:,}"], ["readings in rows", f"{counted:,}"],
        ["rows", f"{len(rows):,}"],
        ["s, with startup and the last window", f"{wall:.1f}"], ["CPU s, total", f"{cpu:.1f}"],
        ["CPU µs per reading", f"{cpu / max(sent, 1) * 1e6:.1f}"],
    ]
    shown = f"`producer {flags}`: the producer, the streams, both functions, the table and the archive in one process, "
    shown += f"one run.{f' It reported: {skipped}.' if skipped else ''}\n\n"
    return verdict([pace, lost]) + "\n" + shown + table(["", "measured"], lines)
