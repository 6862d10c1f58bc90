"""The suite that runs the deployed binaries under a Runtime API: bootstrap."""

import base64
import http.server
import json
import os
import re
import shutil
import socket
import subprocess
import threading
import time
import tomllib
import zipfile

from . import tools
from .report import Target, table, verdict
from .tools import ROOT, WORK, Failure, log, median

FUNCTIONS = ["aggregator", "processor"]
STARTS, INVOKES, RECORDS = 30, 100, 1_000
# The limit in tests/deploy/sizes.py, zipped.
ZIP_MB = 4
# Milliseconds to the first poll, and MB resident after the invocations, at most.
START_MILLIS, RESIDENT_MB = 8, 16
LIMIT = 10.0


def build(options):
    """Builds both functions like template.yaml if cargo-lambda is installed. Returns their zips by name, and a
    description of the binaries."""
    folder = WORK / "lambda"
    cargo_lambda = ROOT / "target" / "deploy" / "tools" / "bin" / "cargo-lambda"
    found = str(cargo_lambda) if cargo_lambda.exists() else shutil.which("cargo-lambda")
    zips, description = {}, "the x86_64 binaries that are deployed" if found else "binaries for this machine, built without cargo-lambda"
    if options.no_build:
        description = "the binaries of the last build"
    for name in FUNCTIONS:
        zips[name] = folder / name / "bootstrap.zip"
        if options.no_build:
            continue
        flags = ["--package", name, "--bin", name] + (["--no-default-features"] if name == "aggregator" else [])
        if found:
            command = [found, "lambda", "build", "--release", "--x86-64", "--locked", "--output-format", "zip"]
            path = f"{ROOT / 'target/deploy/tools/bin'}:{os.environ['PATH']}"
            environment = {**os.environ, "PATH": path}
            tools.call([*command, "--lambda-dir", str(folder), *flags], f"cargo lambda build {name}", env=environment)
            continue
        settings = tomllib.loads((ROOT / "CargoLambda.toml").read_text())["build"]["config"]
        flags += [f"--config={setting}" for setting in settings]
        tools.call(["cargo", "build", "--release", "--locked", "--quiet", *flags], f"building {name} for release")
        zips[name].parent.mkdir(parents=True, exist_ok=True)
        pack(tools.RELEASE / name, zips[name])
    return zips, description


def pack(binary, target):
    with zipfile.ZipFile(target, "w", zipfile.ZIP_DEFLATED, compresslevel=9) as archive:
        archive.write(binary, "bootstrap")


def unpack(name, zipped):
    """Extracts the binary from the zip. Without a zip, packs the binary of an earlier `sam build`."""
    zipped.parent.mkdir(parents=True, exist_ok=True)
    if not zipped.exists():
        earlier = ROOT / "target" / "lambda" / name / "bootstrap"
        if not earlier.exists():
            raise Failure(f"{zipped} does not exist: run without --no-build")
        log(f"  using {earlier} of an earlier build")
        pack(earlier, zipped)
    with zipfile.ZipFile(zipped) as archive:
        archive.extract("bootstrap", zipped.parent)
    binary = zipped.parent / "bootstrap"
    binary.chmod(0o755)
    return binary


