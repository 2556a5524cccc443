"""Times the CUDA engine beside its peers on the same device, on one database, for some numbers of neighbours.

    benchmarks/gpu/run.sh FOLDER                          # builds, tests and calls this
    python -m benchmarks.gpu.measure --results FOLDER     # the headline, a million rows of noise
    python -m benchmarks.gpu.measure --results FOLDER --rows 60000 --dim 768 --classes 100 --neighbours 10 100

Answers to 256 of the queries must have the bytes of the processor's exact search before anything is timed,
and every answer that is timed the same ids. The engine and its peers (`peers.py`) take turns; a peer that
fails is named and left out. Cases are printed and kept in FOLDER/gpu.json as they are done, and are not
measured again.
"""

import time
from functools import partial
from typing import Any

import numpy as np
import torch

import latentknn as lk
from benchmarks.gpu.command_line import parser
from benchmarks.gpu.data import Data
from benchmarks.gpu.peers import BY_MAXIMA, COMPILED, Peers, Search, at_most, fp16_peak
from benchmarks.gpu.results import open_results
from benchmarks.gpu.tables import described
from benchmarks.harness.machine import today
from benchmarks.harness.results import OURS, Record
from benchmarks.harness.timing import paired_times, ratios
from latentknn import _core

ROUNDS = 7
# The engine searches so many times alone, before it takes turns with the peers.
ALONE = 10
CHECKED = 256
# A peer gets so long until its first answer, `torch.compile` included.
MOST_SECONDS_TO_MAKE = 45
ARRAYS = ("ids", "positions", "similarities", "scores64")


