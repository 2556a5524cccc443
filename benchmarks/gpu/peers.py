"""Peers on the same device: PyTorch, and FAISS and cuVS where they are installed.

Queries come from the host and answers return to it. PyTorch multiplies normalised queries with tiles of
normalised rows, and keeps the best of each tile by `topk`, which reads the scores once for every few bits;
or by the maxima of groups of scores, which reads them once: the k groups with the largest maxima hold the k
largest scores.
"""

import signal
import statistics
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import cache
from typing import Any

import numpy as np
import torch

from benchmarks.harness.arrays import Codes
from latentknn.engines import faiss_engine

# The scores of 10,000 queries with so many rows take 2.6 GB in float32.
TILE = 1 << 16
# So many scores share a maximum. The number divides TILE, 60,000 and 1,000,000.
GROUP = 32
# PyTorch may use so much of the device's memory; the rest is the engine's.
SHARE_OF_MEMORY = 0.6

BY_MAXIMA = "PyTorch fp16, maxima"
COMPILED = "PyTorch fp16, maxima, compiled"

Search = Callable[[Codes], tuple[np.ndarray[Any, Any], np.ndarray[Any, Any]]]
"""From queries to similarities and row numbers, (M, k), best first."""

Best = Callable[[torch.Tensor, torch.Tensor, int], tuple[torch.Tensor, torch.Tensor]]
"""From normalised queries, a tile of rows and k to the best scores and their places in the tile."""


class Peers:
    """All peers on the same rows; each gets its own copy of them when it is first made.

    Parameters
    ----------
    rows : ndarray of shape (n, d), float32
    device : str
        PyTorch's name of the device.
    """

    def __init__(self, rows: Codes, device: str) -> None:
        self._rows, self._device = rows, device
        self._units = cache(lambda dtype: _unit(rows, device).to(dtype))
        self._faiss = cache(lambda: _faiss_index(rows))
        self._cuvs = cache(lambda: _cuvs_index(rows))
        if device == "cuda":
            torch.cuda.set_per_process_memory_fraction(SHARE_OF_MEMORY)

    def makers(self, k: int, compiled: bool) -> dict[str, Callable[[], Search]]:
        """Return what makes each peer's search; it may raise anything, and so may the search."""

        def by_torch(dtype: torch.dtype, best: Best = _best, tf32: bool = False) -> Search:
            return _torch_search(self._units(dtype), self._device, k, best, tf32)

        made = {
            "PyTorch fp32": lambda: by_torch(torch.float32),
            "PyTorch TF32": lambda: by_torch(torch.float32, tf32=True),
            "PyTorch fp16": lambda: by_torch(torch.float16),
            "PyTorch bf16": lambda: by_torch(torch.bfloat16),
            BY_MAXIMA: lambda: by_torch(torch.float16, _best_by_maxima),
            "FAISS fp32": lambda: _faiss_search(self._faiss(), k),
            "cuVS fp32": lambda: _cuvs_search(self._cuvs(), k),
        }
        if compiled:
            made[COMPILED] = lambda: by_torch(torch.float16, torch.compile(_best_by_maxima, dynamic=False))
        return made


def _unit(codes: Codes, device: str) -> torch.Tensor:
    return torch.nn.functional.normalize(torch.from_numpy(codes).to(device))


def _best(queries: torch.Tensor, rows: torch.Tensor, k: int) -> tuple[torch.Tensor, torch.Tensor]:
    found = (queries @ rows.T).topk(k)
    return found.values, found.indices


def _best_by_maxima(queries: torch.Tensor, rows: torch.Tensor, k: int) -> tuple[torch.Tensor, torch.Tensor]:
    if len(rows) % GROUP or len(rows) // GROUP < k:
        return _best(queries, rows, k)
    groups = (queries @ rows.T).view(len(queries), -1, GROUP)
    chosen = groups.amax(2).topk(k).indices
    scores = groups.gather(1, chosen.unsqueeze(2).expand(-1, -1, GROUP)).flatten(1)
    best = scores.topk(k)
    return best.values, chosen.gather(1, best.indices // GROUP) * GROUP + best.indices % GROUP


def _torch_search(rows: torch.Tensor, device: str, k: int, best: Best, tf32: bool) -> Search:
    def search(queries: Codes) -> tuple[np.ndarray[Any, Any], np.ndarray[Any, Any]]:
        torch.set_float32_matmul_precision("high" if tf32 else "highest")
        asked = _unit(queries, device).to(rows.dtype)
        scores, numbers = [], []
        for begin in range(0, len(rows), TILE):
            tile = rows[begin : begin + TILE]
            found = best(asked, tile, min(k, len(tile)))
            scores.append(found[0])
            numbers.append(found[1] + begin)
        merged = torch.cat(scores, 1).topk(k)
        positions = torch.cat(numbers, 1).gather(1, merged.indices)
        return merged.values.float().cpu().numpy(), positions.cpu().numpy()

    return search


def _faiss_index(rows: Codes) -> Any:
    faiss = faiss_engine.import_faiss(gpu=True)
    flat = faiss.GpuIndexFlatIP(faiss.StandardGpuResources(), rows.shape[1])
    flat.add(_unit_on_host(rows))
    return flat


def _faiss_search(flat: Any, k: int) -> Search:
    return lambda queries: flat.search(_unit_on_host(queries), k)


def _unit_on_host(codes: Codes) -> Codes:
    units = codes.copy()
    faiss_engine.import_faiss(gpu=True).normalize_L2(units)
    return units


def _cuvs_index(rows: Codes) -> Any:
    import cupy
    from cuvs.neighbors import brute_force

    return brute_force.build(cupy.asarray(rows), metric="cosine")


def _cuvs_search(index: Any, k: int) -> Search:
    import cupy
    from cuvs.neighbors import brute_force

    def search(queries: Codes) -> tuple[np.ndarray[Any, Any], np.ndarray[Any, Any]]:
        distances, positions = brute_force.search(index, cupy.asarray(queries), k)
        return 1 - cupy.asarray(distances).get(), cupy.asarray(positions).get()

    return search


@contextmanager
def at_most(seconds: int) -> Iterator[None]:
    """Raise TimeoutError in Python code that takes longer; a call that does not return is not stopped."""

    def stop(*_: Any) -> None:
        raise TimeoutError(f"it took more than {seconds} s")

    before = signal.signal(signal.SIGALRM, stop)
    signal.alarm(seconds)
    try:
        yield
    finally:
        signal.alarm(0)
        signal.signal(signal.SIGALRM, before)


def fp16_peak(device: str) -> float:
    """Return the TFLOP/s of a large product of float16."""
    side = 8192 if device == "cuda" else 256
    left, right = (torch.randn(side, side, device=device, dtype=torch.float16) for _ in range(2))
    rates = []
    for _ in range(7):
        began = time.perf_counter()
        products = [left @ right for _ in range(10)]
        products[-1][0, 0].item()  # waits for all of them
        rates.append(len(products) * 2 * side**3 / (time.perf_counter() - began) / 1e12)
    return statistics.median(rates)
