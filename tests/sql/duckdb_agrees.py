"""Compares what Kinesis SQL computes with DuckDB, on generated schemas, readings and queries.

    python tests/sql/duckdb_agrees.py [--seed 1] [--cases 3000] [--program PROGRAM] [--only CASE]

PROGRAM is `tools/sql/examples/cases.rs`, by default as target/debug/examples/cases. Exits with 0 if all
rows are equal: exact numbers by value, floats to 9 digits. Otherwise prints the cases that differ and exits
with 1. The cases of crates/windrow-sql/tests/cases are run too, with the queries for DuckDB beside them.
"""

import argparse
import decimal
import json
import math
import pathlib
import random
import struct
import subprocess
import sys
import time
from collections import Counter
from dataclasses import replace

import duckdb
from expressions import BITS, LARGEST, MACROS, Expression, Generator, as_float, converted, every, float_text, quoted, rescaled, unscaled

ROOT = pathlib.Path(__file__).resolve().parents[2]
CASES = ROOT / "crates" / "windrow-sql" / "tests" / "cases"
STREAM = "SOURCE_SQL_STREAM_001"
QUERIES_PER_INPUT = 8
TEXTS = ["", "a", "b", "A", "ab", "ba", "a_b", "a%b", "a.b", "Ada b", " a ", "a ", "Malmö", "it's", "12", "-4.5", "7 ", "漢字", "x1-y2"]
TYPES = [
    "BOOLEAN", "TINYINT", "SMALLINT", "INTEGER", "INTEGER", "BIGINT", "DECIMAL(9,2)", "DECIMAL(12,4)", "DECIMAL(5,0)", "DECIMAL(18,6)",
    "DOUBLE", "DOUBLE", "REAL", "VARCHAR(3)", "VARCHAR(16)", "VARCHAR(16)", "CHAR(4)", "TIMESTAMP",
]
INTEGERS = [0, 0, 1, 1, 2, 3, 5, 7, 10, 100, 127, -1, -2, -3, -7, -100]
LARGE = [2**63 - 1, 1 - 2**63, 2**62, 4_000_000_000, -(2**31), 10**15]
DECIMALS = ["0", "0.5", "1.5", "2.5", "-2.5", "-0.5", "0.05", "99.99", "-7.25", "0.1", "1234", "-0.01", "3"]
FLOATS = ["0", "0.1", "0.2", "0.3", "2.5", "-2.5", "-0.5", "1.005", "3", "-7", "1234.5678", "99999.125", "0.001", "1e3"]
EXTREMES = ["1e-9", "123456789012.5", "-1e-7", "9e14", "-0.000123456789012345", "0.1234567890123456", "-0.0"]
TIMES = ["2026-03-01 22:58:30.000", "2026-03-01 22:59:59.999", "2026-02-28 00:00:00.000", "2024-02-29 12:30:45.500", "1969-12-31 23:59:59.250", "2026-01-04 10:00:00.000"]
WINDOWS = [
    # The unit of the epoch idiom, how many, and milliseconds.
    ("SECOND", 1, 1000), ("SECOND", 10, 10_000), ("SECOND", 45, 45_000), ("MINUTE", 1, 60_000), ("MINUTE", 1, 60_000),
    ("MINUTE", 5, 300_000), ("HOUR", 1, 3_600_000), ("DAY", 1, 86_400_000),
]


def kind_of(sql_type):
    name, _, sizes = sql_type.rstrip(")").partition("(")
    sizes = [int(size) for size in sizes.split(",")] if sizes else []
    if name in BITS:
        return {"kind": "int", "bound": LARGEST if name == "BIGINT" else 128}
    return {
        "DECIMAL": lambda: {"kind": "dec", "scale": sizes[1], "bound": 10 ** (sizes[0] - sizes[1])},
        "DOUBLE": lambda: {"kind": "float", "bound": 1e15},
        "REAL": lambda: {"kind": "float", "bound": 1e9, "is_plain": True, "is_real": True},
        "VARCHAR": lambda: {"kind": "text", "length": sizes[0]},
        "CHAR": lambda: {"kind": "text", "length": sizes[0], "is_char": True},
        "BOOLEAN": lambda: {"kind": "bool"},
        "TIMESTAMP": lambda: {"kind": "time"},
    }[name]()


