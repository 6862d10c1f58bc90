"""What the check must find: each change of a copy of the repository is one problem."""

import shutil
import subprocess
import tempfile
from pathlib import Path

import markdown

# The file, the text, what it becomes, and a part of the problem.
CHANGES = [
    ("README.md", "(docs/query.md)", "(docs/querry.md)", "docs/querry.md: there is no such file"),
    ("docs/getting-started.md", "(exactness.md#audit)", "(exactness.md#audits)", "has no such heading"),
    ("docs/operations.md", "| `EarlyEnds` |", "| early ends |", "the alarm EarlyEnds"),
    ("template.yaml", "  ArchiveAge:\n", "  ArchiveDelay:\n", "no alarm ArchiveAge"),
    ("docs/formats.md", '"Distance":175,', '"Distance":175', "not JSON"),
    ("README.md", "pub celsius: Fixed<2>", "pub celsius: Fixed<3>", "quotes no file"),
    ("ARCHITECTURE.md", "──> windrow-core windrow-service\n", "──> windrow-core\n", "diagram of the crates"),
    ("ARCHITECTURE.md", "`crates/windrow-core/src/fold.rs`", "`crates/windrow-core/src/folds.rs`", "folds.rs"),
    ("docs/scale.md", "```sh\n", "```sh afterwards\n", "unknown mark afterwards"),
    ("docs/performance.md", "```sh release\nbench", "```sh release\ncargo run -p soak -- --sead 1\nbench", "no flag --sead"),
    ("docs/scale.md", "--unicorns 25000", "--unicorn 25000", "failed (2)"),
]

RUN = ("docs/performance.md", "docs/scale.md")


def problems(programs: Path) -> list[str]:
    found = []
    with tempfile.TemporaryDirectory(prefix="docs-") as folder:
        copy = Path(folder)
        for path in markdown.files():
            target = copy / path.relative_to(markdown.ROOT)
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(path, target, follow_symlinks=False)
        subprocess.run(["git", "init", "--quiet"], cwd=copy, check=True)
        for name, old, new, expected in CHANGES:
            path = copy / name
            text = path.read_text()
            if old not in text:
                found.append(f"tests/docs/catches.py: {name} no longer has `{old.strip()}`")
                continue
            path.write_text(text.replace(old, new, 1))
            # The blocks of these take a moment.
            mode = ["--only", name] if name in RUN else ["--quick"]
            command = ["tests/docs/check", "--programs", programs, *mode]
            checked = subprocess.run(command, cwd=copy, capture_output=True, text=True, timeout=600)
            path.write_text(text)
            if checked.returncode != 1 or expected not in checked.stderr:
                found.append(f"tests/docs/catches.py: `{new.strip()}` in {name} is not found:\n{checked.stderr}")
    return found
