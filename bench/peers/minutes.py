"""The suites of every unicorn's minutes from an archive: recompute, many, growth."""

import functools
import math
import shutil
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field

from . import chart, tools
from .report import Target, table, verdict
from .rows import check_same
from .tools import PEERS, WORK, Failure, Series, log, median

PROGRAMS = ["recompute", "newlines", "make_readings"]

# CPU of `recompute --threads 1` over that of finding the newlines, at most.
OVER_NEWLINES = 4.5
# Wall time of one thread over that of two, at least.
TWO_THREADS = 1.8
# CPU of a peer over that of `recompute --threads 1`, at least.
PEERS_OVER_OURS = {"DuckDB": 2.5, "Flink SQL": 40}


@dataclass
class Contender:
    """How somebody is run: `command` makes its arguments of the readings and the place for the rows."""

    name: str
    command: object
    environment: dict = field(default_factory=dict)
    has_rows: bool = True
    prints: bool = False
    data: object = None


def ours(threads):
    return lambda data, rows: [tools.rust("recompute"), str(data), "--format", "csv", "--threads", str(threads)]


def newlines():
    return Contender("newline scan", lambda data, rows: [tools.rust("newlines"), str(data)], has_rows=False)


def recompute(threads=1, name="", data=None):
    return Contender(f"recompute --threads {threads}{name}", ours(threads), prints=True, data=data)


def script(python, name, *arguments):
    return lambda data, rows: [python, str(PEERS / name), str(data), str(rows), *arguments]


def duckdb(*arguments, name="", data=None):
    python = tools.venv("venv", "requirements.txt")
    return Contender(f"DuckDB{name}", script(python, "duckdb_minutes.py", *arguments), data=data)


def polars():
    python = tools.venv("venv", "requirements.txt")
    return Contender("Polars", script(python, "polars_minutes.py"), {"POLARS_MAX_THREADS": "1"})


def flink():
    if shutil.which("java") is None:
        raise Failure("Flink needs Java")
    python = tools.venv("flink-venv", "requirements-flink.txt")
    return Contender("Flink SQL", script(python, "flink_minutes.py"))


def peers(*makers):
    """Those peers that can be had, and what is missing of the others, in words."""
    found, missing = [], ""
    for make in makers:
        try:
            found.append(make())
        except Failure as failure:
            log(f"  left out: {failure}")
            missing += f" **A peer is left out**: {failure}."
    return found, missing


def race(contenders, data, rounds):
    """Runs all in turn, round by round, after one round that does not count. Returns what each took, and what
    each takes for a single reading, its start; checks that all rows are the same."""
    one = WORK / "one-reading.jsonl"
    with open(data, "rb") as source:
        one.write_bytes(source.readline())
    taken = {contender.name: Series() for contender in contenders}
    starts = {contender.name: Series() for contender in contenders}
    paths = {contender.name: WORK / f"rows-{place}.csv" for place, contender in enumerate(contenders)}
    for number in range(rounds + 1):
        for contender in contenders:
            log(f"  round {number or 'of warming up'}: {contender.name}")
            rows = paths[contender.name]
            start = run(contender, one, rows)
            whole = run(contender, contender.data or data, rows)
            if number > 0:
                starts[contender.name].add(*start)
                taken[contender.name].add(*whole)
    log("  comparing rows")
    with_rows = {contender.name: paths[contender.name] for contender in contenders if contender.has_rows}
    count = check_same(with_rows)
    for path in paths.values():
        path.unlink(missing_ok=True)
    return taken, starts, count


def run(contender, data, rows):
    rows.unlink(missing_ok=True)
    return tools.timed(contender.command(data, rows), rows if contender.prints else None, contender.environment)


