"""Importing latentknn needs NumPy alone, and works before and after other libraries."""

from __future__ import annotations

import pytest

from new_interpreter import run_script


def test_import_needs_only_numpy():
    script = """
        import sys
        import latentknn
        loaded = {name.partition(".")[0] for name in sys.modules}
        heavy = {"sklearn", "scipy", "tensorflow", "keras", "faiss", "matplotlib", "joblib"}
        heavy |= {"ray", "rich", "typer"}
        print(*sorted(loaded & heavy))
    """
    assert run_script(script) == "\n"


@pytest.mark.parametrize("first", ["latentknn", "other"])
@pytest.mark.parametrize("other", ["tensorflow", "faiss", "sklearn.neighbors"])
def test_import_beside(other, first):
    script = """
        import importlib, sys
        names = ["latentknn", sys.argv[1]] if sys.argv[2] == "latentknn" else [sys.argv[1], "latentknn"]
        modules = [importlib.import_module(name) for name in names]
        import cases, latentknn as lk, reference
        from checking import assert_same_bytes
        codes, queries = cases.build("denormals", 0, 300, 30, 21)
        expected = reference.search(codes, queries, 10)
        assert_same_bytes(lk.CosineIndex.from_codes(codes).search(queries, 10, scores64=True), expected)
    """
    run_script(script, other, first)
