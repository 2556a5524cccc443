"""Forks beside threads that are in an index, forks by threads and signal handlers, and pools of processes."""

from __future__ import annotations

import pytest

from new_interpreter import run_script
from scale import scaled

BEGINNING = """
import os, pickle, signal, sys, tempfile, threading, time, warnings
import numpy as np
import latentknn as lk

# Python 3.12 warns of forking beside threads.
warnings.simplefilter("ignore")
rng = np.random.default_rng(0)
# The codes that come and go point away from every query, so that the right answer stays the same.
codes, queries = (rng.uniform(0.5, 1, (rows, 16)).astype(np.float32) for rows in (3_000, 20))
index = lk.CosineIndex.from_codes(codes, np.arange(3_000) % 3, threads=2)
expected = index.search(queries, 5)

def searches_well():
    found = index.search(queries, 5)
    return found.ids.tobytes() == expected.ids.tobytes() and (
        found.similarities.tobytes() == expected.similarities.tobytes()
    )

def outcome_of(call):
    # Fork, and return 0 if the call returned true in the child, 1 if it said that the process was forked.
    child = os.fork()
    if child == 0:
        # The default action ends a child that hangs, by status -14.
        signal.alarm(30)
        status = 3
        try:
            status = 0 if call() else 2
        except RuntimeError as error:
            status = 1 if "the process was forked" in str(error) else 4
        finally:
            os._exit(status)
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
"""

READING = {
    "search": "index.search(codes, 20)",
    "search_self": "index.search_self(5)",
    "search_per_class": "index.search_per_class(codes[:500], 2)",
    "save": "index.save(path)",
    "load": "lk.CosineIndex.load(path)",
    "build": "lk.CosineIndex.from_codes(codes, threads=2)",
}
CHANGING = {
    "add": "index.add(-codes[:50], np.zeros(50, int))",
    "remove": "(index.add(-codes[:50], np.zeros(50, int)), index.remove(index.ids[-50:]))",
}
BESIDE = """
path = os.path.join(tempfile.mkdtemp(), "index.safetensors")
index.save(path)
finished = threading.Event()

def work():
    while not finished.is_set():
        {work}

thread = threading.Thread(target=work)
thread.start()
outcomes = []
for number in range(int(sys.argv[1])):
    time.sleep(number % 7 / 1000)
    outcomes.append(outcome_of({child}))
    assert searches_well()
finished.set()
thread.join()
assert set(outcomes) <= {allowed}, outcomes
print(len(outcomes))
"""


def run(script: str, *arguments: str) -> str:
    return run_script(BEGINNING + script, *arguments)


@pytest.mark.parametrize("work", READING)
def test_a_child_searches_whatever_another_thread_reads(work):
    """The child searches, adds and removes: what the other thread only read is whole."""
    child = """lambda: (
        searches_well()
        and index.add(-codes[:9], np.zeros(9, int)) is None
        and index.remove(index.ids[-9:]) is None
        and searches_well()
    )"""
    script = BESIDE.format(work=READING[work], child=child, allowed={0})
    assert run(script, str(scaled(10))) == f"{scaled(10)}\n"


@pytest.mark.parametrize("work", READING)
def test_a_child_reads_whatever_another_thread_reads(work):
    script = BESIDE.format(work=READING[work], child="searches_well", allowed={0})
    assert run(script, str(scaled(10))) == f"{scaled(10)}\n"


@pytest.mark.parametrize("work", CHANGING)
def test_a_child_searches_whatever_another_thread_changes(work):
    script = BESIDE.format(work=CHANGING[work], child="searches_well", allowed={0})
    assert run(script, str(scaled(10))) == f"{scaled(10)}\n"


@pytest.mark.parametrize("work", CHANGING)
def test_a_child_changes_or_is_told_whatever_another_thread_changes(work):
    child = "lambda: index.add(codes[:1], [0]) is None"
    script = BESIDE.format(work=CHANGING[work], child=child, allowed={0, 1})
    assert run(script, str(scaled(10))) == f"{scaled(10)}\n"


def test_a_child_of_a_child_searches():
    script = """
def in_child():
    return searches_well() and outcome_of(lambda: searches_well() and outcome_of(searches_well) == 0) == 0

threading.Thread(target=lambda: [index.search(codes, 20) for _ in range(20)], daemon=True).start()
for _ in range(int(sys.argv[1])):
    assert outcome_of(in_child) == 0
    # One that does not search before it forks again.
    assert outcome_of(lambda: outcome_of(searches_well) == 0) == 0
"""
    run(script, str(scaled(3)))


