"""Compares the rows of the contenders."""

import os
import subprocess

from .tools import Failure


def micrometres(text):
    """Converts metres as decimal text to whole micrometres, exactly."""
    whole, _, fraction = text.partition(".")
    if len(fraction) > 6 and fraction[6:].strip("0"):
        raise Failure(f"a distance is finer than a micrometre: {text}")
    return int(whole + fraction[:6].ljust(6, "0"))


def normalise(path):
    """Rewrites a contender's CSV as sorted lines: name, minute, micrometres, lowest and highest magic and
    health, readings. Returns the path and number of the lines."""
    lines, sorted_lines = path.with_suffix(".lines"), path.with_suffix(".sorted")
    count = 0
    with open(path, encoding="utf-8") as rows, open(lines, "w", encoding="utf-8") as output:
        in_metres = next(rows).rstrip("\n").split(",")[2] != "Micrometres"
        for row in rows:
            name, time, distance, *others = row.rstrip("\r\n").replace('"', "").split(",")
            distance = micrometres(distance) if in_metres else int(distance)
            output.write(f"{name},{time[:16].replace('T', ' ')},{distance},{','.join(others[:5])}\n")
            count += 1
    environment = {**os.environ, "LC_ALL": "C"}
    subprocess.run(["sort", "-S", "1G", "-o", str(sorted_lines), str(lines)], check=True, env=environment)
    lines.unlink()
    return sorted_lines, count


def check_same(paths):
    """Compares every contender's rows with those of the first. `paths` are by name. Returns the number of rows."""
    (first, path), *others = paths.items()
    expected, count = normalise(path)
    try:
        for name, path in others:
            compare(first, expected, name, normalise(path)[0])
    finally:
        expected.unlink()
    return count


def compare(first, expected, name, found):
    with open(expected, encoding="utf-8") as left, open(found, encoding="utf-8") as right:
        for number, (one, other) in enumerate(zip_longest(left, right), start=1):
            if one != other:
                raise Failure(f"the rows differ: row {number} is {one!r} for {first}, but {other!r} for {name}")
    found.unlink()


def zip_longest(left, right):
    while True:
        one, other = left.readline(), right.readline()
        if not one and not other:
            return
        yield one, other