class Column:
    """A column of a stream: its name, and what it is called in SQL."""

    def __init__(self, random, name, sql_type):
        self.name, self.sql_type = name, sql_type
        # Unquoted names are in upper case.
        self.spellings = [f'"{name}"']
        if name.isupper():
            self.spellings += [name, name.lower()]
        self.random = random
        self.kind = kind_of(sql_type)

    @property
    def written(self):
        return self.random.choice(self.spellings)

    def leaf(self, qualifier=None):
        text = f"{qualifier}.{self.written}" if qualifier else self.written
        return Expression(text, f'"{self.name}"', **self.kind)


class Input:
    """A schema and readings, as JSON for us and as a table for DuckDB."""

    def __init__(self, random):
        self.random = random
        names = random.sample(["price", "NAME", "Site", "COUNT_OF", "x y", "T1", "level", "RoomNo"], random.randint(3, 7))
        self.columns = [Column(random, name, random.choice(TYPES)) for name in names]
        self.bad = 0
        self.records, self.rows = [], []
        start = random.choice([1772405910000, 1772409590123, 1772323199000])
        for _ in range(random.randint(4, 50)):
            self.add(start + random.choice([random.randint(0, 20_000), random.randint(0, 400_000), 0, 30_000]))

    def add(self, arrival):
        readings = []
        for _ in range(1 if self.random.random() < 0.85 else self.random.randint(2, 4)):
            reading, row, is_bad = {}, [], False
            for column in self.columns:
                written, value, is_wrong = self.value(column)
                is_bad |= is_wrong
                if written is not None or self.random.random() < 0.5:
                    reading[column.name] = written
                row.append(value)
            readings.append(reading)
            if is_bad:
                self.bad += 1
            else:
                self.rows.append((arrival, row))
        record = {"arrival": timestamp(arrival)}
        texts = [json_text(reading) for reading in readings]
        if len(texts) == 1:
            self.records.append(json.dumps(record)[:-1] + f', "data": {texts[0]}}}')
        else:
            record["raw"] = "\n".join(texts)
            self.records.append(json.dumps(record))

    def value(self, column):
        """The value in JSON, that of DuckDB, and whether it cannot be converted."""
        pick, roll = self.random.choice, self.random.random()
        if roll < 0.12:
            return None, "NULL", False
        kind, name = column.kind["kind"], column.sql_type.partition("(")[0]
        if roll < 0.13 and kind not in ("text", "bool"):
            return "never", "NULL", True
        if kind == "int":
            value = pick(LARGE if name == "BIGINT" and roll > 0.8 else INTEGERS)
            return pick([value, value, str(value), Raw(f"{value}.0")]), str(value), False
        if kind == "dec":
            text = pick(["987654321098.765432", "-123456789012.000001"] if column.sql_type == "DECIMAL(18,6)" and roll > 0.8 else DECIMALS)
            if len(text.partition(".")[2]) > column.kind["scale"]:
                text = text.partition(".")[0]
                text = "0" if text == "-0" else text
            return pick([Raw(text), Raw(text), text]), f"CAST('{text}' AS DECIMAL(38, {column.kind['scale']}))", False
        if kind == "float":
            extremes = EXTREMES if name == "DOUBLE" else ["177240.6", "1234567.9", "177240592", "-16777216"]
            text = pick(extremes if roll > 0.85 else FLOATS)
            duck = f"CAST(CAST('{text}' AS {'FLOAT' if name == 'REAL' else 'DOUBLE'}) AS DOUBLE)"
            return pick([Raw(text), Raw(text), text]), duck, False
        if kind == "bool":
            value = pick([True, False])
            return pick([value, value, str(value).lower()]), str(value), False
        if kind == "time":
            text = pick(TIMES)
            written = pick([text, text.replace(" ", "T"), text.removesuffix(".000")])
            return written, f"TIMESTAMP '{text}'", False
        text = pick(TEXTS)
        written = int(text) if text == "12" and roll < 0.5 else text
        text = text[: column.kind["length"]]
        if name == "CHAR":
            text = text.ljust(column.kind["length"])
        return written, quoted(text), False

    def schema(self):
        columns = [
            {"Name": column.name, "SqlType": column.sql_type, "Mapping": f"$['{column.name}']" if " " in column.name else f"$.{column.name}"}
            for column in self.columns
        ]
        return {"RecordFormat": {"RecordFormatType": "JSON"}, "RecordColumns": columns}

    def create(self, database):
        duck = {"int": "BIGINT", "float": "DOUBLE", "text": "VARCHAR", "bool": "BOOLEAN", "time": "TIMESTAMP"}
        types = ["arrival TIMESTAMP"] + [
            f'"{column.name}" ' + (f"DECIMAL(38, {column.kind['scale']})" if column.kind["kind"] == "dec" else duck[column.kind["kind"]])
            for column in self.columns
        ]
        database.execute(f"CREATE OR REPLACE TABLE source ({', '.join(types)})")
        if self.rows:
            rows = [f"(TIMESTAMP '{timestamp(arrival)}', {', '.join(row)})" for arrival, row in self.rows]
            database.execute(f"INSERT INTO source VALUES {', '.join(rows)}")


