"""Builds the functions of a template with `sam build`.

Takes the template's folder, and the output folder, whose name is the architecture. Those for arm64 are built
without optimisation and without SAM: that takes a quarter of the time, and says whether they compile and link.

SAM runs cargo-lambda for one function after the other, and most of that is a link that uses one core. So this
first builds all binaries of a package at once, with the same options. SAM finds them built.
"""

import collections
import pathlib
import subprocess
import sys
import time

from template import load, of_type


def main():
    folder, output = (pathlib.Path(path).resolve() for path in sys.argv[1:])
    template = load(folder / "template.yaml")
    common = template["Globals"]["Function"]
    binaries = collections.defaultdict(list)
    for function in of_type(template, "AWS::Serverless::Function").values():
        package = folder / (common | function["Properties"])["CodeUri"]
        binaries[package] += ["--bin", function["Metadata"]["BuildProperties"]["Binary"]]
    if output.name == "arm64":
        for package, chosen in binaries.items():
            run(["cargo", "lambda", "build", "--arm64", "--lambda-dir", output, *chosen], package)
        return
    for package, chosen in binaries.items():
        run(["cargo", "lambda", "build", "--release", *chosen], package)
    run(["sam", "build", "--build-dir", output, "--parameter-overrides", f"Architecture={output.name}"], folder)


def run(command, folder):
    started = time.monotonic()
    print("$", *command, flush=True)
    result = subprocess.run(command, cwd=folder)
    print(f"{time.monotonic() - started:.0f} s", flush=True)
    if result.returncode != 0:
        sys.exit(result.returncode)


if __name__ == "__main__":
    main()
