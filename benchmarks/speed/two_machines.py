"""Two machines imitated on one: a Ray cluster of two nodes, each in a network namespace of its own.

python -m benchmarks.speed.two_machines

Between the namespaces is a cable that this programme is itself (cable.py): the kernel needs no netem. For
each delay and loss it prints how long searches take, and compares every answer with that of the same shards
in one process, byte for byte; then it cuts the cable and mends it. Its table is in docs/distributed.md.

It needs Linux, root, `ip` and /dev/net/tun, and says so where it cannot run. Namespaces, devices and
processes end with it.
"""

from __future__ import annotations

import fcntl
import json
import os
import secrets
import shutil
import signal
import struct
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from typing import Any

import numpy as np

import latentknn as lk
from benchmarks.harness.command_line import parser
from benchmarks.harness.markdown import NOTHING, head, row
from benchmarks.speed.cable import Cable, Conditions

CODES, DIM, SHARDS, K, ROUNDS = 80_000, 64, 4, 10, 40
BATCHES = (1, 32, 1000)
CABLES = (
    Conditions(),
    Conditions(delay=0.001),
    Conditions(delay=0.02),
    Conditions(delay=0.001, loss=0.01),
    Conditions(delay=0.02, loss=0.01),
)
HEADS = (
    "delay each way, ms",
    "loss",
    *(f"{count:,} {'query' if count == 1 else 'queries'}, ms" for count in BATCHES),
    "packets carried, and lost",
)
TIMEOUT, CUT_TIMEOUT = 60.0, 3.0

NAMES, ADDRESSES, PORT = ("lknn-a", "lknn-b"), ("10.77.0.1", "10.77.0.2"), 6399
_HEAD = f"{ADDRESSES[0]}:{PORT}"

_TUNSETIFF, _IFF_TUN, _IFF_NO_PI = 0x400454CA, 0x0001, 0x1000
"""The numbers are those of linux/if_tun.h."""


def check_possible() -> None:
    """Raise SystemExit that says why two machines cannot be imitated here."""
    if not sys.platform.startswith("linux") or os.geteuid() != 0:
        raise SystemExit("not run: network namespaces need Linux and root")
    if not os.access("/dev/net/tun", os.R_OK | os.W_OK):
        raise SystemExit("not run: there is no /dev/net/tun")
    if shutil.which("ip") is None:
        raise SystemExit("not run: there is no `ip`, which the package iproute2 has")
    listed = subprocess.run(["ip", "netns", "list"], capture_output=True, text=True)
    if listed.returncode != 0:
        raise SystemExit(f"not run: `ip netns` does not work here: {listed.stderr.strip()}")
    if there := set(NAMES) & set(listed.stdout.split()):
        raise SystemExit(
            f"not run: there are namespaces {sorted(there)}, of this programme elsewhere, or of one that was "
            "killed; delete them by `ip netns del` once nobody uses them"
        )


def ip(*arguments: str) -> str:
    return subprocess.run(["ip", *arguments], check=True, stdout=subprocess.PIPE, text=True).stdout


@contextmanager
def namespaces() -> Iterator[Cable]:
    """Give the cable between two namespaces, which end after the block with all that is in them."""
    with ExitStack() as stack:
        ends = []
        for number, (name, address) in enumerate(zip(NAMES, ADDRESSES, strict=True)):
            ip("netns", "add", name)
            stack.callback(ip, "netns", "del", name)
            device = f"lknn{number}"
            end = os.open("/dev/net/tun", os.O_RDWR)
            stack.callback(os.close, end)
            fcntl.ioctl(end, _TUNSETIFF, struct.pack("16sH", device.encode(), _IFF_TUN | _IFF_NO_PI))
            ip("link", "set", device, "netns", name)
            ip("-n", name, "addr", "add", f"{address}/24", "dev", device)
            ip("-n", name, "link", "set", device, "up")
            ip("-n", name, "link", "set", "lo", "up")
            # Ray finds a node's own address by the route to an address of the Internet.
            ip("-n", name, "route", "add", "default", "dev", device)
            ends.append(end)
        cable = Cable((ends[0], ends[1]))
        stack.callback(cable.close)
        for name in NAMES:
            stack.callback(end_processes, name)
        yield cable


