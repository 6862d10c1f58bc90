"""Computes every unicorn's one-minute windows with DuckDB: duckdb_minutes.py READINGS ROWS [distinct]

Columns are declared, so that DuckDB infers no types and reads only these columns. This is the fastest
of several formulations of the query. With `distinct`, duplicates by Name and StatusTime are left out.
"""

import sys

import duckdb

readings, rows = sys.argv[1:3]
distinct = "DISTINCT ON (Name, StatusTime)" if "distinct" in sys.argv[3:] else ""
connection = duckdb.connect()
connection.execute("SET threads TO 1")
connection.execute(f"""
    COPY (
        SELECT Name, date_trunc('minute', StatusTime) AS Minute, sum(Distance) AS Distance,
            min(MagicPoints), max(MagicPoints), min(HealthPoints), max(HealthPoints), count(*)
        FROM (
            SELECT {distinct} Name, StatusTime, Distance, MagicPoints, HealthPoints
            FROM read_json('{readings}', format = 'newline_delimited', columns = {{
                Name: 'VARCHAR', StatusTime: 'TIMESTAMP', Distance: 'DECIMAL(18, 6)',
                MagicPoints: 'INTEGER', HealthPoints: 'INTEGER'}})
        )
        GROUP BY Name, Minute
    ) TO '{rows}' (FORMAT csv, HEADER)
""")
