"""The suites of `bench/compare`."""
