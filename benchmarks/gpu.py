"""Times the CUDA engine beside PyTorch, CuPy and, where it is installed, FAISS on the same device.

    benchmarks/gpu.sh                          # builds, tests and calls this; needs no network
    python benchmarks/gpu.py --rows 1000000 --dims 128 --neighbours 10

The answers are checked. Arrays begin and end on the host for all. PyTorch and CuPy multiply the normalised
queries with as many rows as fit at once, and keep the best: by topk, and by CuPy's argpartition, which sorts,
and so is left out beyond 100,000 rows. FAISS is its flat index. "clusters" stand one after the other,
as codes that are sorted by class do. Cases are kept in results/gpu.json as they are done, and not measured
again.
"""

import argparse
import gc
import hashlib
import itertools
import json
import time
from collections.abc import Callable, Iterator, Sequence
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Any

import cupy
import numpy as np
import torch

import harness
import latentknn as lk
from latentknn import _cuda, engines, index
from latentknn.engines import cuda_engine, faiss_engine, stored_database

ROWS, DIMS, NEIGHBOURS = (60_000, 1_000_000), (64, 128, 768), (1, 10, 100)
KINDS = ("noise", "clusters")
CLUSTERS, SPREAD = 100, 0.5
MOST_SORTED = 100_000  # rows that CuPy sorts
QUERIES = 10_000
ROUNDS = 5
CHECKED = 256  # queries, against the exact engine of the processor
SCORES_AT_ONCE = 1 << 30  # of a peer's matrix

Codes = np.ndarray[Any, np.dtype[np.float32]]
Search = Callable[[Codes], Any]


