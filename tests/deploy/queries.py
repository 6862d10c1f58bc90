"""Runs the template's view and saved queries on an archive with every kind of broken line.

sqlglot translates the Athena SQL to DuckDB's dialect, and athena.py stands in for Athena's JSON functions. This
checks the logic of the queries, that the view and the tables match, and that the view shows the readings of
tests/golden/lines.jsonl, which is the table that the parser is tested against. It does not check Athena itself.
"""

import json
import sys

import duckdb
import sqlglot

import athena
from template import ROOT, load, of_type

COLUMNS = ["line", "day"]
READING = {
    "Name": "Shadowfax",
    "StatusTime": "2026-11-20 09:17:08.189",
    "Latitude": 42.26,
    "Longitude": -71.97,
    "Distance": 175,
    "MagicPoints": 110,
    "HealthPoints": 150,
}
FRANKY_READING = {"Name": "Franky", "Distance": 30.25, "MagicPoints": 99, "HealthPoints": 100}


def line(**fields):
    return json.dumps(READING | fields)


LINES = [
    (line(), "2026/11/20"),
    # Duplicates, by the archive or the producer, and with another format of the time.
    (line(), "2026/11/20"),
    (line(StatusTime="2026-11-20T10:17:08.189+01:00"), "2026/11/21"),
    (
        line(StatusTime="2026-11-20 09:16:59.999", Latitude=42.25, Longitude=-71.96, Distance=0.5, HealthPoints=99),
        "2026/11/20",
    ),
    # A reading without a location is valid.
    (json.dumps({**FRANKY_READING, "StatusTime": "2026-11-20T09:17:00Z"}), "2026/11/20"),
    # Rejected readings are in the archive too, but are not valid readings.
    (line(Name="Franky", StatusTime="yesterday"), "2026/11/20"),
    (line(Name="Franky", Distance=-1), "2026/11/20"),
    # A blank line or broken JSON: Firehose appends a newline even if a record already has one.
    ("", "2026/11/20"),
    ("neigh", "2026/11/20"),
]

EARLY, LATE, FRANKY = "2026-11-20 09:16:59.999", "2026-11-20 09:17:08.189", "2026-11-20 09:17:00"
EXPECTED = {
    "AllReadings": [
        ("Shadowfax", LATE, 42.26, -71.97, 175.0, 150, 110),
        ("Franky", FRANKY, None, None, 30.25, 100, 99),
        ("Shadowfax", EARLY, 42.25, -71.96, 0.5, 99, 110),
    ],
    "DistanceByUnicorn": [("Shadowfax", 175.5), ("Franky", 30.25)],
    "LowVitals": [("Shadowfax", EARLY, 99, 110), ("Franky", FRANKY, 100, 99)],
    "ReadingsAfter": [
        ("Franky", FRANKY, None, None, 30.25, 100, 99),
        ("Shadowfax", LATE, 42.26, -71.97, 175.0, 150, 110),
    ],
    "TrackOfUnicorn": [(EARLY, 42.25, -71.96), (LATE, 42.26, -71.97)],
}

# Hive's type names, used by a table's columns, and Trino's, used by a view's query.
TYPES = {"string": "varchar", "timestamp": "timestamp(3)", "double": "double", "int": "integer"}


def view(template):
    """The view's JSON, after checking that its columns agree with those in the catalog."""
    table = template["Resources"]["ReadingView"]["Properties"]["TableInput"]
    _, variables = table["ViewOriginalText"]["Fn::Sub"]
    body, inner = variables["View"]["Fn::Base64"]["Fn::Sub"]
    definition = json.loads(body.replace("${Sql}", inner["Sql"]))
    shown = [(one["Name"], TYPES[one["Type"]]) for one in table["StorageDescriptor"]["Columns"]]
    inside = [(one["name"], one["type"]) for one in definition["columns"]]
    if shown != inside:
        sys.exit(f"ReadingView: its columns are {shown} in the catalog and {inside} in the view")
    return definition


def text(template, query):
    """The text of a saved query: its parts joined, with the shared prefix looked up."""
    separator, parts = query["Fn::Join"]
    mappings = template["Mappings"]

    def part(value):
        if isinstance(value, str):
            return value
        name, first, second = value["Fn::FindInMap"]
        return mappings[name][first][second]

    return separator.join(part(value) for value in parts)