class Raw(str):
    """A number as it is written in JSON."""


def json_text(reading):
    fields = [f"{json.dumps(name)}: {value if isinstance(value, Raw) else json.dumps(value, ensure_ascii=False)}" for name, value in reading.items()]
    return "{" + ", ".join(fields) + "}"


def timestamp(millis):
    seconds, rest = divmod(millis, 1000)
    return time.strftime("%Y-%m-%d %H:%M:%S", time.gmtime(seconds)) + f".{rest:03}"


class Query:
    """A text of one or two pumps with windows, and the queries of DuckDB whose rows are theirs."""

    def __init__(self, random, source):
        self.random = random
        self.statements, self.ducks, self.kinds = [], [], []
        self.features = Counter()
        stream, columns, table = STREAM, source.columns, "source"
        if random.random() < 0.3:
            stream, columns, table = self.between(columns)
            self.features["chain"] += 1
        count = 2 if random.random() < 0.1 else 1
        for index in range(count):
            self.windowed(f"OUT{index}", stream, columns, table)
        self.text = "\n".join(self.statements)

    def targets(self, value):
        """Types that a value is assigned to."""
        return {
            "int": ["BIGINT", "BIGINT", "INTEGER", "SMALLINT", "TINYINT", "DOUBLE", "DECIMAL(12,2)"],
            "dec": ["DECIMAL(18,6)", "DECIMAL(18,2)", "DECIMAL(9,1)", "INTEGER", "SMALLINT", "DOUBLE"],
            "float": ["DOUBLE", "DOUBLE", "DOUBLE", "DECIMAL(12,3)", "INTEGER", "SMALLINT", "REAL"],
            "text": ["VARCHAR(40)", "VARCHAR(40)", "VARCHAR(2)", "CHAR(6)"],
            "bool": ["BOOLEAN"],
            "time": ["TIMESTAMP"],
        }[value.kind]

    def target(self, value):
        to = self.random.choice(self.targets(value))
        return "DOUBLE" if to == "REAL" and value.bound > 1e30 else to

    def clauses(self, columns, table, qualifier):
        """A generator of expressions over the rows of a stream."""
        def leaves():
            known = [column.leaf(self.random.choice([None, qualifier]) if qualifier else None) for column in columns]
            rowtime = self.random.choice(["ROWTIME", f"{qualifier}.ROWTIME"]) if qualifier else "ROWTIME"
            return known + [Expression(rowtime, "arrival", "time")]

        return Generator(self.random, leaves, TEXTS)

    def where(self, generator, chance):
        if self.random.random() >= chance:
            return "", None
        self.features["WHERE"] += 1
        condition = generator.of("bool", self.random.choice([1, 1, 2, 3]))
        return f"\n  WHERE {condition.text}", condition

    def source_name(self, stream):
        """How FROM names a stream, and by which name its columns may be qualified."""
        written = self.random.choice([f'"{stream}"', stream.lower(), stream])
        alias = self.random.choice(["", " AS s", " s"])
        return written + alias, "s" if alias else f'"{stream}"'

    def between(self, columns):
        """A stateless pump into a stream; its rows are a subquery of DuckDB."""
        name, qualifier = self.source_name(STREAM)
        generator = self.clauses(columns, "source", qualifier)
        where, condition = self.where(generator, 0.3)
        values = [column.leaf() if self.random.random() < 0.5 else generator.any(2) for column in self.random.sample(columns, 2)]
        values += [generator.any(2)]
        targets = [self.target(value) for value in values]
        mids = [Column(self.random, name, to) for name, to in zip(["M1", "m2", "M3"], targets)]
        assigned = [converted(value, to) for value, to in zip(values, targets)]
        for mid, value in zip(mids, assigned):
            if "bound" in mid.kind:
                mid.kind["bound"] = max(mid.kind["bound"], value.bound)
            if value.kind == "float":
                # A float of an expression may need an exponent.
                mid.kind["is_plain"] = value.is_plain
        declared = ", ".join(f'"{mid.name}" {mid.sql_type}' for mid in mids)
        self.statements.append(f"CREATE OR REPLACE STREAM mid ({declared});")
        order, listed = list(range(3)), ""
        if self.random.random() < 0.4:
            self.random.shuffle(order)
            listed = f" ({', '.join(mids[index].written for index in order)})"
        items = ", ".join(values[index].text for index in order)
        self.statements.append(f'CREATE PUMP "feed" AS INSERT INTO MID{listed}\nSELECT STREAM {items}\n  FROM {name}{where};')
        items = ", ".join(f'{value.duck} AS "{mid.name}"' for mid, value in zip(mids, assigned))
        kept = every(condition and condition.ok, condition and condition.duck, *(value.ok for value in assigned))
        table = f"(SELECT arrival, {items} FROM source{f' WHERE {kept}' if kept else ''})"
        return "MID", mids, table

    def window(self, qualifier):
        """The term of a window: its text, its milliseconds, and its value in a finished row."""
        rowtime = self.random.choice(["ROWTIME", f"{qualifier}.ROWTIME"])
        unit, count, millis = self.random.choice(WINDOWS)
        form = self.random.choice(["floor", "step", "epoch"])
        if form == "epoch" or (form == "floor" and count != 1):
            self.features["window by the epoch"] += 1
            text = f"FLOOR(({rowtime} - TIMESTAMP '1970-01-01 00:00:00') {unit} / {count} TO {unit})"
            value = Expression(f"CAST({text} AS BIGINT)", f"(epoch_ms(began) // {millis})", "int", bound=1e11)
        elif form == "floor":
            self.features["window by FLOOR"] += 1
            text = f"FLOOR({rowtime} TO {unit})"
            value = Expression(text, "began", "time")
        else:
            self.features["window by STEP"] += 1
            text = f"STEP({rowtime} BY INTERVAL '{count}' {unit})"
            value = Expression(text, "began", "time")
        return text, millis, value

    def aggregate(self, generator, name):
        """An aggregate of a new expression, and its part: a column of this name with the argument."""
        function = self.random.choice(["COUNT(*)", "COUNT", "SUM", "SUM", "MIN", "MAX", "AVG", "AVG"])
        self.features[function] += 1
        if function == "COUNT(*)":
            return Expression("COUNT(*)", "count(*)", "int", bound=200), []
        kind = generator.known("int", "dec", "float")
        if function in ("COUNT", "MIN", "MAX"):
            kind = generator.known("int", "dec", "float", "text", "time")
        value = generator.of(kind, self.random.choice([0, 0, 1, 2, 3]))
        if function in ("SUM", "AVG") and value.kind == "int" and value.bound > 1e16:
            # A sum beyond BIGINT is NULL, as unit tests have it.
            function = "MAX"
        if value.kind == "float" and function in ("SUM", "AVG"):
            # Floats are summed as decimals with 15 digits after the point.
            ok = every(value.ok, f"{value.duck} IS NULL OR abs({value.duck}) < 1e15")
            part = (name, f"TRY_CAST({float_text(value)} AS DECIMAL(38, 15))", ok)
        else:
            part = (name, value.duck, value.ok)
        return self.aggregated(function, value, name), [part]

    def aggregated(self, function, value, name):
        """The aggregate of a column with the values of an expression."""
        kind, text, bound = value.kind, f"{function}({value.text})", value.bound
        if function == "COUNT":
            return Expression(text, f"count({name})", "int", bound=200)
        if function in ("MIN", "MAX"):
            return replace(value, text=text, duck=f"{function}({name})", ok=None, level=9)
        if function == "SUM":
            if kind == "int":
                return Expression(text, f"CAST(sum({name}) AS BIGINT)", kind, bound=bound * 200)
            if kind == "dec":
                return Expression(text, f"CAST(sum({name}) AS DECIMAL(38, {value.scale}))", kind, scale=value.scale, bound=bound * 200)
            return Expression(text, f"CAST(CAST(sum({name}) AS VARCHAR) AS DOUBLE)", kind, bound=1e17)
        if kind == "float":
            return Expression(text, f"average(sum({name}), count({name}))", kind, bound=1e15)
        total = Expression("", f"CAST(sum({name}) AS DECIMAL(38, {value.scale}))", "dec", scale=value.scale)
        scale = max(value.scale, 6)
        duck = rescaled(f"quotient({unscaled(total)} * {10 ** (scale - value.scale)}, CAST(count({name}) AS HUGEINT))", scale)
        return Expression(text, duck, "dec", scale=scale, bound=bound)

    def windowed(self, out, stream, columns, table):
        name, qualifier = self.source_name(stream)
        generator = self.clauses(columns, table, qualifier)
        where, condition = self.where(generator, 0.5)
        term, millis, start = self.window(qualifier)
        keys = []
        for _ in range(self.random.choice([0, 1, 1, 1, 2, 3])):
            key = self.random.choice(columns).leaf() if self.random.random() < 0.7 else generator.any(2)
            if self.is_key(key) and key.text not in [other.text for other in keys]:
                keys.append(key)
        self.features[f"{min(len(keys), 2)} keys"] += 1
        terms = [key.text for key in keys]
        terms.insert(self.random.randint(0, len(terms)), term)
        parts, aggregates = [], []
        for index in range(self.random.randint(1, 3)):
            value, own = self.aggregate(generator, f"a{index}")
            aggregates.append(value)
            parts.append(own)
        grouped = [replace(key, duck=f"k{index}", ok=None) for index, key in enumerate(keys)]
        grouped += [replace(value, duck=f"g{index}") for index, value in enumerate(aggregates)]
        # The time of a finished row is the end of its window.
        end = Expression("ROWTIME", f"(began + INTERVAL {millis} MILLISECOND)", "time")
        finished = Generator(self.random, lambda: grouped + [end, start], TEXTS, millis if start.kind == "time" else None)
        outputs = [value if self.random.random() < 0.6 else finished.any(2) for value in grouped]
        outputs += [self.random.choice([end, start, finished.any(2)])]
        having, kept = "", None
        if self.random.random() < 0.3:
            self.features["HAVING"] += 1
            kept = finished.of("bool", self.random.choice([1, 2]))
            having = f"\n  HAVING {kept.text}"
        targets = [self.target(value) for value in outputs]
        # The names tell the rows of two streams apart.
        declared = ", ".join(f'"{out.lower()}_{index}" {to}' for index, to in enumerate(targets))
        self.statements.append(f"CREATE OR REPLACE STREAM {out} ({declared});")
        self.statements.append(
            f"CREATE OR REPLACE PUMP {out}_PUMP AS INSERT INTO {out}\nSELECT STREAM {', '.join(value.text for value in outputs)}\n"
            f"  FROM {name}{where}\n  GROUP BY {', '.join(terms)}{having};"
        )
        # An aggregate that no column has is not computed, so its argument need not have a value.
        used = self.statements[-1]
        unused = [index for index, value in enumerate(aggregates) if value.text not in used]
        parts = [part for index, own in enumerate(parts) if index not in unused for part in own]
        aggregates = [replace(value, duck="NULL") if index in unused else value for index, value in enumerate(aggregates)]
        self.finish(table, condition, millis, keys, parts, aggregates, kept, outputs, targets)

    def is_key(self, key):
        # A float that is computed may differ in its last digit, which would be another group. A second
        # function of ROWTIME may be the window.
        is_float = key.kind == "float" and not key.duck.startswith('"')
        return key.kind != "bool" and not is_float and "ROWTIME" not in key.text

    def finish(self, table, condition, millis, keys, parts, aggregates, having, outputs, targets):
        selected = [f"floored(arrival, {millis}) AS began"]
        selected += [f"{key.duck} AS k{index}" for index, key in enumerate(keys)]
        selected += [f"{argument} AS {name}" for name, argument, _ in parts]
        kept = every(condition and condition.ok, condition and condition.duck, *(key.ok for key in keys), *(ok for _, _, ok in parts))
        rows = f"SELECT {', '.join(selected)} FROM {table}{f' WHERE {kept}' if kept else ''}"
        group = ["began"] + [f"k{index}" for index in range(len(keys))]
        values = group + [f"{value.duck} AS g{index}" for index, value in enumerate(aggregates)]
        groups = f"SELECT {', '.join(values)} FROM ({rows}) GROUP BY {', '.join(group)}"
        columns, kinds = [], []
        for value, to in zip(outputs, targets):
            assigned = converted(value, to)
            # What cannot be computed is NULL in a finished row.
            columns.append(f"CASE WHEN {assigned.ok} THEN {assigned.duck} END" if assigned.ok else assigned.duck)
            kinds.append("real" if to == "REAL" else assigned.kind)
        kept = every(having and having.ok, having and having.duck)
        self.ducks.append(f"SELECT {', '.join(columns)} FROM ({groups}){f' WHERE {kept}' if kept else ''}")
        self.kinds.append(kinds)


