"""Small searches of every kind on a CUDA device, for compute-sanitizer."""

import numpy as np

import latentknn as lk
from latentknn.engines.cuda_engine import import_cuda

rng = np.random.default_rng(0)
# More blocks of work than a device has multiprocessors.
codes, queries = rng.standard_normal((20_000, 40), np.float32), rng.standard_normal((4_000, 40), np.float32)
codes[1::9] = codes[::9][: len(codes[1::9])]
ids = rng.permutation(len(codes))
# The last has memory for about half of the codes: the others are brought for every search.
engines = ("cpu", "cuda", lk.CudaEngine([0], memory=4 << 20))
indexes = [lk.CosineIndex.from_codes(codes[:9000], ids=ids[:9000], engine=each) for each in engines]
for index in indexes:
    index.add(codes[9000:], ids=ids[9000:])
    index.remove(ids[::10])
exact, *others = indexes
allowed = np.arange(len(exact)) % 2 == 0
for search in (
    lambda index: index.search(queries, 10, scores64=True),
    lambda index: index.search(queries, 10, allowed=allowed, scores64=True),
    lambda index: index.search(queries[:3], 2100, scores64=True),
    lambda index: index.search_self(5, scores64=True),
):
    expected = search(exact)
    for index in others:
        ours = search(index)
        assert ours.ids.tobytes() == expected.ids.tobytes()
        assert ours.scores64.tobytes() == expected.scores64.tobytes()
given = import_cuda()[0].DeviceArray.copy_of(queries, 0)
expected, ours = exact.search(queries, 10), others[0].search(given, 10, on_device=True)
assert ours.ids.to_host().tobytes() == expected.ids.tobytes()
assert "brought for every search" in str(others[-1].explain())
print("the same answers")
