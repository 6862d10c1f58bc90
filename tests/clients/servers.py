"""Servers in processes of their own, on 127.0.0.1."""

import contextlib
import os
import pathlib
import re
import socket
import subprocess
import sys
import tempfile
import time

import boto3

ROOT = pathlib.Path(__file__).resolve().parents[2]
WORK = ROOT / "target" / "clients"
WAIT_SECONDS = 60
# Fake credentials: clients require some, and must not find real ones.
ENVIRONMENT = {
    "AWS_ACCESS_KEY_ID": "test",
    "AWS_SECRET_ACCESS_KEY": "test",
    "AWS_DEFAULT_REGION": "us-east-1",
    "AWS_REGION": "us-east-1",
    "AWS_CONFIG_FILE": "/dev/null",
    "AWS_SHARED_CREDENTIALS_FILE": "/dev/null",
    "AWS_EC2_METADATA_DISABLED": "true",
    "PYTHONDONTWRITEBYTECODE": "1",
}


@contextlib.contextmanager
def local_cloud(programs):
    """Runs our local cloud, with empty streams. Gives its URL."""
    with tempfile.TemporaryDirectory() as folder:
        command = [programs / "local", "--port", "0", "--dashboard-port", "0", "--data-dir", folder]
        with running("local", command) as log:
            url = until("the local cloud prints its address", lambda: re.search(r"http://127\.0\.0\.1:\d+", log()))
            yield url[0]


@contextlib.contextmanager
def listening(name, command, environment=None):
    """Runs a server of Kinesis: `command` takes a port and returns the command. Gives the server's URL."""
    port = free_port()
    with running(name, command(port), environment) as log:
        url = f"http://127.0.0.1:{port}"
        until(f"{name} responds", lambda: responds(url, log))
        yield url


@contextlib.contextmanager
def running(name, command, environment=None):
    """Runs a program. Gives a function that returns what it has printed, and exits if it has ended."""
    WORK.mkdir(parents=True, exist_ok=True)
    path = WORK / f"{name}.log"
    with path.open("w") as output:
        process = subprocess.Popen(command, env=os.environ | (environment or {}), stdout=output, stderr=output)

        def log():
            if process.poll() is not None:
                sys.exit(f"{name} exited with {process.returncode}: {path.read_text()}")
            return path.read_text()

        try:
            yield log
        finally:
            process.terminate()
            try:
                process.wait(timeout=30)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()


def free_port():
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return listener.getsockname()[1]


def responds(url, log):
    log()
    try:
        return boto3.client("kinesis", endpoint_url=url).list_streams()
    except Exception:
        return None


def until(condition, check, seconds=WAIT_SECONDS):
    """Calls `check` until it returns a true value, and returns that. Exits after `seconds`."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        result = check()
        if result:
            return result
        time.sleep(0.05)
    sys.exit(f"timed out after {seconds} s waiting until {condition}")