def theirs(database, query):
    rows = []
    for duck, kinds in zip(query.ducks, query.kinds):
        for row in database.execute(duck).fetchall():
            rows.append(tuple(map(comparable, row, kinds)))
    return rows


def comparable(value, kind):
    if value is None:
        return None
    if kind in ("int", "dec"):
        return decimal.Decimal(value)
    if kind in ("float", "real"):
        return float(value)
    if kind == "time":
        return value.isoformat(sep=" ", timespec="milliseconds")
    return value


def ours(printed, query):
    rows = []
    for line in printed.splitlines():
        row = json.loads(line, parse_float=decimal.Decimal, parse_int=decimal.Decimal)
        kinds = query.kinds[1 if next(iter(row)).startswith("out1") else 0]
        rows.append(tuple(map(parsed, row.values(), kinds)))
    return rows


def parsed(value, kind):
    if value is None or kind not in ("float", "real"):
        return value
    # A REAL is printed with the digits that tell it from other REALs.
    return float(value) if kind == "float" else struct.unpack("f", struct.pack("f", value))[0]


def matches(left, right):
    if isinstance(left, float) and isinstance(right, float):
        return math.isclose(left, right, rel_tol=1e-9, abs_tol=1e-300)
    return left == right and type(left) is type(right)


def sorting(row, digits):
    """Numbers by their first digits."""
    texts = []
    for value in row:
        texts.append(f"{float(value) + 0.0:.{digits}g}" if isinstance(value, float | decimal.Decimal) else str(value))
    return texts