def side_by_side(data, rounds):
    """How many times as much two processes of one thread get done at once as one alone: what two threads that
    share nothing could reach on this machine."""
    rows = [WORK / f"rows-{place}.csv" for place in range(2)]
    alone, both = [], []
    log("  two processes at once")
    with ThreadPoolExecutor(2) as pool:
        for number in range(rounds + 1):
            for place, walls in ((1, alone), (2, both)):
                start = time.monotonic()
                list(pool.map(lambda path: run(recompute(), data, path), rows[:place]))
                if number > 0:
                    walls.append(time.monotonic() - start)
    for path in rows:
        path.unlink()
    return 2 * median(alone) / median(both)


def without_start(taken, starts, name):
    """Seconds of CPU; not a number where there are so few readings that the start is all there is."""
    seconds = median(taken[name].cpu) - median(starts[name].cpu)
    return seconds if seconds > 0 else math.nan


def over_ours(taken, starts, base):
    """The targets of those peers that have one and were run; with and without a process's start."""
    targets = []
    for name, wanted in PEERS_OVER_OURS.items():
        if name in taken:
            whole = median(taken[name].cpu) / median(taken[base].cpu)
            running = without_start(taken, starts, name) / without_start(taken, starts, base)
            for faster, what in ((whole, "CPU over ours"), (running, "CPU over ours, both without start")):
                targets.append(Target(f"{name}'s {what}", f"at least {wanted}x", f"{faster:.2f}x", faster >= wanted))
    return targets


def race_table(taken, starts, number, base):
    ours = without_start(taken, starts, base)
    lines = []
    for name, series in taken.items():
        cpu = without_start(taken, starts, name)
        lines.append([
            name, seconds(series.cpu), f"{median(starts[name].cpu):.3f}", seconds(series.wall),
            "–" if math.isnan(cpu) else f"{cpu / number * 1e9:,.0f}", "–" if math.isnan(cpu / ours) else f"{cpu / ours:.2f}x",
        ])
    head = ["", "CPU s (lowest to highest)", "of it start", "wall s", "CPU ns a reading, without start", "beside ours"]
    return table(head, lines)


def seconds(values):
    return f"{median(values):.3f} ({min(values):.3f} to {max(values):.3f})"


# From here on a process's start is a small part of what it takes.
ENOUGH = 1_000_000


def lead(number):
    """What to know before one reads the table."""
    if number >= ENOUGH:
        return ""
    return f"**A first look only**: with fewer than {ENOUGH:,} readings these figures and targets mean little.\n\n"


NOTE = (
    "CPU is user + system of the whole process, rows written to a file included. Its *start* is what the same process "
    "takes for a single reading, which for the peers is mostly Python's imports, and Java's for Flink; *beside ours* is "
    "without it, in the peers' favour. `recompute` leaves repeats out, exactly; peers do not unless it says so. All rows were the same."
)


VARIANTS = (
    "The same readings come *shuffled*: with the unicorns in another order each round; *respelled*: with the fields in another "
    "order and spaces between them, as other JSON libraries write them; and *packed* by gzip, as "
    "Firehose leaves them. What leaving repeats out costs is seen where it can be turned off, in DuckDB: with and "
    "without DISTINCT ON."
)

TWO_AT_ONCE = (
    "Two threads never wait for each other; what they take more than one goes to the buckets in which one finds what the other "
    "has parsed, and to the milliseconds before and after in which there is work for one only."
)


