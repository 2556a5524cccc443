"""A check that the wheel imports and answers, for an environment of its dependencies alone."""

import shutil
import sys
from pathlib import Path

import numpy as np

import latentknn as lk
from latentknn import _core

assert "site-packages" in lk.__file__, lk.__file__
assert not {"sklearn", "tensorflow", "faiss", "matplotlib"} & set(sys.modules), "import latentknn is not lazy"
assert Path(lk.__file__).with_name("pages").joinpath("templates", "page.html").is_file(), (
    "templates are missing"
)
codes = np.random.default_rng(0).standard_normal((1000, 24))
expected = np.argmax(codes @ (codes / np.linalg.norm(codes, axis=1, keepdims=True)).T, axis=1)
for strategy in _core.strategy_names():
    index = lk.CosineIndex.from_codes(codes, strategy=strategy)
    assert np.array_equal(index.search(codes, k=1).ids[:, 0], expected), strategy
if shutil.which("nvcc"):
    from latentknn import _cuda

    assert len(_cuda.devices()) == 2
print(f"the wheel answers; kernels on this processor: {', '.join(_core.available_isas())}")
