"""The suites that compute one-minute windows from an archive: recompute, many, growth."""

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

# CPU of `recompute --threads 1` divided by that of counting newlines, at most.
OVER_NEWLINES = 4.5
# Wall time of one thread divided by that of two, at least.
TWO_THREADS = 1.8
# CPU of a peer divided by that of `recompute --threads 1`, at least.
PEERS_OVER_OURS = {"DuckDB": 2.5, "Flink SQL": 40}
# CPU of DuckDB divided by ours on a variant of the readings, at least, both without startup.
VARIANTS_OVER_OURS = {", random": 3, ", nested": 2.5}
# CPU of 1,000 unicorns (60,000 rows) divided by that of 10 (600 rows), at most.
ROWS_OVER_FEW = 1.15


@dataclass
class Contender:
    """A program to compare: `command` returns its arguments, given the paths of the readings and the rows."""

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
    """The available peers, and a text that names the missing ones."""
    found, missing = [], ""
    for make in makers:
        try:
            found.append(make())
        except Failure as failure:
            log(f"  left out: {failure}")
            missing += f" **A peer is left out**: {failure}."
    return found, missing


def race(contenders, data, rounds):
    """Runs all contenders in turn, round by round, after a warm-up round. Checks that all rows are equal. Returns
    each one's times, its times for a single reading (its startup), and the number of rows."""
    one = WORK / "one-reading.jsonl"
    with open(data, "rb") as source:
        one.write_bytes(source.readline())
    taken = {contender.name: Series() for contender in contenders}
    starts = {contender.name: Series() for contender in contenders}
    paths = {contender.name: WORK / f"rows-{index}.csv" for index, contender in enumerate(contenders)}
    for number in range(rounds + 1):
        for contender in contenders:
            log(f"  round {number or '(warm-up)'}: {contender.name}")
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
    """How much more work two concurrent single-threaded processes do than one: the limit for two threads on this
    machine."""
    rows = [WORK / f"rows-{index}.csv" for index in range(2)]
    alone, both = [], []
    log("  two processes at once")
    with ThreadPoolExecutor(2) as pool:
        for number in range(rounds + 1):
            for processes, walls in ((1, alone), (2, both)):
                start = time.monotonic()
                list(pool.map(lambda path: run(recompute(), data, path), rows[:processes]))
                if number > 0:
                    walls.append(time.monotonic() - start)
    for path in rows:
        path.unlink()
    return 2 * median(alone) / median(both)


def without_start(taken, starts, name):
    """CPU seconds without startup; NaN if there are so few readings that only startup is measured."""
    seconds = median(taken[name].cpu) - median(starts[name].cpu)
    return seconds if seconds > 0 else math.nan


def over_ours(taken, starts, base):
    """The targets of the peers that ran and have one, with and without process startup."""
    targets = []
    for name, wanted in PEERS_OVER_OURS.items():
        if name in taken:
            whole = median(taken[name].cpu) / median(taken[base].cpu)
            running = without_start(taken, starts, name) / without_start(taken, starts, base)
            for faster, what in ((whole, "CPU, relative to ours"), (running, "CPU, relative to ours, without startup")):
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
    head = ["", "CPU s (lowest to highest)", "startup, CPU s", "wall s", "CPU ns per reading, without startup", "relative to ours"]
    return table(head, lines)


def seconds(values):
    return f"{median(values):.3f} ({min(values):.3f} to {max(values):.3f})"


# From this many readings on, process startup is a small part of the time.
ENOUGH = 1_000_000


def lead(number):
    """A warning above the table if there are too few readings."""
    if number >= ENOUGH:
        return ""
    return f"**A first look only**: with fewer than {ENOUGH:,} readings these figures and targets mean little.\n\n"


NOTE = (
    "CPU is user + system time of the whole process, including writing the rows to a file. *Startup* is the time for a "
    "single reading, which for the peers is mostly Python's imports and, for Flink, the start of Java; *relative to ours* excludes "
    "it, in the peers' favour. `recompute` removes all duplicates; peers do not unless noted. All rows were equal."
)


VARIANTS = (
    "Variants of the same readings: *random*, in random order, as from many streams; *nested*, in random order and with an id, a "
    "nested object and another number in each; *shuffled*, with the unicorns in a different order in each round; *respelled*, with "
    "the fields reordered and spaces between them, as other JSON libraries write them; and *packed* with gzip, as "
    "Firehose stores them. The cost of deduplication shows in DuckDB, where it can be turned off: compare the rows with and "
    "without DISTINCT ON."
)

TWO_THREADS_NOTE = (
    "Two threads never wait for each other. Their overhead is the buckets in which one thread finds the readings that the other "
    "parsed, and the milliseconds at the start and end in which only one has work."
)