def recompute_suite(options):
    number = options.readings
    data = tools.readings(number, 1_000)
    others = [
        (", shuffled", tools.readings(number, 1_000, "shuffle")),
        (", respelled", tools.readings(number, 1_000, "respell")),
        (", packed", tools.packed(data)),
    ]
    makers = [duckdb, *(functools.partial(duckdb, name=name, data=data) for name, data in others[1:])]
    makers += [lambda: duckdb("distinct", name=", DISTINCT ON"), polars] + ([flink] if options.flink else [])
    found, missing = peers(*makers)
    ours = [recompute(), recompute(2), *(recompute(name=name, data=data) for name, data in others)]
    contenders = [*ours, *found, newlines()]
    taken, starts, rows = race(contenders, data, options.rounds)
    base = "recompute --threads 1"
    over = without_start(taken, starts, base) / without_start(taken, starts, "newline scan")
    faster = median(taken[base].wall) / median(taken["recompute --threads 2"].wall)
    targets = [
        Target("CPU over a newline scan's", f"at most {OVER_NEWLINES}x", f"{over:.2f}x", over <= OVER_NEWLINES),
        Target("two threads over one, wall", f"at least {TWO_THREADS}x", f"{faster:.2f}x", faster >= TWO_THREADS),
    ]
    targets += over_ours(taken, starts, base)
    text = f"{number:,} readings of 1,000 unicorns in 60 minutes, {data.stat().st_size / 1e6:,.0f} MB; {rows:,} rows.\n\n"
    text += race_table(taken, starts, number, base) + f"\n{NOTE} {VARIANTS} Two processes of one thread at once, which share "
    text += f"nothing, get {side_by_side(data, options.rounds):.2f}x as much done as one: about what two threads could reach on this machine. "
    text += f"{TWO_AT_ONCE}{missing}\n"
    return lead(number) + verdict(targets) + "\n" + text


def many_suite(options):
    number, unicorns = options.readings, 100_000
    data = tools.readings(number, unicorns)
    contenders = [recompute(), duckdb()]
    taken, starts, rows = race(contenders, data, options.rounds)
    base = "recompute --threads 1"
    targets = over_ours(taken, starts, base)
    text = f"{number:,} readings of {unicorns:,} unicorns in 60 minutes, {data.stat().st_size / 1e6:,.0f} MB; {rows:,} rows, "
    text += f"{rows / number:.2f} a reading.\n\n"
    return lead(number) + verdict(targets) + "\n" + text + race_table(taken, starts, number, base) + f"\n{NOTE}\n"


GROWTH = """
It bends where rows come to be nearly as many as readings: a row costs an accumulator, a place in the order of names and a line
of text, and the memory for these has to be had from the system. Up to there a reading costs more as fewer of
the open accumulators and names are in the processor's nearest caches: a unicorn takes some 400 bytes.
"""


def growth_suite(options):
    number = options.readings
    sizes = [10, 100, 1_000, 10_000, 100_000]
    contender = recompute()
    files = {size: tools.readings(number, size) for size in sizes}
    taken = {size: Series() for size in sizes}
    counts, rows = {}, WORK / "rows-growth.csv"
    for turn in range(options.rounds + 1):
        for size in sizes:
            log(f"  round {turn or 'of warming up'}: {size:,} unicorns")
            measured = run(contender, files[size], rows)
            if turn > 0:
                taken[size].add(*measured)
                continue
            with open(rows, "rb") as lines:
                counts[size] = sum(1 for _ in lines) - 1
    rows.unlink()
    nanos = {size: [cpu / number * 1e9 for cpu in taken[size].cpu] for size in sizes}
    points = [(size, median(nanos[size]), min(nanos[size]), max(nanos[size])) for size in sizes]
    chart.write(PEERS.parent / "growth.svg", points, "recompute: CPU a reading as the fleet grows", "ns of CPU a reading", "unicorns")
    _, few, _, few_at_most = points[0]
    lines = [
        [
            f"{size:,}", f"{counts[size]:,}", f"{middle:,.0f} ({low:,.0f} to {high:,.0f})", f"{median(taken[size].cpu):.3f}",
            f"{(middle - few) * number / counts[size]:,.0f}" if low > few_at_most else "within the spread" if size > sizes[0] else "–",
        ]
        for size, middle, low, high in points
    ]
    text = lead(number) + f"{number:,} readings in 60 minutes, one thread: with more unicorns there are more rows.\n\n"
    text += table(["unicorns", "rows", "CPU ns a reading (lowest to highest)", "CPU s", "ns a row, over the smallest fleet"], lines)
    text += GROWTH
    return text + "\n![CPU a reading by the number of unicorns](growth.svg)\n"
