"""Times in arguments and answers."""

from dataclasses import dataclass


class Millis(int):
    """A time, in milliseconds since the epoch."""


@dataclass(frozen=True)
class Later:
    """The time of a variable, so many milliseconds later."""

    name: str
    millis: int
