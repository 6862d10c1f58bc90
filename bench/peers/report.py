"""Writes bench/RESULTS.md: one section per suite, with the machine and versions it was measured on."""

import datetime
import json
import os
import platform
import re
import subprocess
from dataclasses import dataclass

from .tools import PEERS, ROOT

RESULTS = PEERS.parent / "RESULTS.md"

HEAD = """# Benchmark results

`bench/compare` measures and writes this page; `bench/compare --help` explains how. Every contender runs in its own
process, in turn with the others, round by round, after a warm-up. Figures are medians, with the lowest and highest
in parentheses. If contenders write rows, these are compared, and a difference fails the suite.
"""


@dataclass
class Target:
    """A target and whether it was met; with `met` None, a figure without a target."""

    name: str
    wanted: str
    figure: str
    met: object = None


def table(head, lines):
    """A Markdown table; all columns but the first are aligned to the right."""
    rows = [head, ["---"] + ["---:"] * (len(head) - 1), *lines]
    return "".join("| " + " | ".join(str(cell) for cell in row) + " |\n" for row in rows)


def verdict(targets):
    words = {True: "yes", False: "**no**", None: "–"}
    lines = [[target.name, target.wanted, target.figure, words[target.met]] for target in targets]
    return table(["", "target", "measured", "met"], lines)


def section(name, title, body, command):
    when = datetime.datetime.now(datetime.timezone.utc).strftime("%Y-%m-%d")
    lines = [f"<!-- {name} -->", "", f"## {title}", "", body.strip(), ""]
    lines += [f"*{when}, `{command}`, load {os.getloadavg()[0]:.1f} at the end; {machine()}; {versions(name, command)}.*", ""]
    lines += [f"<!-- end of {name} -->", ""]
    return "\n".join(lines)


def replace(sections, order):
    """Replaces these sections of the page and keeps the others."""
    text = RESULTS.read_text(encoding="utf-8") if RESULTS.exists() else ""
    kept = dict(re.findall(r"(?s)(?=<!-- (\w+) -->\n)(.*?<!-- end of \1 -->\n)", text))
    kept.update(sections)
    body = "\n".join(kept[name] for name in order if name in kept)
    RESULTS.write_text(f"{HEAD}\n{body}", encoding="utf-8")


def machine():
    model = re.search(r"model name\s*: (.*)", read("/proc/cpuinfo"))
    memory = re.search(r"MemTotal:\s*(\d+)", read("/proc/meminfo"))
    parts = [model.group(1) if model else platform.machine(), f"{os.cpu_count()} cores"]
    if memory:
        parts.append(f"{int(memory.group(1)) / 1048576:.0f} GB")
    return ", ".join([*parts, f"Linux {platform.release()}" if platform.system() == "Linux" else platform.platform()])


def read(path):
    try:
        with open(path, encoding="utf-8") as file:
            return file.read()
    except OSError:
        return ""


def output(*command):
    try:
        return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True).stdout.strip()
    except (OSError, subprocess.CalledProcessError):
        return "unknown"


def pinned(requirements):
    return re.findall(r"^([a-z-]+)==(.*)$", read(PEERS / requirements), re.MULTILINE)


def versions(suite, command):
    found = [output("rustc", "--version").rsplit(" (", 1)[0]]
    if suite in ("recompute", "many"):
        packages = pinned("requirements.txt") + (pinned("requirements-flink.txt") if "--flink" in command else [])
        found += [f"{name} {version}" for name, version in packages]
        found.append(f"Python {platform.python_version()}")
    if suite == "processor":
        packages = json.loads(read(PEERS / "node" / "package.json"))["dependencies"]
        found += [f"Node {output('node', '--version')}", *(f"{name} {version}" for name, version in packages.items())]
    if suite in ("processor", "bootstrap"):
        lock = re.findall(r'name = "(aws-sdk-dynamodb|lambda_runtime)"\nversion = "(.*)"', read(ROOT / "Cargo.lock"))
        found += [f"{name} {version}" for name, version in lock]
    return ", ".join(found)
