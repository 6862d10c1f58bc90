"""Compares the results of `query` with those of DuckDB, which reads the archive's files independently.

    python tests/query/duckdb_agrees.py FOLDER [QUERY]

FOLDER is a local cloud's data directory with an archive of readings; QUERY is the program, by default
target/debug/query. Exits with 0 if all results are equal; otherwise prints the differences and exits with 1.
"""

import csv
import io
import pathlib
import subprocess
import sys

import duckdb

ROOT = pathlib.Path(__file__).resolve().parents[2]
# Every column is read as text, so that explicit casts, not type inference, produce the numbers.
COLUMNS = ["Name", "StatusTime", "Latitude", "Longitude", "Distance", "HealthPoints", "MagicPoints"]
VIEW = """
    CREATE VIEW wildrydes AS
    SELECT
        Name,
        CAST(StatusTime AS TIMESTAMP_MS) AS StatusTime,
        CAST(Latitude AS DOUBLE) AS Latitude,
        CAST(Longitude AS DOUBLE) AS Longitude,
        CAST(Distance AS DECIMAL(19, 6)) AS Distance,
        CAST(HealthPoints AS INTEGER) AS HealthPoints,
        CAST(MagicPoints AS INTEGER) AS MagicPoints
    FROM ({lines})
"""
QUERIES = {
    "totals": """
        SELECT count(*), sum(Distance), count(DISTINCT Name), min(StatusTime), max(StatusTime)
        FROM wildrydes
    """,
    "by unicorn": """
        SELECT Name, count(*), sum(Distance), min(MagicPoints), max(HealthPoints), min(Latitude), max(Longitude)
        FROM wildrydes
        GROUP BY Name
        ORDER BY Name
    """,
    "by unicorn per second": """
        SELECT Name, date_trunc('second', StatusTime) AS Second, sum(Distance)
        FROM wildrydes
        GROUP BY 1, 2
        ORDER BY 1, 2
    """,
    "every reading": """
        SELECT Name, StatusTime, Latitude, Longitude, Distance, HealthPoints, MagicPoints
        FROM wildrydes
        ORDER BY StatusTime, Name, Latitude, Longitude, Distance
    """,
}


def files(folder):
    """The archive's files by compression, which their names do not show."""
    found = {"none": [], "gzip": []}
    for path in sorted((folder / "archive" / "wildrydes").rglob("*")):
        if path.is_file():
            with path.open("rb") as file:
                found["gzip" if file.read(2) == b"\x1f\x8b" else "none"].append(str(path))
    if not any(found.values()):
        sys.exit(f"no archive in {folder}")
    return found


def lines(found):
    """A query of the lines of all files, compressed or not."""
    columns = "{" + ", ".join(f"'{column}': 'VARCHAR'" for column in COLUMNS) + "}"
    return " UNION ALL ".join(
        f"SELECT * FROM read_json({paths}, format = 'newline_delimited', compression = '{compression}',"
        f" columns = {columns})"
        for compression, paths in found.items()
        if paths
    )


def shortest(text):
    """A decimal without trailing zeros, which `query` omits and DuckDB writes."""
    whole, point, fraction = text.partition(".")
    return whole + (point + fraction).rstrip("0").rstrip(".") if fraction.isdigit() and whole.isdigit() else text


def text(value):
    if value is None:
        return ""
    if hasattr(value, "isoformat"):
        return value.isoformat(sep=" ", timespec="milliseconds")
    return shortest(str(value))


def main():
    folder = pathlib.Path(sys.argv[1])
    program = sys.argv[2] if len(sys.argv) > 2 else str(ROOT / "target" / "debug" / "query")
    database = duckdb.connect()
    database.execute(VIEW.format(lines=lines(files(folder))))

    wrong = 0
    for name, sql in QUERIES.items():
        theirs = [tuple(map(text, row)) for row in database.execute(sql).fetchall()]
        command = [program, "--data-dir", str(folder), "--format", "csv", sql]
        printed = subprocess.run(command, check=True, capture_output=True, text=True).stdout
        ours = [tuple(map(shortest, row)) for row in csv.reader(io.StringIO(printed))][1:]
        same = ours == theirs
        print(f"{name}: {len(theirs)} rows {'agree' if same else 'DIFFER'}")
        if not same:
            wrong += 1
            pairs = ((a, b) for a, b in zip(ours, theirs) if a != b)
            print(f"  ours {len(ours)}, theirs {len(theirs)}; first: {next(pairs, None)}")
    sys.exit(1 if wrong else 0)


if __name__ == "__main__":
    main()