def difference(found, expected):
    """What differs between two sets of rows, as text; nothing if they are equal."""
    # All digits of floats order rows that differ in little else, and few digits those that are computed
    # in two ways.
    if len(found) == len(expected) and (any(paired(found, expected, digits) for digits in (17, 6)) or matched(found, expected)):
        return None
    missing = [row for row in expected if not any(len(row) == len(a) and all(map(matches, a, row)) for a in found)]
    extra = [row for row in found if not any(len(row) == len(b) and all(map(matches, row, b)) for b in expected)]
    return f"{len(found)} rows, DuckDB has {len(expected)}\n  ours only   {extra[:3]}\n  theirs only {missing[:3]}"


def paired(found, expected, digits):
    pairs = zip(*(sorted(rows, key=lambda row: sorting(row, digits)) for rows in (found, expected)))
    return all(len(left) == len(right) and all(map(matches, left, right)) for left, right in pairs)


def matched(found, expected):
    """Whether each row has its own match, where the order of floats hides it."""
    rest = list(expected)
    for row in found:
        match = next((i for i, b in enumerate(rest) if len(row) == len(b) and all(map(matches, row, b))), None)
        if match is None:
            return False
        rest.pop(match)
    return True


def generate(seed, count):
    """Inputs, each with its queries. A case depends on nothing but the seed and its number."""
    for index in range(0, count, QUERIES_PER_INPUT):
        source = Input(random.Random(f"{seed} input {index}"))
        numbers = range(index, min(index + QUERIES_PER_INPUT, count))
        yield source, [(number, Query(random.Random(f"{seed} query {number}"), source)) for number in numbers]


