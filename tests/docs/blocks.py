"""Code blocks of the documentation: shell blocks run, JSON and Python parse, Rust is quoted.

A shell block may have marks after its language:

    aws, docker, release, cargo-lambda   needs these, and is not run; its flags are looked up
    ci                                   `.ci/run` runs it elsewhere
    background                           starts a program, which the blocks marked `after` need
    terminals                            the first line is one in the background, the rest runs after it
    after                                needs the program that is in the background

The blocks of a file run in order in a copy of the repository. One without a mark ends the program in
the background. A comment `<!-- run MARKS`, some lines and `-->` is a block that readers do not need.
"""

import json
import os
import re
import shlex
import shutil
import signal
import socket
import subprocess
import time
import urllib.error
import urllib.request
from pathlib import Path

import markdown

NOT_RUN = {"aws", "docker", "release", "cargo-lambda", "ci"}
MARKS = NOT_RUN | {"after", "background", "terminals"}
# Commands of cargo that `.ci/run` runs anyway, as in the file cargo.
COVERED = {"bench", "build", "clippy", "doc", "fmt", "test"}
SHELL = {"sh", "bash", "shell"}
HERE = Path(__file__).parent
# The groups of processes that are running.
GROUPS: set[int] = set()
# Seconds that a block may take, and a program until it answers or ends.
BLOCK_LIMIT = 600
START_LIMIT = 120
STOP_LIMIT = 180


def problems_in_texts(documents: list[markdown.Document]) -> list[str]:
    """What can be said of the blocks without running them."""
    quoted = [code_lines(path.read_text()) for path in markdown.files("examples/*.rs")]
    found = []
    for document in documents:
        for block in document.blocks:
            if reason := text_problem(block, quoted):
                found.append(f"{block.place}: {reason}")
    return found


def text_problem(block: markdown.Block, quoted: list[str]) -> str | None:
    if block.language in SHELL:
        unknown = set(block.info[1:]) - MARKS
        return f"unknown mark {', '.join(sorted(unknown))}" if unknown else None
    if block.language == "json":
        return json_problem(block.text)
    if block.language == "python":
        try:
            compile(block.text, block.place, "exec")
        except SyntaxError as error:
            return f"not Python: {error}"
    # The READMEs of crates are doctests.
    if block.language == "rust" and block.path.relative_to(markdown.ROOT).parts[0] != "crates":
        code = code_lines(block.text)
        if not any(code in text for text in quoted):
            return "it quotes no file of examples/"
    return None


def json_problem(text: str) -> str | None:
    """One value, a value per line, or members of an object."""
    for candidate in ([text], text.splitlines(), [f"{{{text}}}"]):
        try:
            for value in candidate:
                json.loads(value)
            return None
        except ValueError as error:
            reason = error
    return f"not JSON: {reason}"


def code_lines(text: str) -> str:
    """Without blank lines and documentation, which a quotation may leave out."""
    lines = (line.strip() for line in text.splitlines())
    return "\n".join(line for line in lines if line and not line.startswith(("///", "//!")))


