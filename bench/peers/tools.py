"""Where things are, what is built and installed, and how a process is timed."""

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

# Always all of them: which packages are built together decides the features of what they share, and
# with another choice everything would be built anew.
PACKAGES = ["recompute", "bench", "producer"]


class Failure(Exception):
    """Something is missing or went wrong; the suite ends and says so, the others go on."""


@dataclass
class Series:
    """What the runs of one contender took, in seconds."""

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
    """A program of ours, as it was built for release."""
    path = RELEASE / name
    if not path.exists():
        raise Failure(f"{path} is not there: run without --no-build")
    return str(path)


def call(command, what, **options):
    """Runs a command that is not timed. Its output goes to the standard error."""
    log(f"  {what}")
    try:
        subprocess.run(command, cwd=ROOT, check=True, stdout=sys.stderr, **options)
    except FileNotFoundError:
        raise Failure(f"{what}: there is no {command[0]}") from None
    except subprocess.CalledProcessError as error:
        raise Failure(f"{what}: {command[0]} ended with {error.returncode}") from None


def build(programs):
    packages = [flag for package in PACKAGES for flag in ("-p", package)]
    programs = [flag for program in programs for flag in ("--bin", program)]
    call(["cargo", "build", "--release", "--locked", "--quiet", *packages, *programs], "building for release")


def venv(name, requirements):
    """The Python of an environment with these packages, made where it is not there yet."""
    place = WORK / name
    wanted = PEERS / requirements
    made_of = place / "requirements.txt"
    if not made_of.exists() or made_of.read_bytes() != wanted.read_bytes():
        shutil.rmtree(place, ignore_errors=True)
        call([sys.executable, "-m", "venv", str(place)], f"an environment for {requirements}")
        pip = [str(place / "bin" / "pip"), "install", "--quiet", "--disable-pip-version-check"]
        call([*pip, "-r", str(wanted)], f"installing {requirements}")
        shutil.copy(wanted, made_of)
    return str(place / "bin" / "python")


def node_modules():
    """Installs what the Node peer needs."""
    if shutil.which("node") is None or shutil.which("npm") is None:
        raise Failure("Node and npm are needed for the processor's peer")
    wanted = (PEERS / "node" / "package-lock.json").read_bytes()
    made_of = PEERS / "node" / "node_modules" / ".made-of"
    if not made_of.exists() or made_of.read_bytes() != wanted:
        call(["npm", "ci", "--silent", "--prefix", str(PEERS / "node")], "npm ci for the processor's peer")
        made_of.write_bytes(wanted)


def timed(command, output=None, environment=None, limit=3600):
    """Runs a command to its end. Returns the CPU of it and its children (user + system), and the wall time."""
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
        raise Failure(f"{' '.join(command)} ended with {process.returncode}: {text}")
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
    """The file of so many readings of so many unicorns; made where it is not there yet. `how` is nothing, or what
    make_readings knows: shuffle, respell."""
    path = WORK / f"readings-{number}-{unicorns}-{minutes}{'-' if how else ''}{how}.jsonl"
    if not path.exists():
        command = [rust("make_readings"), "--readings", str(number), "--unicorns", str(unicorns)]
        command += ["--minutes", str(minutes), "--seed", "1"] + ([f"--{how}"] if how else [])
        make(path, lambda unfinished: call([*command, "--output", str(unfinished)], f"making {path.name}"))
    return in_memory(path)


def packed(path):
    """A file as Firehose packs it."""
    archive = path.with_name(f"{path.name}.gz")
    if not archive.exists():
        def pack(unfinished):
            log(f"  making {archive.name}")
            with open(path, "rb") as source, gzip.open(unfinished, "wb", compresslevel=6) as target:
                shutil.copyfileobj(source, target, 1 << 20)

        make(archive, pack)
    return in_memory(archive)


def make(path, write):
    """What is there under its own name is whole."""
    unfinished = path.with_name(f"{path.name}.unfinished")
    write(unfinished)
    unfinished.rename(path)


def in_memory(path):
    """Reads a file once, so that no run has to wait for the disk."""
    with open(path, "rb") as file:
        while file.read(1 << 24):
            pass
    return path
