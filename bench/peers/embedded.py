"""The suite of the whole pipeline in the local cloud: local."""

import json
import re
import tempfile

from . import tools
from .report import Target, table, verdict
from .tools import WORK, Failure, log

# A shard takes 1,000 readings a second, and names spread unevenly: 20 shards would do only if they did not.
UNICORNS, RATE, SHARDS = 2_000, 10, 40


def local_suite(options):
    """As long as --readings lasts, from 10 to 60 seconds."""
    duration = min(max(options.readings // (UNICORNS * RATE), 10), 60)
    with tempfile.TemporaryDirectory(dir=WORK) as folder:
        flags = ["--unicorns", str(UNICORNS), "--rate", str(RATE), "--duration", f"{duration}s", "--window", "10s"]
        flags += ["--shards", str(SHARDS), "--seed", "1"]
        place = ["--target", "local", "--port", "0", "--dashboard-port", "0", "--data-dir", f"{folder}/cloud", "--format", "lines"]
        output = WORK / "rows.jsonl"
        log(f"  producer {' '.join(flags)}")
        cpu, wall = tools.timed([tools.rust("producer"), *flags, *place], output, limit=600)
        said = (WORK / "stderr.txt").read_text(errors="replace")
    ended = re.search(r"sent ([\d,]+) readings, ([\d,]+) failed", said)
    if ended is None:
        raise Failure(f"the producer did not say what it sent: {said[-300:]}")
    sent, failed = (int(number.replace(",", "")) for number in ended.groups())
    rows = [json.loads(line) for line in output.read_text(encoding="utf-8").splitlines()]
    counted = sum(row["Readings"] for row in rows)
    output.unlink()
    never = re.search(r"[\d,]+ readings were never taken: .*", said)
    return text(sent, failed, rows, counted, cpu, wall, duration, " ".join(flags), never.group(0) if never else "")


def text(sent, failed, rows, counted, cpu, wall, duration, flags, never):
    asked = UNICORNS * RATE
    pace = Target("readings a second", f"{asked:,}", f"{sent / duration:,.0f}", sent >= asked * duration)
    lost = Target("readings sent that are in no row", "0", f"{sent - counted:,}", sent == counted and failed == 0)
    lines = [
        ["readings asked for", f"{asked * duration:,}"],
        ["readings sent", f"{sent:,}"], ["readings failed", f"{failed:,}"], ["readings in rows", f"{counted:,}"],
        ["rows", f"{len(rows):,}"],
        ["s, with start and the last window", f"{wall:.1f}"], ["CPU s, all told", f"{cpu:.1f}"],
        ["CPU µs a reading", f"{cpu / max(sent, 1) * 1e6:.1f}"],
    ]
    shown = f"`producer {flags}`: the producer, the streams, both functions, the table and the archive in one process, "
    shown += f"one run.{f' It said: {never}.' if never else ''}\n\n"
    return verdict([pace, lost]) + "\n" + shown + table(["", "measured"], lines)
