"""How long a Ctrl-C takes to stop a long search: from the signal to KeyboardInterrupt, in seconds.

python -m benchmarks.speed.interrupt
"""

import os
import signal
import threading
import time

import numpy as np

import latentknn as lk
from benchmarks.harness.machine import machine
from benchmarks.harness.results import write_json
from benchmarks.harness.timing import Spread

ROUNDS = 20
# The signal comes so long after a search has begun, which takes far longer.
DELAY_SECONDS = 0.3


def main() -> None:
    # A shell's background jobs ignore the signal.
    signal.signal(signal.SIGINT, signal.default_int_handler)
    generator = np.random.default_rng(0)
    codes = generator.standard_normal((200_000, 128), dtype=np.float32)
    queries = generator.standard_normal((50_000, 128), dtype=np.float32)
    index = lk.CosineIndex.from_codes(codes)
    latencies = []
    for _ in range(ROUNDS):
        sent = []

        def interrupt(sent: list[float] = sent) -> None:
            sent.append(time.perf_counter())
            os.kill(os.getpid(), signal.SIGINT)

        timer = threading.Timer(DELAY_SECONDS, interrupt)
        timer.start()
        try:
            index.search(queries, k=10)
        except KeyboardInterrupt:
            latencies.append(time.perf_counter() - sent[0])
        else:
            raise SystemExit("the search ended before the signal came; enlarge it")
        timer.join()
    about = machine(lk._core.usable_processors(), ["latentknn", "numpy"])
    write_json("interrupt", {"machine": about, "seconds": latencies})
    print(f"from signal to KeyboardInterrupt: {Spread.of(latencies)} s, median (smallest-largest)")


if __name__ == "__main__":
    main()
