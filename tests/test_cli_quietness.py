"""What libraries write to the error output by themselves."""

from __future__ import annotations

import textwrap

import pytest

from new_interpreter import run_python

WRITE = """
import os, sys
from latentknn.cli.quietness import errors_held_back, import_tensorflow, import_umap

def write_as_a_library():
    os.write(2, b"a line of C++\\n")
    print("a line of Python", file=sys.stderr, flush=True)
"""


def errors_of(script):
    """Return what a script leaves on the error output."""
    status, _, errors = run_python("-c", WRITE + textwrap.dedent(script))
    assert status == 0, errors
    return errors


def test_lines_of_libraries_are_held_back():
    script = """
        with errors_held_back() as real:
            write_as_a_library()
            print("progress", file=real, flush=True)
        print("afterwards", file=sys.stderr)
    """
    assert errors_of(script) == "progress\nafterwards\n"


@pytest.mark.parametrize("error", ["ImportError", "KeyboardInterrupt", "ValueError"])
def test_they_are_shown_where_a_library_cannot_be_imported_alone(error):
    script = f"""
        try:
            with errors_held_back():
                write_as_a_library()
                raise {error}
        except {error}:
            print("afterwards", file=sys.stderr)
    """
    held = "a line of C++\na line of Python\n" if error == "ImportError" else ""
    assert errors_of(script) == f"{held}afterwards\n"


def test_tensorflow_is_imported_in_silence():
    script = """
        import_tensorflow()
        assert "tensorflow" in sys.modules
        import_tensorflow()
    """
    assert errors_of(script) == ""


def test_umap_is_imported_in_silence():
    pytest.importorskip("umap")
    script = """
        import_umap()
        assert "umap" in sys.modules
        import_umap()
    """
    assert errors_of(script) == ""
