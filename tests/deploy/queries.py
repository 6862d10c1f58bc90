"""Runs the template's saved queries on an archive with every kind of broken line.

sqlglot translates the Athena SQL to DuckDB's dialect. This checks the logic of the queries, and that the
view and the tables match; it does not check Athena itself.
"""

import json
import sys

import duckdb
import sqlglot

from template import load, of_type

# Athena reads every column of the archive's lines as text, regardless of its JSON type.
COLUMNS = ["name", "statustime", "latitude", "longitude", "distance", "healthpoints", "magicpoints", "day"]
LINES = [
    ("Shadowfax", "2026-11-20 09:17:08.189", "42.26", "-71.97", "175", "150", "110", "2026/11/20"),
    # Duplicates, by the archive or the producer, and with another format of the time.
    ("Shadowfax", "2026-11-20 09:17:08.189", "42.26", "-71.97", "175", "150", "110", "2026/11/20"),
    ("Shadowfax", "2026-11-20T10:17:08.189+01:00", "42.26", "-71.97", "175", "150", "110", "2026/11/21"),
    ("Shadowfax", "2026-11-20 09:16:59.999", "42.25", "-71.96", "0.5", "99", "110", "2026/11/20"),
    # A reading without a location is valid.
    ("Franky", "2026-11-20T09:17:00Z", None, None, "30.25", "100", "99", "2026/11/20"),
    # Rejected readings are in the archive too, but are not valid readings.
    ("Franky", "yesterday", "42.26", "-71.97", "1", "150", "150", "2026/11/20"),
    ("Franky", "2026-11-20 09:17:02.000", "42.26", "-71.97", "-1", "50", "50", "2026/11/20"),
    ("Franky", "2026-11-20 09:17:03.000", "42.26", "-71.97", "far", "50", "50", "2026/11/20"),
    (None, "2026-11-20 09:17:04.000", "42.26", "-71.97", "1", "50", "50", "2026/11/20"),
    # A blank line or broken JSON: Firehose appends a newline even if a record already has one.
    (None, None, None, None, None, None, None, "2026/11/20"),
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
    definition = json.loads(variables["View"]["Fn::Base64"]["Fn::Sub"])
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
    [translated] = sqlglot.transpile(sql, read="athena", write="duckdb")
    return database.execute(translated)


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
    declared = ", ".join(f"{column} VARCHAR" for column in COLUMNS)
    database.execute(f"CREATE TABLE {table['Name']} ({declared})")
    database.executemany(f"INSERT INTO {table['Name']} VALUES (?, ?, ?, ?, ?, ?, ?, ?)", LINES)
    run(database, f"CREATE VIEW wildrydes AS {definition['originalSql']}")
    described = database.execute("SELECT * FROM wildrydes LIMIT 0").description
    if [column[0] for column in described] != [one["name"] for one in definition["columns"]]:
        sys.exit("ReadingView: the columns of its query differ from those that it declares")

    queries = of_type(template, "AWS::Athena::NamedQuery")
    if queries.keys() != EXPECTED.keys():
        sys.exit(f"saved queries {sorted(queries)}, expected {sorted(EXPECTED)}")
    wrong = 0
    for name, query in queries.items():
        rows = run(database, text(template, query["Properties"]["QueryString"])).fetchall()
        rows = [tuple(plain(value) for value in row) for row in rows]
        same = len(rows) == len(EXPECTED[name]) and all(map(close, rows, EXPECTED[name]))
        print(f"{name}: {len(rows)} rows{'' if same else f', WRONG: {rows}'}")
        wrong += not same
    sys.exit(1 if wrong else 0)


if __name__ == "__main__":
    main()
