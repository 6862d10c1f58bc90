"""Runs the cases with one client, and says which answers differ from what is expected."""

import json
import os
import pathlib
import queue
import subprocess
import sys
import threading
import time
from dataclasses import dataclass

import wire
from matching import MISSING, Match, filled, picked, problem
from steps import CLIENTS
from times import Millis

HERE = pathlib.Path(__file__).resolve().parent
COMMANDS = {
    "boto3": [sys.executable, HERE / "drivers" / "boto3_client.py"],
    "cli": [sys.executable, HERE / "drivers" / "cli_client.py"],
    "cbor": [sys.executable, HERE / "drivers" / "cbor_client.py"],
    "js": ["node", "drivers/js/client.mjs"],
}
assert set(COMMANDS) == set(CLIENTS)
CALL_SECONDS = 30
# How long a step is repeated until its answer is as expected.
UNTIL_SECONDS = 20


@dataclass(frozen=True)
class Result:
    """What became of a case: `problem` is `None` if every step was as expected."""

    client: str
    group: str
    case: str
    problem: str | None


class Failed(Exception):
    """A step's answer is not as expected."""


class Driver:
    """A client in a process of its own, which is started by the first call and after each that has no answer."""

    def __init__(self, client, endpoint, log):
        self.command = [*COMMANDS[client], endpoint]
        self.log = log
        self.process = None

    def call(self, service, operation, arguments):
        if self.process is None:
            self.start()
        line = wire.encoded({"service": service, "operation": operation, "arguments": arguments})
        try:
            self.process.stdin.write(line + "\n")
            self.process.stdin.flush()
            answer = self.answers.get(timeout=CALL_SECONDS)
        except (queue.Empty, OSError):
            answer = ""
        if not answer:
            self.stop()
            return {"error": "no answer", "message": f"within {CALL_SECONDS} s"}
        return wire.decoded(answer)

    def start(self):
        environment = os.environ | {"PYTHONPATH": str(HERE)}
        pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "stderr": self.log}
        self.process = subprocess.Popen(self.command, cwd=HERE, env=environment, text=True, **pipes)
        # Each process has a queue of its own, so no answer of an earlier one is taken for a later one's.
        self.answers = queue.Queue()
        threading.Thread(target=forward, args=(self.process.stdout, self.answers), daemon=True).start()

    def stop(self):
        if self.process is not None:
            self.process.kill()
            self.process.wait()
            self.process = None


def forward(lines, answers):
    for line in lines:
        answers.put(line)
    answers.put("")


def run(client, endpoint, groups, log):
    """Runs all cases that the client can do."""
    driver = Driver(client, endpoint, log)
    names = (f"{client}-{os.getpid()}-{number}" for number in range(1_000_000))
    try:
        for group in groups:
            if client in group.clients:
                yield from run_group(driver, client, group, names)
    finally:
        driver.stop()


def run_group(driver, client, group, names):
    cases = [case for case in group.cases if client in case.clients]
    variables = {"shared": next(names)}
    broken = problem_of(driver, group.setup, variables | {"stream": variables["shared"]}, variables)
    for case in cases:
        if broken:
            yield Result(client, group.name, case.name, f"setup: {broken}")
            continue
        # What a case saves is its own.
        own = variables | {"stream": next(names)}
        yield Result(client, group.name, case.name, problem_of(driver, case.steps, own, own))
        delete_streams(driver, case.steps, own)
    delete_streams(driver, group.setup, variables | {"stream": variables["shared"]})


def problem_of(driver, steps, variables, saved):
    """Runs steps. What they save is added to both `variables` and `saved`."""
    for step in steps:
        try:
            for _ in range(step.times):
                found = run_step(driver, step, variables)
            variables |= found
            saved |= found
        except Failed as failure:
            return str(failure)
    return None


def delete_streams(driver, steps, variables):
    """Deletes the streams that steps created, so that they do not count against the limit of shards."""
    for step in steps:
        if step.operation == "CreateStream" and not step.error:
            name = filled(step.arguments["StreamName"], variables)
            driver.call("kinesis", "DeleteStream", {"StreamName": name, "EnforceConsumerDeletion": True})


def run_step(driver, step, variables):
    """Makes the calls of a step. Returns the variables that it saves."""
    service, _, operation = step.operation.rpartition(".")
    service = service or "kinesis"
    arguments = filled(step.arguments, variables)
    end = time.monotonic() + UNTIL_SECONDS
    pages = []
    pause = 0.01
    while True:
        before = now()
        answer = driver.call(service, operation, arguments)
        around = {"before": before, "after": now()}
        if step.gather and "answer" in answer:
            pages += answer["answer"].get(step.gather) or []
            answer["answer"][step.gather] = list(pages)
        reason = difference(step, answer, variables | around)
        if reason is None:
            break
        if time.monotonic() > end or not can_change(step, answer):
            raise Failed(f"{operation}: {reason}")
        arguments = next_arguments(step, arguments, answer)
        # The pause grows, so that a slow server is not slowed down further.
        time.sleep(pause)
        pause = min(pause * 1.5, 0.5)
    found = around | answer.get("answer", {})
    try:
        return {name: picked(found, path) for name, path in step.save.items()}
    except (KeyError, IndexError, TypeError):
        raise Failed(f"{operation}: the answer lacks {', '.join(step.save.values())}: {shown(answer)}") from None


def now():
    return Millis(time.time() * 1000)


def difference(step, answer, variables):
    """How an answer differs from what a step expects, as text, or `None`."""
    if step.error:
        expected = [step.error] if isinstance(step.error, str) else step.error
        if answer.get("error") in expected:
            return None
        return f"expected {' or '.join(expected)}, got {shown(answer)}"
    if "error" in answer:
        return f"expected an answer, got {shown(answer)}"
    found = problem(step.expect, answer["answer"], variables)
    if found is None:
        return None
    path, expected, value = found
    expected = filled(repr(expected) if isinstance(expected, Match) else expected, variables)
    return f"expected {path or 'the answer'}: {shown(expected)}, got {shown(value)}"


def can_change(step, answer):
    """Whether another call, perhaps of the next page, can have the expected answer."""
    if step.until:
        return True
    if not step.follow:
        return False
    if "error" in answer:
        # Reads that came too fast.
        return answer["error"] == "ProvisionedThroughputExceededException"
    expected = step.expect.get(step.gather)
    if isinstance(expected, list) and len(answer["answer"][step.gather]) > len(expected):
        return False
    return any(answer["answer"].get(name) for name in step.follow.values())


def next_arguments(step, arguments, answer):
    if not step.follow or "error" in answer:
        return arguments
    tokens = {name: answer["answer"].get(field) for name, field in step.follow.items()}
    if not all(tokens.values()):
        return arguments
    return tokens | {name: arguments[name] for name in step.keep}


def shown(value):
    """A value as short text."""
    if isinstance(value, dict) and "error" in value:
        return f"{value['error']} ({' '.join(value.get('message', '').split())[:120]})"
    if isinstance(value, dict) and set(value) == {"answer"}:
        value = value["answer"]
    if isinstance(value, str) or value is MISSING:
        return str(value)
    text = json.dumps(value, default=repr, ensure_ascii=False)
    return text if len(text) <= 200 else f"{text[:200]}..."
