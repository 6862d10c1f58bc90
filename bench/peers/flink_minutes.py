"""Computes every unicorn's one-minute windows with Flink SQL in batch mode: flink_minutes.py READINGS ROWS"""

import os
import shutil
import sys
from pathlib import Path

from pyflink.java_gateway import get_gateway
from pyflink.table import EnvironmentSettings, TableEnvironment

readings, rows = (Path(path).resolve() for path in sys.argv[1:3])
parts = rows.with_suffix(".parts")
shutil.rmtree(parts, ignore_errors=True)
table = TableEnvironment.create(EnvironmentSettings.in_batch_mode())
table.get_config().set("parallelism.default", "1")
table.execute_sql(f"""
    CREATE TABLE readings (Name STRING, StatusTime TIMESTAMP(3), Distance DECIMAL(18, 6), MagicPoints INT, HealthPoints INT)
    WITH ('connector' = 'filesystem', 'path' = 'file://{readings}', 'format' = 'json')
""")
table.execute_sql(f"""
    CREATE TABLE minutes (Name STRING, StatusMinute STRING, Distance DECIMAL(38, 6),
        MinMagicPoints INT, MaxMagicPoints INT, MinHealthPoints INT, MaxHealthPoints INT, Readings BIGINT)
    WITH ('connector' = 'filesystem', 'path' = 'file://{parts}', 'format' = 'csv')
""")
table.execute_sql("""
    INSERT INTO minutes
    SELECT Name, DATE_FORMAT(StatusMinute, 'yyyy-MM-dd HH:mm'), Distance, MinMagic, MaxMagic, MinHealth, MaxHealth, Readings
    FROM (
        SELECT Name, FLOOR(StatusTime TO MINUTE) AS StatusMinute, SUM(Distance) AS Distance,
            MIN(MagicPoints) AS MinMagic, MAX(MagicPoints) AS MaxMagic,
            MIN(HealthPoints) AS MinHealth, MAX(HealthPoints) AS MaxHealth, COUNT(*) AS Readings
        FROM readings GROUP BY Name, FLOOR(StatusTime TO MINUTE)
    )
""").wait()
with open(rows, "wb") as output:
    output.write(b"Name,Minute,Distance\n")
    for part in sorted(parts.iterdir()):
        output.write(part.read_bytes())
shutil.rmtree(parts)

# Java's CPU time counts for this process only after Java has exited and has been waited for.
get_gateway().shutdown()
while True:
    try:
        os.wait()
    except ChildProcessError:
        break
