"""Times the CUDA engine beside PyTorch and CuPy on the same device, and checks its answers.

    benchmarks/gpu.sh                          # builds, tests and calls this; needs no network
    python benchmarks/gpu.py --rows 1000000 --dims 128 --neighbours 10

Arrays begin and end on the host for all. PyTorch and CuPy multiply the normalised queries with as many rows
as fit at once, and keep the best by topk. Every case is kept in results/gpu.json as it is done; one that is
there is not measured again.
"""

import argparse
import gc
import itertools
import json
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from functools import partial
from typing import Any

import cupy
import numpy as np
import torch

import harness
import latentknn as lk
from latentknn import engines

ROWS, DIMS, NEIGHBOURS = (60_000, 1_000_000), (64, 128, 768), (1, 10, 100)
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


def peers(rows: Codes, k: int) -> Iterator[tuple[str, Search]]:
    """Make one peer after the other, so that only one holds memory."""
    yield "PyTorch, fp32", torch_search(rows, k, torch.float32, tf32=False)
    yield "PyTorch, TF32", torch_search(rows, k, torch.float32, tf32=True)
    yield "PyTorch, fp16", torch_search(rows, k, torch.float16, tf32=False)
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


def measure(count: int, dim: int, k: int) -> dict[str, Any]:
    """Time all on one case."""
    rng = np.random.default_rng(0)
    rows = rng.standard_normal((count, dim), np.float32)
    queries = rng.standard_normal((QUERIES, dim), np.float32)
    index = lk.CosineIndex.from_codes(rows, engine="cuda")
    found = index.search(queries[:CHECKED], k, scores64=True)
    exact = lk.CosineIndex.from_codes(rows, engine="cpu").search(queries[:CHECKED], k, scores64=True)
    for name in ("ids", "similarities", "scores64"):
        if getattr(found, name).tobytes() != getattr(exact, name).tobytes():
            raise SystemExit(f"{name} differ from the exact ones: {count} rows, {dim} dimensions, k = {k}")
    times = {"latentknn": seconds_of(partial(index.search, k=k), queries)}
    del index
    for name, search in peers(rows, k):
        times[name] = seconds_of(search, queries)
        del search
        gc.collect()
        torch.cuda.empty_cache()
        cupy.get_default_memory_pool().free_all_blocks()
    return {"seconds": times, "fp16_peak": fp16_peak()}


def table(cases: dict[str, dict[str, Any]]) -> str:
    """Return a line a case."""
    names = [name for name in next(iter(cases.values()))["seconds"] if name != "latentknn"]
    head = ["rows", "d", "k", "seconds", "TFLOP/s", "of the fp16 peak", *(f"× {name}" for name in names)]
    lines = [head, ["---"] * len(head)]
    for key, case in cases.items():
        count, dim, k = map(int, key.split(","))
        own = harness.Spread.of(case["seconds"]["latentknn"])
        rate = 2 * QUERIES * count * dim / own.median / 1e12
        ratios = (harness.ratios(case["seconds"][name], case["seconds"]["latentknn"]) for name in names)
        lines.append(
            [
                f"{count:,}",
                str(dim),
                str(k),
                f"{own.median:.4f}",
                f"{rate:.0f}",
                f"{rate / case['fp16_peak']:.0%}",
                *(str(ratio) for ratio in ratios),
            ]
        )
    return "\n".join("| " + " | ".join(line) + " |" for line in lines)


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    for name, default in (("rows", ROWS), ("dims", DIMS), ("neighbours", NEIGHBOURS)):
        parser.add_argument(f"--{name}", type=int, nargs="+", default=default)
    parser.add_argument("--results", default=harness.RESULTS, type=type(harness.RESULTS), metavar="FOLDER")
    arguments = parser.parse_args()
    (cuda,) = (each for each in engines.availability() if each.name == "cuda")
    if not cuda.available:
        raise SystemExit(cuda.missing)
    path = arguments.results / "gpu.json"
    about = {"device": cuda.kernels, "torch": torch.__version__, "build": harness.searching_code()}
    kept = json.loads(path.read_text()) if path.is_file() else {"about": about, "cases": {}}
    if kept["about"] != about | {"date": kept["about"].get("date")}:
        kept = {"about": about, "cases": {}}
    for case in itertools.product(arguments.rows, arguments.dims, arguments.neighbours):
        key = ",".join(map(str, case))
        if key not in kept["cases"]:
            kept["cases"][key] = harness.in_fresh_process(measure, *case)
            kept["about"] |= {"date": datetime.now(UTC).date().isoformat()}
            harness.write_json("gpu", kept, arguments.results)
            print(
                key,
                {name: round(min(each), 4) for name, each in kept["cases"][key]["seconds"].items()},
                flush=True,
            )
    print(f"\n{kept['about']['device']}, PyTorch {torch.__version__}\n\n{table(kept['cases'])}")


if __name__ == "__main__":
    main()
