"""Searches are exact beside other libraries, in whichever order a process imports and uses them."""

from __future__ import annotations

from importlib.util import find_spec
from itertools import permutations

import pytest

from new_interpreter import run_script
from scale import SCALE

LIBRARIES = [
    name
    for name in ("latentknn", "tensorflow", "faiss", "sklearn.neighbors", "torch")
    if find_spec(name.partition(".")[0])
]
MIDDLE = [*LIBRARIES[1:3], "latentknn", *LIBRARIES[3:]]

# Of any two libraries, each comes before the other in one of two opposite orders.
ORDERS = list(permutations(LIBRARIES)) if SCALE >= 10 else [MIDDLE, MIDDLE[::-1]]

SCRIPT = """
import os, sys
os.environ["TF_CPP_MIN_LOG_LEVEL"] = "2"
from importlib import import_module
import numpy as np

names = sys.argv[1:]
modules = {name: import_module(name) for name in names}

import cases, reference
from checking import assert_same_bytes
from latentknn import CosineIndex, _core

codes, queries = cases.build("denormals", 0, 700, 40, 33)
expected = reference.search(codes, queries, 10)


def check():
    for strategy in _core.strategy_names():
        index = CosineIndex.from_codes(codes, strategy=strategy, threads=2)
        assert_same_bytes(index.search(queries, 10, scores64=True), expected)


def use_faiss(faiss):
    index = faiss.IndexFlatIP(codes.shape[1])
    index.add(codes)
    index.search(queries, 10)


USES = {
    "latentknn": lambda module: check(),
    "tensorflow": lambda tf: tf.linalg.matmul(queries, codes, transpose_b=True).numpy(),
    "faiss": use_faiss,
    "sklearn.neighbors": lambda sklearn: sklearn.NearestNeighbors(metric="cosine").fit(codes).kneighbors(),
    "torch": lambda torch: (torch.from_numpy(queries) @ torch.from_numpy(codes).T).topk(10),
}
# The threads of each are there now, and what each has set for the whole process.
for name, module in modules.items():
    USES[name](module)
    check()
"""


@pytest.mark.parametrize("order", ORDERS, ids="-".join)
def test_searches_are_exact_beside_libraries_in_any_order(order):
    run_script(SCRIPT, *order)