def run(database, sql):
    [translated] = sqlglot.transpile(athena.with_json_macros(sql), read="athena", write="duckdb")
    return database.execute(translated)


def archive(database, table, definition, lines):
    """Makes the table of the archive's lines, and the view over it."""
    database.execute(f"CREATE OR REPLACE TABLE {table} (line VARCHAR, day VARCHAR)")
    database.executemany(f"INSERT INTO {table} VALUES (?, ?)", lines)
    athena.define_json_macros(database, {line for line, _ in lines})
    run(database, f"CREATE OR REPLACE VIEW wildrydes AS {definition['originalSql']}")


def wrong_lines(database, table, definition):
    """Compares the view with the table of lines. Returns how many cases differ."""
    text = (ROOT / "tests" / "golden" / "lines.jsonl").read_text()
    cases = [json.loads(line) for line in text.split("\n") if line]
    lines = []
    for number, case in enumerate(cases):
        data = case["line"].encode() if "line" in case else bytes.fromhex(case["hex"])
        lines += [(piece, str(number)) for piece in athena.lines(data)]
    archive(database, table, definition, lines)
    shown = {}
    for row in database.execute("SELECT * FROM wildrydes").fetchall():
        shown.setdefault(int(row[-1]), []).append((row[0], athena.time(row[1]), *row[2:-1]))
    wrong = 0
    for number, case in enumerate(cases):
        expected = [reading_row(reading) for reading in case.get("athena", case["readings"])]
        if "athena" in case and not (case["why"] and case["athena"] != case["readings"]):
            sys.exit(f"lines.jsonl: {case['case']}: there is no difference, or no reason for it")
        if shown.get(number, []) != expected:
            print(f"{case['case']}: expected {expected}, the view has {shown.get(number, [])}")
            wrong += 1
    differ = sum("athena" in case for case in cases)
    print(f"lines: {len(cases)} cases, {differ} where the view differs from the parser on purpose, {wrong} WRONG")
    return wrong


def reading_row(reading):
    """A reading as a row of the view, whose times have milliseconds."""
    return (
        reading["Name"],
        reading["StatusTime"][:23],
        reading.get("Latitude"),
        reading.get("Longitude"),
        float(reading["Distance"]),
        reading["HealthPoints"],
        reading["MagicPoints"],
    )


def plain(value):
    return str(value) if hasattr(value, "isoformat") else value


def close(row, expected):
    pairs = zip(row, expected, strict=True)
    return all(str(a).removesuffix("000") == str(b) or a == b for a, b in pairs)


def main():
    template = load()
    definition = view(template)
    table = template["Resources"]["LineTable"]["Properties"]["TableInput"]
    columns = [one["Name"] for one in table["StorageDescriptor"]["Columns"] + table["PartitionKeys"]]
    if columns != COLUMNS:
        sys.exit(f"LineTable: its columns are {columns}, not {COLUMNS}")
    database = duckdb.connect()
    database.execute("SET TimeZone = 'America/New_York'")
    wrong = wrong_lines(database, table["Name"], definition)
    archive(database, table["Name"], definition, LINES)
    described = database.execute("SELECT * FROM wildrydes LIMIT 0").description
    if [column[0] for column in described] != [one["name"] for one in definition["columns"]]:
        sys.exit("ReadingView: the columns of its query differ from those that it declares")

    queries = of_type(template, "AWS::Athena::NamedQuery")
    if queries.keys() != EXPECTED.keys():
        sys.exit(f"saved queries {sorted(queries)}, expected {sorted(EXPECTED)}")
    for name, query in queries.items():
        rows = run(database, text(template, query["Properties"]["QueryString"])).fetchall()
        rows = [tuple(plain(value) for value in row) for row in rows]
        same = len(rows) == len(EXPECTED[name]) and all(map(close, rows, EXPECTED[name]))
        print(f"{name}: {len(rows)} rows{'' if same else f', WRONG: {rows}'}")
        wrong += not same
    sys.exit(1 if wrong else 0)


if __name__ == "__main__":
    main()