class Measurement:
    """The engine, the exact search of the processor and the peers on the same rows."""

    def __init__(self, data: Data, device: str) -> None:
        self._data, self._device = data, device
        self._rows, self._queries = data.make()
        self._threads = _core.usable_processors()
        self._index = lk.CosineIndex.from_codes(self._rows, engine=lk.CudaEngine([0]))
        self._exact = _core.Database(data.dim, "float64")
        self._exact.add(self._rows, None, self._threads)
        self._peers = Peers(self._rows, device)

    def measure(self, k: int, compiled: bool, peak: float) -> Record:
        """Check and time all for k neighbours."""
        answer = self._checked_answer(k)
        # What the host answers is not counted anywhere else.
        given_up = self._index._held.database._engine_rows.search(
            self._queries, k, None, self._threads, False
        )[-1]
        alone = [self._seconds(partial(self._index.search, k=k)) for _ in range(ALONE)]
        case = {
            "data": str(self._data),
            "queries": self._data.queries,
            "operations": self._data.operations,
            "k": k,
            "given_up": len(given_up),
            "fp16_peak": peak,
            "alone": alone,
        }
        print(f"    alone: {described(alone, self._data.operations)}")
        print(f"    the host answers {len(given_up)} queries; so far {self._index.explain().repeats}")
        usable, case["recall"], case["left_out"] = self._usable_peers(k, compiled, answer.ids)
        case["seconds"] = self._paired_times(k, usable, answer)
        for name, times in case["seconds"].items():
            ratio = "" if name == OURS else f", × {ratios(times, case['seconds'][OURS])}"
            recall = f", recall {case['recall'][name]:.4f}" if name in case["recall"] else ""
            print(f"    {name}: {described(times, self._data.operations)}{ratio}{recall}")
        return case

    def _checked_answer(self, k: int) -> lk.SearchResult:
        """Return the engine's answer to all queries; SystemExit where some bytes are not the exact ones."""
        answer = self._index.search(self._queries, k, scores64=True)
        count = min(CHECKED, len(self._queries))
        asked = np.sort(np.random.default_rng(4).choice(len(self._queries), count, replace=False))
        similarities, positions, ids, scores = self._exact.search(
            self._queries[asked], k, None, self._threads, True
        )
        for name, expected in zip(ARRAYS, (ids, positions, similarities, scores), strict=True):
            found = getattr(answer, name)[asked]
            if found.tobytes() != expected.tobytes():
                wrong = int((found != expected).any(axis=1).sum())
                raise SystemExit(
                    f"{self._data}, k = {k}: WRONG {name} for {wrong} of {count} queries; not timed"
                )
        print(f"{self._data}, k = {k}: {count} of {len(self._queries)} answers checked, the same bytes")
        return answer

    def _usable_peers(
        self, k: int, compiled: bool, ids: np.ndarray[Any, Any]
    ) -> tuple[dict[str, Search], dict[str, float], dict[str, str]]:
        """Return the peers that work, what share of the neighbours each finds, and why others do not."""
        usable: dict[str, Search] = {}
        recall: dict[str, float] = {}
        left_out: dict[str, str] = {}
        warm: dict[str, float] = {}
        for name, make in self._peers.makers(k, compiled).items():
            try:
                with at_most(MOST_SECONDS_TO_MAKE):
                    search = make()
                    found = search(self._queries)[1]
                    warm[name] = self._seconds(search)
            except Exception as error:  # whatever its library raises
                left_out[name] = f"{type(error).__name__}: {error}".splitlines()[0]
            else:
                usable[name] = search
                pairs = zip(ids[:CHECKED], found[:CHECKED], strict=True)
                recall[name] = float(np.mean([np.isin(*pair).mean() for pair in pairs]))
        if COMPILED in usable and BY_MAXIMA in usable and warm[COMPILED] >= warm[BY_MAXIMA]:
            del usable[COMPILED]
            left_out[COMPILED] = f"no faster: {warm[COMPILED]:.4f} s, not compiled {warm[BY_MAXIMA]:.4f} s"
        for name, reason in left_out.items():
            print(f"    without {name}: {reason}")
        return usable, recall, left_out

    def _paired_times(
        self, k: int, usable: dict[str, Search], answer: lk.SearchResult
    ) -> dict[str, list[float]]:
        orders = [np.random.default_rng(i).permutation(len(self._queries)) for i in range(ROUNDS + 1)]

        def check(name: str, number: int, found: Any) -> None:
            if name == OURS and found.ids.tobytes() != answer.ids[orders[number]].tobytes():
                raise SystemExit(
                    f"{self._data}, k = {k}: WRONG ids in round {number}, of queries in another order"
                )

        return paired_times(
            {OURS: partial(self._index.search, k=k), **usable},
            lambda number: self._queries[orders[number]],
            ROUNDS,
            check,
        )

    def _seconds(self, search: Any) -> float:
        began = time.perf_counter()
        search(self._queries)
        return time.perf_counter() - began


def torch_device(scale: float) -> str:
    """Return PyTorch's name of the device; in a rehearsal without one, of the processor."""
    if torch.cuda.is_available():
        return "cuda"
    if scale < 1:
        return "cpu"
    raise SystemExit("PyTorch finds no CUDA device; without one there is only a rehearsal, by --scale 0.001")


def main() -> None:
    options = parser(__doc__)
    for name in ("rows", "dim", "classes"):
        options.add_argument(f"--{name}", type=int, default=getattr(Data, name))
    options.add_argument("--neighbours", type=int, nargs="+", default=[10])
    options.add_argument("--compile", action="store_true", help="try torch.compile too, slow to begin")
    arguments = options.parse_args()
    device = torch_device(arguments.scale)
    data = Data(arguments.rows, arguments.dim, arguments.classes).scaled(arguments.scale)
    results = open_results(arguments.results, arguments.scale)
    missing = [k for k in arguments.neighbours if f"{data}, {k}" not in results.cases]
    if not missing:
        return
    print(results.about["device"], results.about["rehearsal"])
    peak = results.lines.setdefault("fp16_peak", {"tflops": fp16_peak(device)})["tflops"]
    measurement = Measurement(data, device)
    for k in missing:
        case = measurement.measure(k, arguments.compile, peak)
        results.cases[f"{data}, {k}"] = case | {"date": today()}
        results.write()


if __name__ == "__main__":
    main()
