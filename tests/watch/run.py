"""Edits both functions under `cargo lambda watch` while readings are sent, and audits the rows.

The edit is made in a copy of the sources, in target/watch. It adds to what each handler prints per
invocation, which shows whose answers are those of the new code.
"""

import contextlib
import json
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
WORK = ROOT / "target" / "watch"
SOURCES = WORK / "src"
PROGRAMS = ROOT / "target" / "debug"
# Everything here takes seconds, a build on a busy machine minutes.
WAIT_SECONDS = 600
WINDOW = "5s"

HANDLERS = SOURCES / "crates" / "windrow-lambda" / "src"
# The file of each handler, and a metric that it prints per invocation. The edit adds another one.
EDITS = {
    "aggregator": (HANDLERS / "aggregator" / "handler.rs", "Readings", "intake.readings"),
    "processor": (HANDLERS / "processor" / "handler.rs", "Rows", "row_count"),
}
# Only what the edit changes is built apart from the workspace: without debug information, so that
# nothing takes the edited code for the workspace's own.
EDITED_PACKAGES = ["windrow-lambda", "aggregator", "processor"]
ENVIRONMENT = os.environ | {
    "CARGO_BUILD_BUILD_DIR": str(ROOT / "target"),
    "CARGO_TARGET_DIR": str(WORK / "target"),
    "NO_COLOR": "1",
}


def main():
    copy_sources()
    data = WORK / "data"
    shutil.rmtree(data, ignore_errors=True)
    address = f"127.0.0.1:{free_port()}"
    functions = ["--functions", "cargo-lambda", "--lambda-address", address]
    with local_cloud("local", data, *functions) as (cloud, endpoint):
        with watch(address, endpoint) as log:
            sent = edit_while_readings_are_sent(endpoint, log)
            # Closes the open windows, by the edited functions.
            end(cloud, signal.SIGINT)
    with local_cloud("local-again", data) as (cloud, endpoint):
        audit(endpoint, sent)
        end(cloud, signal.SIGINT)


