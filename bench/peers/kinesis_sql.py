"""The suite sql: the original application's Kinesis SQL over an archive."""

import json

from . import tools
from .minutes import Contender, lead, race_table, recompute, run, script, without_start
from .report import Target, verdict
from .tools import PEERS, WORK, Failure, Series, log

PROGRAMS = ["recompute", "make_readings"]

CASE = PEERS.parents[1] / "crates" / "windrow-sql" / "tests" / "cases" / "00-seed"

# CPU of the SQL text divided by that of the built-in sensor, at most, both without startup.
OVER_BUILT_IN = 1.5
# CPU of DuckDB divided by ours, at least, both without startup.
DUCKDB_OVER_OURS = 2

NOTE = (
    "The text is the original's, word for word; StatusTime stands for the arrival. The built-in sensor leaves out duplicates, and "
    "the text, like DuckDB's, counts every reading. *Random* readings are in random order, as from many streams; *in turn* is the "
    "order in which one stream has them. The rows of the text and of DuckDB were equal."
)


def ours(data, rows):
    arguments = ["--sql", str(CASE / "query.sql"), "--schema", str(CASE / "schema.json"), "--rowtime", "StatusTime"]
    return [tools.rust("recompute"), str(data), "--threads", "1", *arguments]


def sql_suite(options):
    number = options.readings
    python = tools.venv("venv", "requirements.txt")
    orders = {"random": tools.readings(number, 1_000, "random"), "in turn": tools.readings(number, 1_000)}
    contenders = []
    for order, data in orders.items():
        contenders += [
            recompute(name=f", {order}", data=data),
            Contender(f"recompute --sql, {order}", ours, prints=True, data=data),
            Contender(f"DuckDB, {order}", script(python, "duckdb_sql.py"), data=data),
        ]
    taken, starts = race(contenders, options.rounds)
    targets = []
    for order in orders:
        cpu = {name: without_start(taken, starts, f"{name}, {order}") for name in ("recompute --threads 1", "recompute --sql", "DuckDB")}
        over = cpu["recompute --sql"] / cpu["recompute --threads 1"]
        faster = cpu["DuckDB"] / cpu["recompute --sql"]
        targets += [
            Target(f"CPU of the text, relative to the built-in sensor, {order}", f"at most {OVER_BUILT_IN}x", f"{over:.2f}x", over <= OVER_BUILT_IN),
            Target(f"DuckDB's CPU, relative to ours, {order}", f"at least {DUCKDB_OVER_OURS}x", f"{faster:.2f}x", faster >= DUCKDB_OVER_OURS),
        ]
    text = f"{number:,} readings of 1,000 unicorns in 60 minutes.\n\n"
    return lead(number) + verdict(targets) + "\n" + text + race_table(taken, starts, number, contenders[0].name) + f"\n{NOTE}\n"


def race(contenders, rounds):
    """Runs all contenders in turn, after a warm-up round, and compares the rows of the last round. Returns each one's
    times, and its times for a single reading."""
    one = WORK / "one-reading.jsonl"
    with open(contenders[0].data, "rb") as source:
        one.write_bytes(source.readline())
    taken = {contender.name: Series() for contender in contenders}
    starts = {contender.name: Series() for contender in contenders}
    paths = {contender.name: WORK / f"sql-rows-{index}.jsonl" for index, contender in enumerate(contenders)}
    for turn in range(rounds + 1):
        for contender in contenders:
            log(f"  round {turn or '(warm-up)'}: {contender.name}")
            start = run(contender, one, paths[contender.name])
            whole = run(contender, contender.data, paths[contender.name])
            if turn > 0:
                starts[contender.name].add(*start)
                taken[contender.name].add(*whole)
    for name, path in paths.items():
        if name.startswith("recompute --sql"):
            check_same(path, paths[name.replace("recompute --sql", "DuckDB")])
    for path in paths.values():
        path.unlink()
    return taken, starts


def check_same(ours, theirs):
    def rows(path):
        with open(path, encoding="utf-8") as lines:
            return sorted(tuple(json.loads(line).values()) for line in lines)

    for one, other in zip(rows(ours), rows(theirs), strict=True):
        if one != other:
            raise Failure(f"the rows differ: {one} is ours, but DuckDB has {other}")
