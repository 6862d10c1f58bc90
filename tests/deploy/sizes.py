"""Prints the zipped size of each built function. Fails if one exceeds 4 MB.

Takes the output folder of `sam build`, whose name is the architecture.
"""

import io
import pathlib
import sys
import zipfile

from template import built_functions

LIMIT = 4_000_000


def main():
    build = pathlib.Path(sys.argv[1])
    for function in built_functions(build):
        bootstrap = (build / function / "bootstrap").read_bytes()
        archive = io.BytesIO()
        with zipfile.ZipFile(archive, "w", zipfile.ZIP_DEFLATED) as zipped:
            zipped.writestr("bootstrap", bootstrap)
        size = archive.tell()
        print(f"{function}: {size / 1e6:.2f} MB zipped, {len(bootstrap) / 1e6:.2f} MB for {build.name}")
        if size > LIMIT:
            sys.exit(f"{function}: exceeds {LIMIT / 1e6:.0f} MB")


if __name__ == "__main__":
    main()