def run_all(program, inputs):
    lines = []
    for source, queries in inputs:
        schema, records = source.schema(), "\n".join(source.records)
        lines += [json.dumps({"sql": query.text, "schema": schema, "input": records}) for _, query in queries]
    return run_cases(program, lines)


def run_cases(program, lines):
    printed = subprocess.run([program], input="\n".join(lines), check=True, capture_output=True, text=True).stdout
    return [json.loads(line) for line in printed.splitlines()]


def by_hand(program, database):
    """Compares the cases by hand, whose queries for DuckDB were written by hand too. Returns how many
    there are, and the names of those that differ."""
    folders = sorted(path.parent for path in CASES.glob("*/check.duckdb.sql"))
    lines = []
    for folder in folders:
        case = {name: (folder / file).read_text() for name, file in [("sql", "query.sql"), ("input", "input.jsonl")]}
        lines.append(json.dumps({**case, "schema": json.loads((folder / "schema.json").read_text())}))
    wrong = []
    for folder, result in zip(folders, run_cases(program, lines)):
        columns = json.loads((folder / "schema.json").read_text())["RecordColumns"]
        names = [column["Mapping"].removeprefix("$.") for column in columns]
        declared = [f'"{name}" {column["SqlType"]}' for name, column in zip(names, columns)]
        database.execute(f"CREATE OR REPLACE TABLE src (arrival TIMESTAMP, {', '.join(declared)})")
        for line in (folder / "input.jsonl").read_text().splitlines():
            if line:
                record = json.loads(line)
                values = [record["arrival"]] + [record["data"].get(name) for name in names]
                database.execute(f"INSERT INTO src VALUES ({', '.join('?' * len(values))})", values)
        queried = database.execute((folder / "check.duckdb.sql").read_text())
        titles = [title for title, *_ in queried.description]
        expected = [tuple(map(plain, row)) for row in queried.fetchall()]
        found = [json.loads(line) for line in result.get("rows", "").splitlines()]
        found = [tuple(plain(row[title]) for title in titles) for row in found]
        if difference(found, expected):
            wrong.append(f"{folder.name}: {result.get('error') or difference(found, expected)}")
    return len(folders), wrong


