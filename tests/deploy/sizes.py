"""Prints the zipped size of each built function. Fails if one exceeds 4 MB or is for another architecture.

Takes the output folder of `sam build`, whose name is the architecture.
"""

import io
import pathlib
import sys
import zipfile

from template import built_functions

LIMIT = 4_000_000
# Bytes 18 and 19 of an ELF file name the machine.
MACHINES = {"arm64": 0xB7, "x86_64": 0x3E}


def main():
    build = pathlib.Path(sys.argv[1])
    for function in built_functions(build):
        bootstrap = (build / function / "bootstrap").read_bytes()
        if bootstrap[:4] != b"\x7fELF" or bootstrap[18] != MACHINES[build.name]:
            sys.exit(f"{function}: its bootstrap is not for {build.name}")
        archive = io.BytesIO()
        with zipfile.ZipFile(archive, "w", zipfile.ZIP_DEFLATED) as zipped:
            zipped.writestr("bootstrap", bootstrap)
        size = archive.tell()
        print(f"{function}: {size / 1e6:.2f} MB zipped, {len(bootstrap) / 1e6:.2f} MB for {build.name}")
        if size > LIMIT:
            sys.exit(f"{function}: exceeds {LIMIT / 1e6:.0f} MB")


if __name__ == "__main__":
    main()
