"""Computes what the original application of Kinesis SQL does with DuckDB: duckdb_sql.py READINGS ROWS

StatusTime stands for the arrival, which an archive does not have. Columns are declared, as in
duckdb_minutes.py. The rows are JSON lines.
"""

import sys

import duckdb

readings, rows = sys.argv[1:3]
connection = duckdb.connect()
connection.execute("SET threads TO 1")
connection.execute(f"""
    COPY (
        SELECT substr(Name, 1, 16) AS Name, date_trunc('minute', StatusTime) + INTERVAL 1 MINUTE AS StatusTime,
            CAST(round(sum(Distance)) AS SMALLINT) AS Distance,
            CAST(min(MagicPoints) AS SMALLINT) AS MinMagicPoints, CAST(max(MagicPoints) AS SMALLINT) AS MaxMagicPoints,
            CAST(min(HealthPoints) AS SMALLINT) AS MinHealthPoints, CAST(max(HealthPoints) AS SMALLINT) AS MaxHealthPoints
        FROM read_json('{readings}', format = 'newline_delimited', columns = {{
            Name: 'VARCHAR', StatusTime: 'TIMESTAMP', Distance: 'DOUBLE', MagicPoints: 'INTEGER', HealthPoints: 'INTEGER'}})
        GROUP BY substr(Name, 1, 16), date_trunc('minute', StatusTime)
    ) TO '{rows}' (FORMAT json, TIMESTAMPFORMAT '%Y-%m-%d %H:%M:%S.%g')
""")