def torch_search(rows: Codes, k: int, dtype: torch.dtype, tf32: bool) -> Search:
    """Return a search by matmul and topk."""
    database = torch.nn.functional.normalize(torch.from_numpy(rows).cuda()).to(dtype)
    step = max(1, SCORES_AT_ONCE // QUERIES)

    def search(queries: Codes) -> Any:
        torch.backends.cuda.matmul.allow_tf32 = tf32
        asked = torch.nn.functional.normalize(torch.from_numpy(queries).cuda()).to(dtype)
        scores, ids = [], []
        for begin in range(0, len(database), step):
            best = (asked @ database[begin : begin + step].T).topk(min(k, len(database) - begin))
            scores.append(best.values)
            ids.append(best.indices + begin)
        merged = torch.cat(scores, 1).topk(k)
        return merged.values.cpu(), torch.cat(ids, 1).gather(1, merged.indices).cpu()

    return search


def cupy_search(rows: Codes, k: int) -> Search:
    """Return a search by matmul and argpartition, in float32."""

    def normalised(codes: Codes) -> Any:
        on_device = cupy.asarray(codes)
        return on_device / cupy.linalg.norm(on_device, axis=1, keepdims=True)

    database = normalised(rows)
    step = max(1, SCORES_AT_ONCE // 4 // QUERIES)  # a partition needs memory of its own

    def search(queries: Codes) -> Any:
        asked, scores, ids = normalised(queries), [], []
        for begin in range(0, len(database), step):
            found = asked @ database[begin : begin + step].T
            best = cupy.argpartition(-found, k - 1, axis=1)[:, :k]
            scores.append(cupy.take_along_axis(found, best, 1))
            ids.append(best + begin)
        together, numbers = cupy.concatenate(scores, 1), cupy.concatenate(ids, 1)
        best = cupy.argsort(-together, axis=1)[:, :k]
        return cupy.take_along_axis(together, best, 1).get(), cupy.take_along_axis(numbers, best, 1).get()

    return search


def faiss_search(rows: Codes, k: int) -> Search:
    """Return a search by FAISS's flat index of inner products, in float32."""
    faiss = faiss_engine.import_faiss(gpu=True)

    def normalised(codes: Codes) -> Codes:
        units = codes.copy()
        faiss.normalize_L2(units)
        return units

    resources = faiss.StandardGpuResources()
    flat = faiss.GpuIndexFlatIP(resources, rows.shape[1])
    flat.add(normalised(rows))
    return lambda queries: flat.search(normalised(queries), k)


def peers(rows: Codes, k: int) -> Iterator[tuple[str, Search]]:
    """Make one peer after the other, so that only one holds memory."""
    try:
        yield "FAISS, fp32", faiss_search(rows, k)
    except (ImportError, RuntimeError) as error:
        print(f"without FAISS: {error}", flush=True)
    yield "PyTorch, fp32", torch_search(rows, k, torch.float32, tf32=False)
    yield "PyTorch, TF32", torch_search(rows, k, torch.float32, tf32=True)
    yield "PyTorch, fp16", torch_search(rows, k, torch.float16, tf32=False)
    if len(rows) <= MOST_SORTED:
        yield "CuPy, fp32", cupy_search(rows, k)


def seconds_of(search: Search, queries: Codes) -> list[float]:
    """Time a search of permuted queries, after one to warm up."""
    times = []
    for seed in range(ROUNDS + 1):
        asked = queries[np.random.default_rng(seed).permutation(len(queries))]
        torch.cuda.synchronize()
        began = time.perf_counter()
        search(asked)
        torch.cuda.synchronize()
        times.append(time.perf_counter() - began)
    return times[1:]


def fp16_peak() -> float:
    """Return the TFLOP/s of a large product of halves."""
    side = 8192
    left, right = (torch.randn(side, side, device="cuda", dtype=torch.float16) for _ in range(2))
    times = []
    for _ in range(20):
        torch.cuda.synchronize()
        began = time.perf_counter()
        left @ right
        torch.cuda.synchronize()
        times.append(time.perf_counter() - began)
    return 2 * side**3 / sorted(times)[len(times) // 2] / 1e12


def make(kind: str, count: int, dim: int) -> tuple[Codes, Codes]:
    """Return rows and queries, normally distributed or around centres, in the order of the centres."""
    rng = np.random.default_rng(0)
    rows, queries = (rng.standard_normal((n, dim), np.float32) for n in (count, QUERIES))
    if kind == "clusters":
        centres = rng.standard_normal((CLUSTERS, dim), np.float32)
        rows *= np.float32(SPREAD)
        rows += centres[np.arange(count) * CLUSTERS // count]
        queries = centres[rng.integers(CLUSTERS, size=QUERIES)] + np.float32(SPREAD) * queries
    return rows, queries


def measure(kind: str, count: int, dim: int, neighbours: Sequence[int]) -> dict[str, dict[str, Any]]:
    """Check and time all on the same rows, for every number of neighbours."""
    rows, queries = make(kind, count, dim)
    on_device = lk.CosineIndex.from_codes(rows, engine=lk.CudaEngine([0]))
    exact = lk.CosineIndex.from_codes(rows, engine="cpu")
    cases = {}
    for k in neighbours:
        found, expected = (each.search(queries[:CHECKED], k, scores64=True) for each in (on_device, exact))
        for name in ("ids", "similarities", "scores64"):
            if getattr(found, name).tobytes() != getattr(expected, name).tobytes():
                raise SystemExit(
                    f"{name} differ from the exact ones: {kind}, {count} rows, d = {dim}, k = {k}"
                )
        times = {"latentknn": seconds_of(partial(on_device.search, k=k), queries)}
        for name, search in peers(rows, k):
            times[name] = seconds_of(search, queries)
            del search
            gc.collect()
            torch.cuda.empty_cache()
            cupy.get_default_memory_pool().free_all_blocks()
        cases[key_of(kind, count, dim, k)] = {"seconds": times, "fp16_peak": fp16_peak()}
    return cases


def key_of(kind: str, count: int, dim: int, k: int) -> str:
    return f"{kind},{count},{dim},{k}"


def build() -> str:
    """Return a digest of what runs, by which results of different builds are told apart."""
    digest = hashlib.sha256()
    for module in (_cuda, cuda_engine, stored_database, index):
        digest.update(Path(module.__file__).read_bytes())
    return digest.hexdigest()[:12]


def table(cases: dict[str, dict[str, Any]]) -> str:
    """Return a line a case."""
    names = list(dict.fromkeys(name for case in cases.values() for name in case["seconds"]))[1:]
    head = ["", "rows", "d", "k", "seconds", "TFLOP/s", "of the fp16 peak", *(f"× {name}" for name in names)]
    lines = [head, ["---"] * len(head)]
    for key, case in cases.items():
        kind, count, dim, k = key.split(",")
        own = harness.Spread.of(case["seconds"]["latentknn"])
        rate = 2 * QUERIES * int(count) * int(dim) / own.median / 1e12
        ratios = (
            str(harness.ratios(case["seconds"][name], case["seconds"]["latentknn"]))
            if name in case["seconds"]
            else "–"
            for name in names
        )
        lines.append(
            [
                kind,
                f"{int(count):,}",
                dim,
                k,
                f"{own.median:.4f}",
                f"{rate:.0f}",
                f"{rate / case['fp16_peak']:.0%}",
                *ratios,
            ]
        )
    return "\n".join("| " + " | ".join(line) + " |" for line in lines)


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    for name, default in (("rows", ROWS), ("dims", DIMS), ("neighbours", NEIGHBOURS)):
        parser.add_argument(f"--{name}", type=int, nargs="+", default=default)
    parser.add_argument("--kinds", nargs="+", default=KINDS, choices=KINDS)
    parser.add_argument("--results", default=harness.RESULTS, type=Path, metavar="FOLDER")
    arguments = parser.parse_args()
    (cuda,) = (each for each in engines.availability() if each.name == "cuda")
    if not cuda.available:
        raise SystemExit(cuda.missing)
    about = {"device": cuda.kernels, "torch": torch.__version__, "build": build()}
    path = arguments.results / "gpu.json"
    kept = json.loads(path.read_text()) if path.is_file() else {"about": about, "cases": {}}
    if kept["about"] != about:
        raise SystemExit(
            f"{path} is of another device or build: delete it to measure anew, or give --results"
        )
    for kind, count, dim in itertools.product(arguments.kinds, arguments.rows, arguments.dims):
        missing = [k for k in arguments.neighbours if key_of(kind, count, dim, k) not in kept["cases"]]
        if not missing:
            continue
        cases = harness.in_fresh_process(measure, kind, count, dim, missing)
        today = datetime.now(UTC).date().isoformat()
        kept["cases"] |= {key: {**case, "date": today} for key, case in cases.items()}
        harness.write_json("gpu", kept, arguments.results)
        for key, case in cases.items():
            print(key, {name: round(min(each), 4) for name, each in case["seconds"].items()}, flush=True)
    print(f"\n{kept['about']['device']}, PyTorch {torch.__version__}\n\n{table(kept['cases'])}")


if __name__ == "__main__":
    main()
