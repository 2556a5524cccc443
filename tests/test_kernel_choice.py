"""The choice of a kernel: the fastest of this CPU, or the one that LATENTKNN_ISA names."""

from __future__ import annotations

import numpy as np
import pytest

import latentknn as lk
from latentknn import _core


def test_kernel_is_chosen_when_an_index_is_built(monkeypatch):
    slowest = _core.available_isas()[0]
    monkeypatch.setenv("LATENTKNN_ISA", slowest)
    index = lk.CosineIndex.from_codes(np.eye(3))
    monkeypatch.delenv("LATENTKNN_ISA")
    assert index.isa == slowest
    before = _core.searches_by_isa()
    index.search(np.eye(3), 1)
    after = _core.searches_by_isa()
    assert {isa for isa in after if after[isa] != before[isa]} == {slowest}


def test_best_kernel_by_default(monkeypatch):
    monkeypatch.delenv("LATENTKNN_ISA", raising=False)
    assert lk.CosineIndex(3).isa == _core.available_isas()[-1]


@pytest.mark.parametrize("name", ["avx1024", "AVX2 ", "-", "auto!"])
def test_an_unknown_kernel_is_refused(monkeypatch, name):
    monkeypatch.setenv("LATENTKNN_ISA", name)
    with pytest.raises((ValueError, RuntimeError), match="LATENTKNN_ISA"):
        lk.CosineIndex.from_codes(np.eye(3))


def test_a_kernel_that_this_cpu_lacks_is_refused(monkeypatch):
    elsewhere = "neon" if "neon" not in _core.available_isas() else "avx512"
    monkeypatch.setenv("LATENTKNN_ISA", elsewhere)
    with pytest.raises((ValueError, RuntimeError), match=f"LATENTKNN_ISA.*{elsewhere}"):
        lk.CosineIndex.from_codes(np.eye(3))
