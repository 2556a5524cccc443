"""A small search of every kind on a CUDA device, for compute-sanitizer."""

import numpy as np

import latentknn as lk

rng = np.random.default_rng(0)
codes, queries = rng.standard_normal((2500, 40), np.float32), rng.standard_normal((130, 40), np.float32)
found, exact = (lk.CosineIndex.from_codes(codes, engine=engine) for engine in ("cuda", "cpu"))
allowed = np.arange(2500) % 2 == 0
for search in (
    lambda index: index.search(queries, 10),
    lambda index: index.search(queries, 10, allowed=allowed),
    lambda index: index.search(queries[:3], 2100),
    lambda index: index.search_self(5),
):
    assert search(found).ids.tobytes() == search(exact).ids.tobytes()
print("the same ids")