def recompute_suite(options):
    number = options.readings
    data = tools.readings(number, 1_000)
    others = [
        (", random", tools.readings(number, 1_000, "random")),
        (", nested", tools.readings(number, 1_000, "random nested")),
        (", shuffled", tools.readings(number, 1_000, "shuffle")),
        (", respelled", tools.readings(number, 1_000, "respell")),
        (", packed", tools.packed(data)),
    ]
    makers = [duckdb, *(functools.partial(duckdb, name=name, data=data) for name, data in others if name != ", shuffled")]
    makers += [lambda: duckdb("distinct", name=", DISTINCT ON"), polars] + ([flink] if options.flink else [])
    found, missing = peers(*makers)
    ours = [recompute(), recompute(2), *(recompute(name=name, data=data) for name, data in others)]
    contenders = [*ours, *found, newlines()]
    taken, starts, rows = race(contenders, data, options.rounds)
    base = "recompute --threads 1"
    over = without_start(taken, starts, base) / without_start(taken, starts, "newline scan")
    faster = median(taken[base].wall) / median(taken["recompute --threads 2"].wall)
    targets = [
        Target("CPU, relative to a newline scan", f"at most {OVER_NEWLINES}x", f"{over:.2f}x", over <= OVER_NEWLINES),
        Target("speedup of two threads, wall clock", f"at least {TWO_THREADS}x", f"{faster:.2f}x", faster >= TWO_THREADS),
    ]
    targets += over_ours(taken, starts, base)
    for variant, wanted in VARIANTS_OVER_OURS.items():
        if f"DuckDB{variant}" in taken:
            faster = without_start(taken, starts, f"DuckDB{variant}") / without_start(taken, starts, base + variant)
            targets.append(Target(f"DuckDB's CPU{variant}, relative to ours, without startup", f"at least {wanted}x", f"{faster:.2f}x", faster >= wanted))
    text = f"{number:,} readings of 1,000 unicorns in 60 minutes, {data.stat().st_size / 1e6:,.0f} MB; {rows:,} rows.\n\n"
    text += race_table(taken, starts, number, base) + f"\n{NOTE} {VARIANTS} Two independent single-threaded processes do "
    text += f"{side_by_side(data, options.rounds):.2f}x as much work as one, which is about the limit for two threads on this machine. "
    text += f"{TWO_THREADS_NOTE}{missing}\n"
    return lead(number) + verdict(targets) + "\n" + text


def many_suite(options):
    number, unicorns = options.readings, 100_000
    data = tools.readings(number, unicorns)
    contenders = [recompute(), duckdb()]
    taken, starts, rows = race(contenders, data, options.rounds)
    base = "recompute --threads 1"
    targets = over_ours(taken, starts, base)
    text = f"{number:,} readings of {unicorns:,} unicorns in 60 minutes, {data.stat().st_size / 1e6:,.0f} MB; {rows:,} rows, "
    text += f"{rows / number:.2f} per reading.\n\n"
    return lead(number) + verdict(targets) + "\n" + text + race_table(taken, starts, number, base) + f"\n{NOTE}\n"


GROWTH = """
The curve bends where there are nearly as many rows as readings: each row needs an accumulator, an entry in the sorted
names and a line of text, and memory for these has to be allocated. Before that, the cost per reading grows because
fewer of the open accumulators and names fit the CPU's nearest caches: a unicorn takes about 400 bytes.
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
            log(f"  round {turn or '(warm-up)'}: {size:,} unicorns")
            measured = run(contender, files[size], rows)
            if turn > 0:
                taken[size].add(*measured)
                continue
            with open(rows, "rb") as lines:
                counts[size] = sum(1 for _ in lines) - 1
    rows.unlink()
    nanos = {size: [cpu / number * 1e9 for cpu in taken[size].cpu] for size in sizes}
    points = [(size, median(nanos[size]), min(nanos[size]), max(nanos[size])) for size in sizes]
    chart.write(PEERS.parent / "growth.svg", points, "recompute: CPU time per reading by fleet size", "CPU ns per reading", "unicorns")
    _, smallest, _, smallest_highest = points[0]
    rows_cost = median(taken[1_000].cpu) / median(taken[10].cpu)
    target = Target("CPU with 60,000 rows, relative to 600 rows", f"at most {ROWS_OVER_FEW}x", f"{rows_cost:.2f}x", rows_cost <= ROWS_OVER_FEW)
    lines = [
        [
            f"{size:,}", f"{counts[size]:,}", f"{middle:,.0f} ({low:,.0f} to {high:,.0f})", f"{median(taken[size].cpu):.3f}",
            f"{(middle - smallest) * number / counts[size]:,.0f}" if low > smallest_highest else "within the spread" if size > sizes[0] else "–",
        ]
        for size, middle, low, high in points
    ]
    text = lead(number) + verdict([target]) + f"\n{number:,} readings in 60 minutes, one thread. More unicorns mean more rows.\n\n"
    text += table(["unicorns", "rows", "CPU ns per reading (lowest to highest)", "CPU s", "extra ns per row, compared with the smallest fleet"], lines)
    text += GROWTH
    return text + "\n![CPU time per reading by number of unicorns](growth.svg)\n"