def copy_sources():
    """Copies the tracked files with their times, by which Cargo tells what is built, except those to edit: an earlier
    run may have built them edited."""
    shutil.rmtree(SOURCES, ignore_errors=True)
    names = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, check=True, capture_output=True).stdout
    for name in os.fsdecode(names).rstrip("\0").split("\0"):
        if (ROOT / name).is_file():
            (SOURCES / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(ROOT / name, SOURCES / name)
    for path, *_ in EDITS.values():
        path.touch()
    # A watch takes nothing above for its own, such as the .gitignore with target/ in it.
    subprocess.run(["git", "init", "--quiet", SOURCES], check=True)
    manifest = SOURCES / "Cargo.toml"
    text = manifest.read_text()
    # The features are those of the whole workspace, which is built.
    text, found = re.subn(r"^default-members = \[.*?^\]\n", "", text, flags=re.MULTILINE | re.DOTALL)
    assert found == 1, "Cargo.toml has no default-members"
    text += "".join(f"\n[profile.dev.package.{package}]\ndebug = false\n" for package in EDITED_PACKAGES)
    manifest.write_text(text)


def edit_while_readings_are_sent(endpoint, log):
    """Returns how many readings were sent."""
    # Few, since a batch that a function has when it is stopped is retried only after a timeout of a minute.
    command = [PROGRAMS / "producer", "--endpoint-url", endpoint, "--unicorns", "5"]
    with running("producer", command) as producer:
        started = time.monotonic()
        for function, (_, metric, _) in EDITS.items():
            until(f"the {function} answers", lambda: answers(log, function, metric))
            edited = answers(log, function, f"{metric}OfNewCode")
            assert edited == 0, f"the {function} is edited already"
        print(f"both functions answered {time.monotonic() - started:.0f} s after the first reading")
        started = time.monotonic()
        for path, metric, value in EDITS.values():
            edit(path, f'("{metric}", Unit::Count, {value}),', f'("{metric}OfNewCode", Unit::Count, {value}),')
        for function, (_, metric, _) in EDITS.items():
            until(f"the edited {function} answers", lambda: answers(log, function, f"{metric}OfNewCode"))
        print(f"both edited functions answered {time.monotonic() - started:.0f} s after the edit")
        end(producer, signal.SIGINT)
    report = (WORK / "producer.log").read_text()
    sent = re.search(r"^sent (\d+) readings, 0 failed$", report, flags=re.MULTILINE)
    if not sent:
        sys.exit(f"error: the producer ended with: {report}")
    return int(sent[1])


def edit(path, before, added):
    """Adds a line after another one."""
    text = path.read_text()
    assert text.count(before) == 1, f"{path} has no line {before}"
    path.write_text(text.replace(before, f"{before} {added}"))


def answers(log, function, metric):
    """How much the function has counted, by the lines that its handler prints per invocation."""
    total = 0
    for line in log().splitlines():
        with contextlib.suppress(ValueError):
            metrics = json.loads(line)
            if isinstance(metrics, dict) and metrics.get("FunctionName") == function:
                total += metrics.get(metric, 0)
    return total


def audit(endpoint, sent):
    """Checks that the rows are those of the log, and that each reading that was sent is in the log."""

    def audited():
        command = [PROGRAMS / "audit", "--endpoint-url", endpoint, "--window", WINDOW, "--settle", "0s"]
        result = subprocess.run(command, capture_output=True, text=True, timeout=WAIT_SECONDS)
        printed = result.stdout + result.stderr
        if result.returncode != 0:
            sys.exit(f"error: the rows are not those of the log: {printed}")
        readings = int(re.findall(r" (\d+) readings?, 0 differ", printed)[-1])
        return readings if readings >= sent else None

    logged = until("the audit has all windows, of which the last ends now", audited)
    command = [PROGRAMS / "consumer", "--endpoint-url", endpoint, "--from", "start", "--format", "lines"]
    command += ["--stream", "wildrydes", "--count", str(logged)]
    read = subprocess.run(command, check=True, capture_output=True, text=True, timeout=WAIT_SECONDS)
    # The producer sends records again whose acknowledgement is late.
    readings = len(set(read.stdout.splitlines()))
    if readings != sent:
        sys.exit(f"error: {sent} readings were acknowledged, but the log has {readings} different ones")
    print(f"{sent} readings were sent, {logged - sent} of them twice, and the rows are exact")


@contextlib.contextmanager
def local_cloud(name, data, *flags):
    """Runs the local cloud. Gives its process and its URL."""
    command = [PROGRAMS / "local", "--port", "0", "--dashboard-port", "0", "--data-dir", data, "--window", WINDOW]
    with running(name, [*command, *flags]) as process:
        log = WORK / f"{name}.log"

        def address():
            if process.poll() is not None:
                sys.exit(f"error: the local cloud exited with {process.returncode}: {log.read_text()}")
            return re.search(r"answer at (http://127\.0\.0\.1:\d+)", log.read_text())

        yield process, until("the local cloud prints its address", address)[1]


@contextlib.contextmanager
def watch(address, endpoint):
    """Runs `cargo lambda watch`. Gives a function that returns what it and the functions have printed."""
    # What this file says overrides the command line.
    settings = SOURCES / "tools" / "local" / "functions.env"
    lines = settings.read_text().splitlines()
    lines = [line for line in lines if not line.startswith("AWS_ENDPOINT_URL=")]
    settings.write_text("\n".join([*lines, f"AWS_ENDPOINT_URL={endpoint}", ""]))
    host, port = address.split(":")
    with running("watch", ["cargo", "lambda", "watch", "-A", host, "-P", port], SOURCES) as process:
        log = WORK / "watch.log"

        def printed():
            if process.poll() is not None:
                sys.exit(f"error: cargo lambda watch exited with {process.returncode}; see {log}")
            return log.read_text(errors="replace")

        yield printed
        end(process, signal.SIGINT)


@contextlib.contextmanager
def running(name, command, folder=ROOT):
    with (WORK / f"{name}.log").open("w") as log:
        process = subprocess.Popen(command, cwd=folder, env=ENVIRONMENT, stdout=log, stderr=log)
        try:
            yield process
        finally:
            # A watch that is killed would leave its builds and functions behind.
            process.send_signal(signal.SIGINT)
            with contextlib.suppress(subprocess.TimeoutExpired):
                process.wait(timeout=30)
            process.kill()
            process.wait()


def end(process, with_signal):
    """Ends a process, which must succeed."""
    process.send_signal(with_signal)
    code = process.wait(timeout=WAIT_SECONDS)
    if code != 0:
        sys.exit(f"error: {process.args[0]} exited with {code}; see {WORK}")


def until(condition, check):
    """Calls `check` until it returns a true value, and returns that."""
    deadline = time.monotonic() + WAIT_SECONDS
    while time.monotonic() < deadline:
        result = check()
        if result:
            return result
        time.sleep(0.2)
    sys.exit(f"error: timed out after {WAIT_SECONDS} s waiting until {condition}; see {WORK}")


def free_port():
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return listener.getsockname()[1]


if __name__ == "__main__":
    main()
