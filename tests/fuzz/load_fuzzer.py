"""Fuzz what reads files, guided by the coverage of latentknn's own Python; needs atheris.

python tests/fuzz/load_fuzzer.py index|idx FOLDER [options of libFuzzer]
"""

import sys
import tempfile
from pathlib import Path

import atheris

with atheris.instrument_imports(include=["latentknn"]):
    from loading import READERS


def main() -> None:
    reader = READERS[sys.argv[1]]
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "tried"

        def read(content: bytes) -> None:
            path.write_bytes(content)
            reader(path)

        atheris.Setup([sys.argv[0], *sys.argv[2:]], read)
        atheris.Fuzz()


if __name__ == "__main__":
    main()