class Runner:
    """Runs the shell blocks of one file, in a copy of the repository of its own."""

    def __init__(self, document: markdown.Document, scratch: Path, programs: Path):
        self.document = document
        self.folder = scratch / str(document.path.relative_to(markdown.ROOT)).replace("/", "-")
        self.programs = programs
        self.background: subprocess.Popen | None = None
        self.background_place = ""
        self.ran = 0
        self.skipped = 0

    def problems(self) -> list[str]:
        blocks = [block for block in self.document.blocks if block.language in SHELL]
        found = []
        if any(not NOT_RUN & set(block.info) for block in blocks):
            self.copy()
        try:
            for block in blocks:
                if reason := self.problem(block):
                    found.append(f"{block.place}: {reason}")
        finally:
            if reason := self.stop():
                found.append(f"{self.background_place}: {reason}")
            shutil.rmtree(self.folder, ignore_errors=True)
        return found

    def copy(self) -> None:
        for path in markdown.files():
            target = self.folder / path.relative_to(markdown.ROOT)
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(path, target, follow_symlinks=False)
        (self.folder / "target").mkdir(exist_ok=True)
        (self.folder / "target" / "debug").symlink_to(self.programs)
        (self.folder / ".bin").mkdir()
        shutil.copy2(HERE / "cargo", self.folder / ".bin" / "cargo")

    def problem(self, block: markdown.Block) -> str | None:
        marks = set(block.info[1:])
        if marks & NOT_RUN:
            self.skipped += 1
            return self.unknown_flag(block.text) or (not_in_ci(block.text) if "ci" in marks else None)
        # Such as `cargo test`.
        if all(is_covered(line) for line in block.text.splitlines()):
            return None
        self.ran += 1
        if "after" in marks:
            return self.run(block.text) if self.background else "nothing is in the background"
        if reason := self.stop():
            return f"the program in the background: {reason}"
        self.port = free_port()
        if "background" in marks:
            return self.start(block.text, block.place)
        if "terminals" in marks:
            lines = block.text.splitlines(keepends=True)
            first = next(n for n, line in enumerate(lines) if not is_covered(line))
            return self.start("".join(lines[: first + 1]), block.place) or self.run("".join(lines[first + 1 :]))
        return self.run(block.text)

    def environment(self) -> dict[str, str]:
        """Nothing of AWS, and no profile."""
        kept = {name: value for name, value in os.environ.items() if not name.startswith("AWS_")}
        kept["PATH"] = f"{self.folder / '.bin'}:{kept['PATH']}"
        return kept | {"HOME": str(self.folder), "DOCS_PROGRAMS": str(self.programs), "DOCS_PORT": str(self.port)}

    def command(self, text: str) -> list[str]:
        text = text.replace("127.0.0.1:4566", f"127.0.0.1:{self.port}")
        text = re.sub(r"(target/debug/local) ", rf"\1 --port {self.port} --dashboard-port 0 ", text)
        return ["bash", "-euo", "pipefail", "-c", text]

    def run(self, text: str) -> str | None:
        log = self.folder / "block.log"
        environment = self.environment() | ({"DOCS_AFTER": "1"} if self.background else {})
        with log.open("wb") as output:
            process = self.spawn(text, environment, output)
            try:
                code = process.wait(BLOCK_LIMIT)
            except subprocess.TimeoutExpired:
                code = f"no end after {BLOCK_LIMIT} s"
            finally:
                kill(process)
        return None if code == 0 else f"failed ({code}):\n{tail(log)}"

    def spawn(self, text: str, environment: dict[str, str], output) -> subprocess.Popen:
        """Bash, in a group of its own, whose other processes end with it."""
        process = subprocess.Popen(
            self.command(text), cwd=self.folder, env=environment, stdin=subprocess.DEVNULL,
            stdout=output, stderr=subprocess.STDOUT, start_new_session=True,
        )
        GROUPS.add(process.pid)
        return process

    def start(self, text: str, place: str) -> str | None:
        self.log = self.folder / "background.log"
        environment = self.environment() | {"DOCS_BACKGROUND": "1"}
        with self.log.open("wb") as output:
            self.background = self.spawn(text, environment, output)
        self.background_place = place
        deadline = time.monotonic() + START_LIMIT
        while time.monotonic() < deadline and self.background.poll() is None:
            if answers(self.port):
                return None
            time.sleep(0.2)
        kill(self.background)
        self.background = None
        return f"it did not start:\n{tail(self.log)}"

    def stop(self) -> str | None:
        """Ends the program in the background as Ctrl-C does."""
        if self.background is None:
            return None
        process, self.background = self.background, None
        try:
            os.killpg(process.pid, signal.SIGINT)
            code = process.wait(STOP_LIMIT)
        except ProcessLookupError:
            code = process.wait()
        except subprocess.TimeoutExpired:
            code = f"no end {STOP_LIMIT} s after SIGINT"
        finally:
            kill(process)
        # bash ends by the signal that its program has handled.
        return None if code in (0, 130, -signal.SIGINT) else f"ended with {code}:\n{tail(self.log)}"

    def unknown_flag(self, text: str) -> str | None:
        """A flag of one of our programs that its help does not have."""
        for line in text.replace("\\\n", " ").splitlines():
            words = shlex.split(line, comments=True)
            if words[:2] != ["cargo", "run"] or "--" not in words:
                continue
            own, arguments = words[: words.index("--")], words[words.index("--") + 1 :]
            name = own[own.index("--bin") + 1] if "--bin" in own else own[own.index("-p") + 1]
            program = self.programs / name
            if not program.is_file():
                return f"there is no program {name}"
            subcommand = arguments[:1] if name == "sql" else []
            shown = subprocess.run([program, *subcommand, "--help"], capture_output=True, text=True, timeout=60)
            known = set(re.findall(r"--[a-z][a-z-]*", shown.stdout))
            for word in arguments:
                flag = word.partition("=")[0]
                if flag.startswith("--") and flag not in known:
                    return f"{name} has no flag {flag}"
        return None


def not_in_ci(text: str) -> str | None:
    steps = (markdown.ROOT / ".ci" / "run").read_text()
    for line in text.splitlines():
        if not is_covered(line) and line.split()[0] not in steps:
            return f".ci/run does not run {line.split()[0]}"
    return None


def is_covered(line: str) -> bool:
    words = line.split("#")[0].split()
    return not words or (words[0] == "cargo" and words[1] in COVERED)


def free_port() -> int:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return free.getsockname()[1]


def answers(port: int) -> bool:
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/_local", timeout=5) as response:
            return response.status == 200
    except (urllib.error.URLError, OSError):
        return False


def kill(process: subprocess.Popen) -> None:
    """Ends what is left of a group."""
    try:
        os.killpg(process.pid, signal.SIGKILL)
    except (ProcessLookupError, PermissionError):
        pass
    process.wait()
    GROUPS.discard(process.pid)


def kill_all() -> None:
    """Ends what is running, when the check itself is ended."""
    for group in list(GROUPS):
        try:
            os.killpg(group, signal.SIGKILL)
        except (ProcessLookupError, PermissionError):
            pass


def tail(log: Path) -> str:
    lines = log.read_text(errors="replace").splitlines()[-15:]
    return "\n".join(f"    {line}" for line in lines)
