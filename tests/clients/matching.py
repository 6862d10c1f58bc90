"""Compares an answer with what it must contain.

An object must have the fields that are expected, and may have more. A list must have exactly the elements that are
expected. A `Match` decides by itself. Everything else must be equal.
"""

import re
from dataclasses import dataclass
from typing import Callable

from times import Later, Millis

MISSING = type("Missing", (), {"__repr__": lambda self: "nothing"})()


@dataclass(frozen=True)
class Match:
    """An expectation with a rule of its own. `holds` takes the value, and the variables by name."""

    says: str
    holds: Callable

    def __repr__(self):
        return self.says


def absent():
    """Neither there, nor null or empty: clients differ in that."""
    return Match("nothing", lambda value, _: value is MISSING or value in (None, "", [], {}))


def present():
    return Match("any value", lambda value, _: value is not MISSING and value not in (None, ""))


def length(number):
    return Match(f"{number} elements", lambda value, _: isinstance(value, list) and len(value) == number)


def at_least(number):
    return Match(f"at least {number}", lambda value, _: isinstance(value, int) and value >= number)


def like(pattern):
    """Text that matches the whole pattern."""
    return Match(f"text like {pattern}", lambda value, _: isinstance(value, str) and re.fullmatch(pattern, value))


def has(*elements):
    """A list with these elements, in this order, and perhaps others."""

    def holds(value, variables):
        remaining = iter(value if isinstance(value, list) else [])
        return all(any(problem(element, found, variables) is None for found in remaining) for element in elements)

    return Match(f"a list with {list(elements)}", holds)


def any_order(*elements):
    """A list of exactly these elements, in any order."""

    def holds(value, variables):
        if not isinstance(value, list) or len(value) != len(elements):
            return False
        return all(any(problem(element, found, variables) is None for found in value) for element in elements)

    return Match(f"in any order {list(elements)}", holds)


def has_no(element):
    """A list without this element."""

    def holds(value, variables):
        return isinstance(value, list) and all(problem(element, found, variables) for found in value)

    return Match(f"a list without {element}", holds)


def starts_with(*elements):
    """A list that begins with these elements."""

    def holds(value, variables):
        begin = value[: len(elements)] if isinstance(value, list) else value
        return problem(list(elements), begin, variables) is None

    return Match(f"a list that begins with {list(elements)}", holds)


def after_number(name):
    """A sequence number that is greater than that of the variable."""
    return Match(f"a sequence number after {{{name}}}", lambda value, names: int(value) > int(names[name]))


def during(before, after, slack=0):
    """A time from the one variable's to the other's, give or take `slack` milliseconds."""

    def holds(value, names):
        return isinstance(value, Millis) and names[before] - slack <= value <= names[after] + slack

    return Match(f"a time from {{{before}}} to {{{after}}}, within {slack} ms", holds)


def clock_after(name, millis):
    """Any answer, if the call began so many milliseconds after the variable's time."""
    return Match(f"a call {millis} ms after {{{name}}}", lambda _, names: names["before"] > names[name] + millis)


def bytes_at_most(limit, least):
    """Records of at most this many bytes together, and at least `least` records."""

    def holds(value, _):
        return isinstance(value, list) and len(value) >= least and sum(len(one["Data"]) for one in value) <= limit

    return Match(f"at least {least} records of at most {limit} bytes", holds)


def problem(expected, found, variables, path=""):
    """What is wrong with an answer, or `None`: (path, expected, found)."""
    if isinstance(expected, Match):
        return None if expected.holds(found, variables) else (path, expected, found)
    if isinstance(expected, (str, Later)):
        expected = filled(expected, variables)
    if isinstance(expected, dict) and isinstance(found, dict):
        fields = ((key, found.get(key, MISSING)) for key in expected)
        problems = (problem(expected[key], value, variables, f"{path}.{key}".strip(".")) for key, value in fields)
        return next(filter(None, problems), None)
    if isinstance(expected, list) and isinstance(found, list) and len(expected) == len(found):
        pairs = enumerate(zip(expected, found))
        problems = (problem(*pair, variables, f"{path}.{index}".strip(".")) for index, pair in pairs)
        return next(filter(None, problems), None)
    if type(expected) is bool or type(found) is bool:
        equal = expected is found
    else:
        equal = expected == found
    return None if equal else (path, expected, found)


def filled(value, variables):
    """The value with variables in place of their names. What is not the name of a variable stays."""
    if isinstance(value, str):
        name = re.fullmatch(r"\{(\w+)\}", value)
        if name:
            return variables.get(name[1], value)
        return re.sub(r"\{(\w+)\}", lambda found: str(variables.get(found[1], found[0])), value)
    if isinstance(value, dict):
        return {filled(key, variables): filled(part, variables) for key, part in value.items()}
    if isinstance(value, list):
        return [filled(part, variables) for part in value]
    if isinstance(value, Later):
        return Millis(variables[value.name] + value.millis)
    return value


def picked(value, path):
    """The value at a path like "Shards.*.ShardId"."""
    for index, key in enumerate(path.split(".")):
        if key == "*":
            rest = path.split(".")[index + 1 :]
            return [picked(part, ".".join(rest)) if rest else part for part in value]
        value = value[int(key)] if isinstance(value, list) else value[key]
    return value
