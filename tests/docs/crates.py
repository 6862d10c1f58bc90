"""The diagram of the crates in ARCHITECTURE.md is what `cargo metadata` says."""

import json
import re
import subprocess

import markdown

PAGE = "ARCHITECTURE.md"
DIAGRAM = re.compile(r"<!-- crates; tests/docs/check compares them -->\n+```text\n(.*?)```", re.DOTALL)
LINE = re.compile(r"^(\S+)(?: ──> (.+))?$")


def problems() -> list[str]:
    diagram = DIAGRAM.search((markdown.ROOT / PAGE).read_text())
    if not diagram:
        return [f"{PAGE}: no diagram of the crates"]
    drawn = {}
    for line in diagram[1].splitlines():
        match = LINE.match(line.strip())
        if not match:
            return [f"{PAGE}: the diagram of the crates has the line `{line}`"]
        drawn[match[1]] = sorted((match[2] or "").split())
    found, real = [], dependencies()
    for name in sorted(drawn.keys() | real.keys()):
        if drawn.get(name) != real.get(name):
            line = f"{name} ──> {' '.join(real[name])}" if real.get(name) else name
            what = f"should have `{line}`" if name in real else f"has {name}, which is no crate"
            found.append(f"{PAGE}: the diagram of the crates {what}")
    return found


def dependencies() -> dict[str, list[str]]:
    """The crates of crates/, and what each depends on, but for tests."""
    command = ["cargo", "metadata", "--no-deps", "--format-version", "1", "--offline", "--locked"]
    shown = subprocess.run(command, cwd=markdown.ROOT, check=True, capture_output=True, text=True).stdout
    packages = [package for package in json.loads(shown)["packages"] if "/crates/" in package["manifest_path"]]
    names = {package["name"] for package in packages}
    return {
        package["name"]: sorted({it["name"] for it in package["dependencies"] if it["kind"] is None} & names)
        for package in packages
    }
