"""Paths, building and installing, and timing of processes."""

import gzip
import os
import shutil
import statistics
import subprocess
import sys
import threading
import time
from dataclasses import dataclass, field
from pathlib import Path

PEERS = Path(__file__).resolve().parent
ROOT = PEERS.parent.parent
WORK = ROOT / "target" / "bench"
RELEASE = ROOT / "target" / "release"

# Always build all of them: the packages of a build determine the features of shared dependencies, and
# another selection would rebuild everything.
PACKAGES = ["recompute", "bench", "producer"]


class Failure(Exception):
    """Something is missing or failed. The suite ends and reports it; the other suites still run."""


@dataclass
class Series:
    """CPU and wall times of the runs of one contender, in seconds."""

    cpu: list = field(default_factory=list)
    wall: list = field(default_factory=list)

    def add(self, cpu, wall):
        self.cpu.append(cpu)
        self.wall.append(wall)


def median(values):
    return statistics.median(values)


def log(text):
    print(text, file=sys.stderr, flush=True)


def rust(name):
    """The path of one of the project's programs, built for release."""
    path = RELEASE / name
    if not path.exists():
        raise Failure(f"{path} does not exist: run without --no-build")
    return str(path)


def call(command, what, **options):
    """Runs a command without timing it. Its output goes to standard error."""
    log(f"  {what}")
    try:
        subprocess.run(command, cwd=ROOT, check=True, stdout=sys.stderr, **options)
    except FileNotFoundError:
        raise Failure(f"{what}: {command[0]} is not installed") from None
    except subprocess.CalledProcessError as error:
        raise Failure(f"{what}: {command[0]} exited with {error.returncode}") from None


def build(programs):
    packages = [flag for package in PACKAGES for flag in ("-p", package)]
    programs = [flag for program in programs for flag in ("--bin", program)]
    call(["cargo", "build", "--release", "--locked", "--quiet", *packages, *programs], "building for release")


def venv(name, requirements):
    """The Python of a virtual environment with these packages, created if it does not exist yet."""
    folder = WORK / name
    wanted = PEERS / requirements
    installed = folder / "requirements.txt"
    if not installed.exists() or installed.read_bytes() != wanted.read_bytes():
        shutil.rmtree(folder, ignore_errors=True)
        call([sys.executable, "-m", "venv", str(folder)], f"creating an environment for {requirements}")
        pip = [str(folder / "bin" / "pip"), "install", "--quiet", "--disable-pip-version-check"]
        call([*pip, "-r", str(wanted)], f"installing {requirements}")
        shutil.copy(wanted, installed)
    return str(folder / "bin" / "python")


def node_modules():
    """Installs the packages of the Node.js peer."""
    if shutil.which("node") is None or shutil.which("npm") is None:
        raise Failure("the processor's peer needs Node.js and npm")
    wanted = (PEERS / "node" / "package-lock.json").read_bytes()
    installed = PEERS / "node" / "node_modules" / ".made-of"
    if not installed.exists() or installed.read_bytes() != wanted:
        call(["npm", "ci", "--silent", "--prefix", str(PEERS / "node")], "npm ci for the processor's peer")
        installed.write_bytes(wanted)


def timed(command, output=None, environment=None, limit=3600):
    """Runs a command to completion. Returns the CPU time (user + system, with children) and the wall time."""
    errors = WORK / "stderr.txt"
    with open(output or os.devnull, "wb") as stdout, open(errors, "wb") as stderr:
        start = time.monotonic()
        try:
            process = subprocess.Popen(
                command, stdin=subprocess.DEVNULL, stdout=stdout, stderr=stderr, cwd=ROOT, env={**os.environ, **(environment or {})}
            )
        except OSError as error:
            raise Failure(f"{command[0]} cannot be started: {error}") from None
        usage = wait(process, limit)
        wall = time.monotonic() - start
    if process.returncode != 0:
        text = errors.read_text(errors="replace").strip()[-1500:]
        raise Failure(f"{' '.join(command)} exited with {process.returncode}: {text}")
    return usage.ru_utime + usage.ru_stime, wall


def wait(process, limit):
    """Waits for a child; kills it after `limit` seconds."""
    watch = threading.Timer(limit, process.kill)
    watch.start()
    try:
        _, status, usage = os.wait4(process.pid, 0)
    finally:
        watch.cancel()
    process.returncode = os.waitstatus_to_exitcode(status)
    return usage


def readings(number, unicorns, how="", minutes=60):
    """A file with `number` readings of `unicorns` unicorns, created if it does not exist yet. `how` is empty or
    flags of make_readings: shuffle, respell, random, nested."""
    path = WORK / f"readings-{number}-{unicorns}-{minutes}{''.join(f'-{flag}' for flag in how.split())}.jsonl"
    if not path.exists():
        command = [rust("make_readings"), "--readings", str(number), "--unicorns", str(unicorns)]
        command += ["--minutes", str(minutes), "--seed", "1"] + [f"--{flag}" for flag in how.split()]
        make(path, lambda unfinished: call([*command, "--output", str(unfinished)], f"making {path.name}"))
    return in_memory(path)


def packed(path):
    """The file compressed with gzip, as Firehose does."""
    archive = path.with_name(f"{path.name}.gz")
    if not archive.exists():
        def pack(unfinished):
            log(f"  making {archive.name}")
            with open(path, "rb") as source, gzip.open(unfinished, "wb", compresslevel=6) as target:
                shutil.copyfileobj(source, target, 1 << 20)

        make(archive, pack)
    return in_memory(archive)


def make(path, write):
    """Writes a file under a temporary name, so that a file under its final name is complete."""
    unfinished = path.with_name(f"{path.name}.unfinished")
    write(unfinished)
    unfinished.rename(path)


def in_memory(path):
    """Reads a file once, so that it is in the page cache and no run waits for the disk."""
    with open(path, "rb") as file:
        while file.read(1 << 24):
            pass
    return path