def test_a_child_of_a_thread_searches_and_hears_signals():
    """The thread that forks is the main thread of the child, and hears Ctrl-C there."""
    script = """
def interrupted():
    signal.signal(signal.SIGINT, signal.default_int_handler)
    threading.Timer(0.2, os.kill, (os.getpid(), signal.SIGINT)).start()
    began = time.monotonic()
    try:
        while time.monotonic() < began + 20:
            index.search(np.repeat(codes, 10, axis=0), 50)
    except KeyboardInterrupt:
        return searches_well()

outcomes = []
def fork():
    for _ in range(int(sys.argv[1])):
        outcomes.append(outcome_of(lambda: searches_well() and interrupted()))

threads = [threading.Thread(target=fork) for _ in range(2)]
for thread in threads:
    thread.start()
for _ in range(20):
    assert searches_well()
for thread in threads:
    thread.join()
assert set(outcomes) == {0}, outcomes
"""
    run(script, str(scaled(2)))


def test_a_signal_handler_forks_in_the_middle_of_a_search():
    """The child's search says so, and its next one answers; the parent's search goes on."""
    script = """
def handler(number, frame):
    global child
    child = os.fork()
    if child == 0:
        signal.alarm(30)
        # The search that was interrupted is not over yet.
        assert searches_well()

signal.signal(signal.SIGUSR1, handler)
many = np.repeat(codes, 10, axis=0)
for _ in range(int(sys.argv[1])):
    child = None
    timer = threading.Timer(0.02, os.kill, (os.getpid(), signal.SIGUSR1))
    timer.start()
    told = False
    while child is None:
        try:
            index.search(many, 50)
        except RuntimeError as error:
            told = "forked in the middle of this call" in str(error)
    if child == 0:
        for _ in range(3):
            assert told and searches_well()
            index.add(codes[:2], [0, 0])
            index.remove(index.ids[-2:])
        os._exit(7)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 7
    assert searches_well() and not told
    timer.join()
"""
    run(script, str(scaled(2)))


@pytest.mark.parametrize("method", ["fork", "forkserver", "spawn"])
def test_processes_of_multiprocessing_search(method, tmp_path):
    """A pool's processes get an index by inheritance or by pickle."""
    (tmp_path / "searching.py").write_text(
        "def search(task):\n    index, queries = task\n    return index.search(queries, 5).ids.tobytes()\n"
    )
    script = """
import multiprocessing
from concurrent.futures import ProcessPoolExecutor
sys.path.insert(0, sys.argv[2])
import searching

if __name__ == "__main__":
    threading.Thread(target=lambda: [index.search(codes, 20) for _ in range(5)]).start()
    context = multiprocessing.get_context(sys.argv[1])
    with ProcessPoolExecutor(2, mp_context=context) as pool:
        answers = list(pool.map(searching.search, [(index, queries)] * 4, timeout=100))
    assert set(answers) == {expected.ids.tobytes()}
"""
    run(script, method, str(tmp_path))


def test_processes_of_joblib_search():
    script = """
import joblib
searches = [joblib.delayed(index.search)(queries, 5)] * 4
answers = joblib.Parallel(n_jobs=2, backend="loky")(searches)
assert {answer.ids.tobytes() for answer in answers} == {expected.ids.tobytes()}
"""
    run(script)


def test_a_child_searches_with_faiss_on_one_thread():
    """OpenMP's threads are not in a child; FAISS would wait for them."""
    pytest.importorskip("faiss")
    script = """
index = lk.CosineIndex.from_codes(codes, engine="faiss", threads=2)
expected = index.search(codes, 5)

def in_child():
    found = index.search(codes, 5)
    index.add(codes)
    own = lk.CosineIndex.from_codes(codes, engine="faiss", threads=2)
    return found.ids.tobytes() == expected.ids.tobytes() == own.search(codes, 5).ids.tobytes()

for _ in range(int(sys.argv[1])):
    assert outcome_of(in_child) == 0
finished = threading.Event()

def work():
    while not finished.is_set():
        index.search(codes, 5)

thread = threading.Thread(target=work)
thread.start()
outcomes = [outcome_of(in_child) for _ in range(int(sys.argv[1]))]
finished.set()
thread.join()
# One engine's search holds its lock.
assert set(outcomes) <= {0, 1}, outcomes
"""
    run(script, str(scaled(10)))