def end_processes(name: str) -> None:
    """Kill whatever still runs in a namespace of this programme, and wait for its end."""
    while pids := ip("netns", "pids", name).split():
        for pid in map(int, pids):
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        time.sleep(0.05)


@contextmanager
def in_namespace(name: str, *command: str, environment: dict[str, str]) -> Iterator[subprocess.Popen[str]]:
    """Give a process in a namespace, which is ended after the block."""
    with subprocess.Popen(
        ["ip", "netns", "exec", name, *command],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        env={**os.environ, **environment},
    ) as process:
        try:
            yield process
        finally:
            process.terminate()
            try:
                process.wait(30)
            except subprocess.TimeoutExpired:
                process.kill()


def node(number: int, folder: str) -> tuple[str, ...]:
    """Return the command that begins a node of the cluster, whose head is the first one."""
    first = ("--head", f"--port={PORT}", "--include-dashboard=false", f"--temp-dir={folder}/ray")
    return (
        sys.executable,
        "-m",
        "ray.scripts.scripts",
        "start",
        "--block",
        "--disable-usage-stats",
        f"--node-ip-address={ADDRESSES[number]}",
        "--num-cpus=1",
        f"--memory={1 << 30}",
        f"--object-store-memory={100 << 20}",
        *(first if number == 0 else (f"--address={_HEAD}",)),
    )


class Asked:
    """Batches of queries, and the answers that are right."""

    def __init__(self, here: lk.shards.ShardedIndex) -> None:
        rng = np.random.default_rng(0)
        batches = [rng.standard_normal((count, DIM), dtype=np.float32) for count in BATCHES]
        self._pairs = [(queries, here.search(queries, K, scores64=True)) for queries in batches]

    def milliseconds(self, index: Any, **options: Any) -> list[list[float]]:
        """Return the least, median and most of each batch, after a search to warm up."""
        rows = []
        for number in range(len(BATCHES)):
            self.search(index, number, **options)
            times = [1e3 * self.search(index, number, **options) for _ in range(ROUNDS)]
            rows.append([min(times), float(np.median(times)), max(times)])
        return rows

    def search(self, index: Any, number: int, **options: Any) -> float:
        """Return the seconds of a search, or raise SystemExit where any byte of its answer is wrong."""
        queries, wanted = self._pairs[number]
        began = time.perf_counter()
        found = index.search(queries, K, scores64=True, **options)
        taken = time.perf_counter() - began
        for part in ("ids", "positions", "similarities", "scores64"):
            if getattr(found, part).tobytes() != getattr(wanted, part).tobytes():
                raise SystemExit("the cluster gave another answer than the shards in this process")
        return taken

    def seconds_in_vain(self, index: Any) -> float:
        """Return the seconds after which a search that nobody can answer tells of its time-out."""
        began = time.perf_counter()
        try:
            self.search(index, 0, timeout=CUT_TIMEOUT)
        except lk.distributed.AnswerTimeoutError:
            return time.perf_counter() - began
        raise SystemExit("a search was answered through a cable that was cut")


def serve(folder: str) -> None:
    """Say how many nodes hold shards, then answer each line with figures; in the first namespace."""
    here = lk.shards.open(folder)
    asked = Asked(here)
    with lk.distributed.start(folder, address=_HEAD) as there:
        print(len({worker.node for worker in there.status().workers}), flush=True)
        answers: dict[str, Callable[[], Any]] = {
            "here": lambda: asked.milliseconds(here),
            "there": lambda: asked.milliseconds(there, timeout=TIMEOUT),
            "cut": lambda: asked.seconds_in_vain(there),
            "mended": lambda: asked.search(there, 0, timeout=TIMEOUT),
        }
        for line in sys.stdin:
            print(json.dumps(answers[line.strip()]()), flush=True)


