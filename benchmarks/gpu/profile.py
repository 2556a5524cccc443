"""Prints what a search of the headline case spends on the device, kernel by kernel, and keeps it.

    python -m benchmarks.gpu.profile --results FOLDER [--name NAME]     # in FOLDER/NAME.json
    ncu python -m benchmarks.gpu.profile --results FOLDER --bare        # one search, for another profiler

PyTorch's profiler sees all kernels and copies of the process, whoever launches them.
"""

import statistics
import time
from collections import defaultdict
from typing import Any

import torch

import latentknn as lk
from benchmarks.gpu.command_line import parser
from benchmarks.gpu.data import Data
from benchmarks.gpu.results import about
from benchmarks.harness.results import write_json

WARMING, TIMED = 2, 10
K = 10
LONGEST_NAME = 60


def profiled(search: Any) -> list[tuple[str, int, float]]:
    """Return name, calls and milliseconds of everything that a search does on the device, the longest first.

    There is nothing to see of emulated devices.
    """
    on_device = torch.cuda.is_available()
    activity = torch.profiler.ProfilerActivity.CUDA if on_device else torch.profiler.ProfilerActivity.CPU
    kind = torch.autograd.DeviceType.CUDA if on_device else torch.autograd.DeviceType.CPU
    with torch.profiler.profile(activities=[activity]) as profile:
        search()
    calls: defaultdict[str, list[float]] = defaultdict(list)
    for event in profile.events():
        if event.device_type == kind:
            calls[event.name].append(event.time_range.elapsed_us() / 1000)
    return sorted(((name, len(each), sum(each)) for name, each in calls.items()), key=lambda row: -row[2])


def main() -> None:
    options = parser(__doc__)
    options.add_argument("--name", default="kernels")
    options.add_argument("--bare", action="store_true")
    arguments = options.parse_args()
    data = Data().scaled(arguments.scale)
    rows, queries = data.make()
    index = lk.CosineIndex.from_codes(rows, engine=lk.CudaEngine([0]))
    if arguments.bare:
        index.search(queries, K)
        return
    times = []
    for _ in range(WARMING + TIMED):
        began = time.perf_counter()
        index.search(queries, K)
        times.append(1000 * (time.perf_counter() - began))
    kernels = profiled(lambda: index.search(queries, K))
    wall, busy = statistics.median(times[WARMING:]), sum(each for *_, each in kernels)
    print(f"{data}, k = {K}: {wall:.3f} ms a search (not profiled), {busy:.3f} ms of kernels and copies")
    print(f"{'kernel':{LONGEST_NAME}} {'calls':>6} {'ms':>9}")
    for name, calls, milliseconds in kernels:
        print(f"{name[:LONGEST_NAME]:{LONGEST_NAME}} {calls:6} {milliseconds:9.3f}")
    content = {"about": about(arguments.scale), "data": str(data), "ms": wall, "kernels": kernels}
    write_json(arguments.name, content, arguments.results)


if __name__ == "__main__":
    main()
