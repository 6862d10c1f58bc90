"""Computes every unicorn's one-minute windows with Polars: polars_minutes.py READINGS ROWS

POLARS_MAX_THREADS sets the number of threads. Columns are declared, and the minute is sliced from the text,
which is faster than parsing the time. Distances become whole micrometres, so that sums are exact.
"""

import sys

import polars as pl

readings, rows = sys.argv[1:3]
columns = {
    "Name": pl.String,
    "StatusTime": pl.String,
    "Distance": pl.Float64,
    "MagicPoints": pl.Int32,
    "HealthPoints": pl.Int32,
}
minutes = (
    pl.scan_ndjson(readings, schema=columns)
    .group_by("Name", pl.col("StatusTime").str.slice(0, 16).alias("Minute"))
    .agg(
        (pl.col("Distance") * 1e6).round().cast(pl.Int64).sum().alias("Micrometres"),
        pl.col("MagicPoints").min().alias("MinMagicPoints"),
        pl.col("MagicPoints").max().alias("MaxMagicPoints"),
        pl.col("HealthPoints").min().alias("MinHealthPoints"),
        pl.col("HealthPoints").max().alias("MaxHealthPoints"),
        pl.len().alias("Readings"),
    )
)
minutes.collect().write_csv(rows)