class Searcher:
    """The process in the first namespace that searches when it is told to; see `serve`."""

    def __init__(self, process: subprocess.Popen[str]) -> None:
        assert process.stdin is not None
        assert process.stdout is not None
        self._process, self._orders, self._answers = process, process.stdin, process.stdout
        nodes = self._answers.readline().strip()
        if nodes != "2":
            raise SystemExit(f"not run: the shards should be on 2 nodes, and are on {nodes or 'none'}")

    def answer(self, order: str) -> Any:
        self._orders.write(f"{order}\n")
        self._orders.flush()
        line = self._answers.readline()
        if not line:
            raise SystemExit(f"the process that searches ended, when it was told {order!r}")
        return json.loads(line)

    def end(self) -> None:
        self._orders.close()
        if self._process.wait(TIMEOUT) != 0:
            raise SystemExit(f"the process that searches ended with status {self._process.returncode}")


def cells(figures: list[list[float]]) -> list[str]:
    return [f"{median:.1f} ({least:.1f}–{most:.1f})" for least, median, most in figures]


def rows(cable: Cable, searcher: Searcher) -> Iterator[list[str]]:
    """Yield the rows of the table, each when it is measured."""
    yield ["one process", NOTHING, *cells(searcher.answer("here")), NOTHING]
    for conditions in CABLES:
        cable.conditions = conditions
        before = cable.carried, cable.lost
        figures = searcher.answer("there")
        packets = f"{cable.carried - before[0]:,} and {cable.lost - before[1]:,}"
        yield [f"{1e3 * conditions.delay:g}", f"{conditions.loss:.0%}", *cells(figures), packets]


@contextmanager
def cluster(folder: str) -> Iterator[tuple[Cable, Searcher]]:
    """Give the cable between the two nodes that hold the shards of a folder, and who searches there."""
    # All processes know one token, as those of several machines must; it is for this cluster alone.
    environment = {"RAY_AUTH_MODE": "token", "RAY_AUTH_TOKEN": secrets.token_hex(32)}
    with ExitStack() as stack:
        cable = stack.enter_context(namespaces())
        for number, name in enumerate(NAMES):
            process = stack.enter_context(in_namespace(name, *node(number, folder), environment=environment))
            assert process.stdout is not None
            if not any("Ray runtime started" in line for line in process.stdout):
                raise SystemExit(f"not run: Ray does not start in the namespace {name}")
        itself = (sys.executable, "-m", "benchmarks.speed.two_machines", "--serve", f"{folder}/db")
        process = stack.enter_context(in_namespace(NAMES[0], *itself, environment=environment))
        searcher = Searcher(process)
        yield cable, searcher
        searcher.end()


def main() -> None:
    arguments = parser(__doc__)
    arguments.add_argument("--serve", metavar="FOLDER", help="what this programme calls in a namespace")
    served = arguments.parse_args().serve
    if served is not None:
        serve(served)
        return
    check_possible()
    # A programme that is told to end deletes its namespaces first.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    with tempfile.TemporaryDirectory() as folder:
        with lk.shards.Writer(f"{folder}/db", DIM, rows_per_shard=CODES // SHARDS) as writer:
            writer.add(np.random.default_rng(1).standard_normal((CODES, DIM), dtype=np.float32))
        with cluster(folder) as (cable, searcher):
            print(head(HEADS))
            for each in rows(cable, searcher):
                print(row(each), flush=True)
            cable.conditions = Conditions(loss=1.0)
            in_vain = searcher.answer("cut")
            cable.conditions = Conditions()
            mended = searcher.answer("mended")
    print(f"\nThe cable cut: AnswerTimeoutError at {in_vain:.3f} s of {CUT_TIMEOUT:g} s.")
    print(f"The cable mended: the right answer {mended:.2f} s after it was asked for again.")


if __name__ == "__main__":
    main()