def start(binary, name, port):
    """Starts a function as Lambda does, with an AWS endpoint that has no listener."""
    variables = {
        "PATH": "/usr/local/bin:/usr/bin:/bin", "LANG": "en_US.UTF-8", "TZ": ":UTC", "_HANDLER": "bootstrap",
        "AWS_LAMBDA_RUNTIME_API": f"127.0.0.1:{port}", "AWS_LAMBDA_FUNCTION_NAME": f"wildrydes-{name}",
        "AWS_LAMBDA_FUNCTION_VERSION": "$LATEST", "AWS_LAMBDA_FUNCTION_MEMORY_SIZE": "256", "AWS_LAMBDA_LOG_FORMAT": "Text",
        "AWS_LAMBDA_INITIALIZATION_TYPE": "on-demand", "AWS_LAMBDA_LOG_GROUP_NAME": f"/aws/lambda/wildrydes-{name}",
        "AWS_LAMBDA_LOG_STREAM_NAME": "local", "AWS_REGION": "us-east-1", "AWS_DEFAULT_REGION": "us-east-1",
        "AWS_ACCESS_KEY_ID": "local", "AWS_SECRET_ACCESS_KEY": "local", "AWS_SESSION_TOKEN": "local",
        "AWS_ENDPOINT_URL": "http://127.0.0.1:9", "SUMMARY_STREAM": "wildrydes-summary", "REJECTS_STREAM": "wildrydes-rejects",
        "TABLE_NAME": "UnicornSensorData",
    }
    quiet = {"stdin": subprocess.DEVNULL, "stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
    return subprocess.Popen([str(binary)], env=variables, **quiet)


def kill(process):
    process.kill()
    process.wait()


def first_poll(binary, name):
    """Milliseconds from just before exec to the first request for an event."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        server.settimeout(LIMIT)
        began = time.monotonic()
        process = start(binary, name, server.getsockname()[1])
        try:
            connection, _ = server.accept()
            with connection:
                connection.settimeout(LIMIT)
                request = connection.recv(4096)
                took = (time.monotonic() - began) * 1e3
        except TimeoutError:
            raise Failure(f"{name} did not request an event") from None
        finally:
            kill(process)
    if not request.startswith(b"GET /2018-06-01/runtime/invocation/next "):
        raise Failure(f"{name} sent another request first: {request[:80]!r}")
    return took


def events(lines):
    """The events of a window's invocations, without their states."""
    source = {"eventSource": "aws:kinesis", "eventVersion": "1.0", "eventName": "aws:kinesis:record", "awsRegion": "us-east-1"}
    source["invokeIdentityArn"] = "arn:aws:iam::000000000000:role/aggregator"
    source["eventSourceARN"] = "arn:aws:kinesis:us-east-1:000000000000:stream/wildrydes"
    number = 0
    for _ in range(INVOKES):
        records = []
        for line in lines[number:number + RECORDS]:
            sequence = f"4959033827149025660855969253836157109592157598{number:010}"
            kinesis = {"kinesisSchemaVersion": "1.0", "partitionKey": json.loads(line)["Name"], "sequenceNumber": sequence}
            kinesis |= {"data": base64.b64encode(line).decode(), "approximateArrivalTimestamp": 1795165230.5}
            records.append({"kinesis": kinesis, "eventID": f"shardId-000000000000:{sequence}", **source})
            number += 1
        yield {
            "Records": records, "shardId": "shardId-000000000000", "eventSourceARN": source["eventSourceARN"],
            "window": {"start": "2026-11-20T09:00:00Z", "end": "2026-11-20T09:01:00Z"},
            "isFinalInvokeForWindow": False, "isWindowTerminatedEarly": False,
        }


class RuntimeApi(http.server.BaseHTTPRequestHandler):
    """Serves the events, each with the state returned by the previous invocation."""

    protocol_version = "HTTP/1.1"
    # Send each response immediately, without waiting for the acknowledgement of the previous one.
    disable_nagle_algorithm = True
    wbufsize = -1

    def do_GET(self):
        event = next(self.server.events, None)
        if event is None:
            self.server.done.set()
            # The process is measured and killed while it waits.
            threading.Event().wait(LIMIT)
            return
        event["state"] = self.server.state
        headers = {
            "Lambda-Runtime-Aws-Request-Id": "00000000-0000-4000-8000-000000000000",
            "Lambda-Runtime-Deadline-Ms": str(int(time.time() * 1000) + 60_000),
            "Lambda-Runtime-Invoked-Function-Arn": "arn:aws:lambda:us-east-1:000000000000:function:wildrydes-aggregator",
        }
        self.respond(200, json.dumps(event).encode(), headers)

    def do_POST(self):
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        if not self.path.endswith("/response"):
            self.server.problem = f"{self.path}: {body[:300]!r}"
            self.server.done.set()
        else:
            self.server.state = json.loads(body)["state"]
        self.respond(202, b'{"status":"OK"}', {})

    def respond(self, status, body, headers):
        self.send_response(status)
        for name, value in {**headers, "Content-Type": "application/json", "Content-Length": str(len(body))}.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_):
        pass


def memory(binary, lines):
    """Current and peak resident MB after a window's invocations, and the bytes of its state."""
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), RuntimeApi)
    server.daemon_threads = True
    server.events, server.state, server.problem, server.done = events(lines), {}, None, threading.Event()
    threading.Thread(target=server.serve_forever, daemon=True).start()
    process = start(binary, "aggregator", server.server_address[1])
    try:
        if not server.done.wait(120) or server.problem:
            raise Failure(f"the aggregator did not complete its invocations: {server.problem or 'no response in time'}")
        with open(f"/proc/{process.pid}/status", encoding="utf-8") as file:
            status = file.read()
    finally:
        kill(process)
        server.shutdown()
        server.server_close()
    resident, highest = (int(re.search(rf"{key}:\s*(\d+)", status).group(1)) / 1024 for key in ("VmRSS", "VmHWM"))
    return resident, highest, len(json.dumps(server.state))


def bootstrap_suite(options):
    zips, description = build(options)
    binaries = {name: unpack(name, zipped) for name, zipped in zips.items()}
    times = {name: [] for name in FUNCTIONS}
    log(f"  {STARTS} starts of each")
    for number in range(STARTS + 1):
        for name in FUNCTIONS:
            took = first_poll(binaries[name], name)
            if number > 0:
                times[name].append(took)
    needed = INVOKES * RECORDS
    data = tools.readings(needed, 1_000, minutes=1)
    with open(data, "rb") as file:
        lines = file.readlines()
    log(f"  {INVOKES} invocations of {RECORDS:,} records")
    resident, highest, state = memory(binaries["aggregator"], lines)
    rows, targets = [], []
    for name in FUNCTIONS:
        took, zipped, size = times[name], zips[name].stat().st_size, binaries[name].stat().st_size
        rows.append([name, f"{median(took):.1f} ({min(took):.1f} to {max(took):.1f})", f"{zipped / 1e6:.2f}", f"{size / 1e6:.2f}"])
        targets.append(Target(f"{name}, ms to the first poll", f"at most {START_MILLIS}", f"{median(took):.1f}", median(took) <= START_MILLIS))
        targets.append(Target(f"{name}, MB zipped", f"at most {ZIP_MB}", f"{zipped / 1e6:.2f}", zipped <= ZIP_MB * 1e6))
    targets.append(Target("aggregator, MB resident after its invocations", f"at most {RESIDENT_MB}", f"{resident:.1f}", resident <= RESIDENT_MB))
    text = verdict(targets) + "\n" + table(["", "ms from exec to the first poll (lowest to highest)", "MB zipped", "MB"], rows)
    text += f"\n{STARTS} starts each of {description}, under a Runtime API on the same machine; the time "
    text += "includes the fork. "
    text += f"After {INVOKES} invocations of {RECORDS:,} records each for one window, with 1,000 unicorns in total and a final state of "
    return text + f"{state / 1000:,.0f} KB, the aggregator had {resident:.1f} MB resident and {highest:.1f} MB at its peak.\n"
