"""The files that fuzzers have found are read again, and so are mutants of them."""

import sys
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from scale import scaled

FUZZ = Path(__file__).parent / "fuzz"
sys.path.insert(0, str(FUZZ))

from loading import READERS  # noqa: E402

FILES = {name: sorted((FUZZ / "corpus" / name).iterdir()) for name in READERS}


@pytest.mark.parametrize(
    "path", [path for files in FILES.values() for path in files], ids=lambda path: "/".join(path.parts[-2:])
)
def test_a_file_of_the_corpus_is_read_or_refused(path, tmp_path):
    copy = tmp_path / path.name
    copy.write_bytes(path.read_bytes())
    READERS[path.parent.name](copy)


@pytest.mark.parametrize("name", READERS)
def test_mutants_of_the_corpus_are_read_or_refused(name, tmp_path_factory):
    """Bytes are changed, inserted, removed and doubled where any of a file's bytes are."""
    path = tmp_path_factory.mktemp("mutants") / "mutant"
    pieces = st.tuples(st.integers(0, 2**16), st.integers(0, 8), st.binary(max_size=8))

    @settings(max_examples=scaled(100))
    @given(st.sampled_from(FILES[name]), st.lists(pieces, min_size=1, max_size=4))
    def read(file, changes):
        content = file.read_bytes()
        for at, removed, inserted in changes:
            at %= len(content) + 1
            content = content[:at] + inserted + content[at + removed :]
        path.write_bytes(content)
        READERS[name](path)

    read()
