"""Small searches of every kind on a CUDA device, for compute-sanitizer.

python tests/cuda_small.py [SCALE]      # a SCALE below 1 means fewer rows and queries, for emulated devices
"""

import sys

import numpy as np

import latentknn as lk
from latentknn.engines.cuda_engine import import_cuda

scale = float(sys.argv[1]) if len(sys.argv) > 1 else 1.0
# At scale 1 there are more blocks of work than a device has multiprocessors.
count, query_count = max(2600, round(20_000 * scale)), max(100, round(4_000 * scale))
rng = np.random.default_rng(0)
codes, queries = (rng.standard_normal((n, 40), np.float32) for n in (count, query_count))
codes[1::9] = codes[::9][: len(codes[1::9])]
# Copies of a code have too many neighbours: their lists overflow, and the host answers.
codes[::6] = codes[0]
queries[:8] = codes[0] + np.float32(1e-3) * queries[:8]
ids = rng.permutation(count)
begun = count * 9 // 20
# The last engine has memory for some codes only: every search brings the others, a few parts at a time.
engines = ("cpu", "cuda", lk.CudaEngine([0], memory=max((4 << 20) * count // 20_000, 1_000_000)))
indexes = [lk.CosineIndex.from_codes(codes[:begun], ids=ids[:begun], engine=each) for each in engines]
for index in indexes:
    index.add(codes[begun:], ids=ids[begun:])
    index.remove(ids[::10])
exact, *others = indexes
allowed = np.arange(len(exact)) % 2 == 0
for search in (
    lambda index: index.search(queries, 10, scores64=True),
    lambda index: index.search(queries, 10, allowed=allowed, scores64=True),
    lambda index: index.search(queries[-3:], 2100, scores64=True),
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