def plain(value):
    return float(value) if isinstance(value, int | float | decimal.Decimal) else value


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seed", default="1")
    parser.add_argument("--cases", type=int, default=3000)
    parser.add_argument("--program", default=str(ROOT / "target" / "debug" / "examples" / "cases"))
    parser.add_argument("--only", type=int, help="print this case, and run no other")
    options = parser.parse_args()
    began = time.monotonic()
    inputs = list(generate(options.seed, options.cases))
    if options.only is not None:
        inputs = [(source, [pair for pair in queries if pair[0] == options.only]) for source, queries in inputs]
        inputs = [pair for pair in inputs if pair[1]]
    results = iter(run_all(options.program, inputs))
    ran = time.monotonic() - began
    database = duckdb.connect()
    database.execute("SET threads = 1")
    for macro in MACROS.strip().split(";\n"):
        database.execute(macro)
    hand, differing = by_hand(options.program, database)
    print(f"by hand: {hand} cases, {len(differing)} differ", *differing, sep="\n")
    wrong, rows, empty, features = len(differing), 0, 0, Counter()
    for source, queries in inputs:
        source.create(database)
        for number, query in queries:
            result = next(results)
            features += query.features
            problem = None
            try:
                expected = theirs(database, query)
            except duckdb.Error as error:
                problem = f"DuckDB: {str(error)[:600]}"
            if "error" in result:
                problem = result["error"]
            elif problem is None:
                rejected = sum('"arrival"' in line for line in result["rejects"].splitlines())
                problem = difference(ours(result["rows"], query), expected)
                if rejected < source.bad:
                    problem = f"{rejected} readings are rejected, not {source.bad}"
                rows += len(expected)
                empty += not expected
            if problem or options.only is not None:
                wrong += problem is not None
                if wrong <= 12:
                    print(f"case {number}: {problem or 'equal'}\n{query.text}\n")
            if options.only is not None:
                print(*query.ducks, json.dumps(source.schema()), *source.records, result, sep="\n")
    print(f"seed {options.seed}: {options.cases} cases, {rows} rows ({empty} cases without), {wrong} differ;", end=" ")
    print(f"{time.monotonic() - began:.1f} s, of which DuckDB {time.monotonic() - began - ran:.1f} s")
    print(", ".join(f"{name} {count}" for name, count in sorted(features.items())))
    sys.exit(1 if wrong else 0)


if __name__ == "__main__":
    main()
