"""Searches on an emulated processor that has the least that x86-64 wheels of NumPy ask for."""

from __future__ import annotations

import platform
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from new_interpreter import HANG

EMULATOR = shutil.which("qemu-x86_64")

SCRIPT = """
import cases, reference
from checking import assert_same_bytes
from latentknn import CosineIndex, _core

assert _core.available_isas() == ["baseline"]
for kind, dim, k in (("denormals", 33, 10), ("mixture", 8, 300)):
    codes, queries = cases.build(kind, 0, 700, 20, dim)
    expected = reference.search(codes, queries, k)
    for strategy in _core.strategy_names():
        index = CosineIndex.from_codes(codes, strategy=strategy, threads=2)
        assert index.isa == "baseline"
        assert_same_bytes(index.search(queries, k, scores64=True), expected)
print("exact")
"""


@pytest.mark.skipif(
    EMULATOR is None or platform.machine() != "x86_64", reason="needs qemu-user, which Debian has, on x86-64"
)
def test_searches_are_exact_on_the_oldest_processor():
    """The processor has no AVX: one of its instructions outside of its kernels would end the process."""
    done = subprocess.run(
        [EMULATOR, "-cpu", "Nehalem", sys.executable, "-c", SCRIPT],
        cwd=Path(__file__).parent,
        capture_output=True,
        text=True,
        timeout=3 * HANG,
        check=False,
    )
    assert (done.returncode, done.stdout) == (0, "exact\n"), done.stderr
