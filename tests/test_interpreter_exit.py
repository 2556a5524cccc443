"""The end of an interpreter while threads are in the core: the exit status is the script's own."""

from __future__ import annotations

import sys

import pytest

from new_interpreter import run_python
from scale import scaled

BEGINNING = """
import atexit, os, pickle, signal, sys, threading
import numpy as np
import latentknn as lk

rng = np.random.default_rng(0)
codes = rng.standard_normal((4_000, 32), dtype=np.float32)
index = lk.CosineIndex.from_codes(codes, np.arange(4_000) % 3, threads=2)
begun = threading.Event()

def for_ever(call):
    def repeat():
        while True:
            call()
            begun.set()
    threading.Thread(target=repeat, daemon=True).start()
    begun.wait()
"""

CALLS = {
    "long searches": "index.search(codes, 50)",
    "short searches": "index.search(codes[:1], 1)",
    "search_self": "index.search_self(5)",
    "add": "index.add(codes[:200], np.arange(200) % 3)",
    "add and remove": "(index.add(codes[:9], np.arange(9) % 3), index.remove(index.ids[-9:]))",
    "construction": "lk.CosineIndex.from_codes(codes, threads=2)",
    "pickle": "pickle.loads(pickle.dumps(index))",
    "explain": "index.explain()",
    "per class": "index.search_per_class(codes[:99], 2)",
}


def exits(script: str, *arguments: str) -> tuple[int, str]:
    status, output, errors = run_python("-c", BEGINNING + script, *arguments)
    return status, output + errors


@pytest.mark.parametrize("call", CALLS)
def test_a_daemon_thread_in_the_core_leaves_the_exit_status_alone(call):
    """The moment at which a thread finds the interpreter gone is another one every time."""
    for _ in range(scaled(2)):
        assert exits(f"for_ever(lambda: {CALLS[call]})\nsys.exit(7)") == (7, "")


def test_several_daemon_threads_leave_the_exit_status_alone():
    script = """
for call in (lambda: index.search(codes, 9), lambda: index.add(codes[:9], np.arange(9) % 3), index.explain):
    for _ in range(2):
        for_ever(call)
sys.exit(7)
"""
    for _ in range(scaled(2)):
        assert exits(script) == (7, "")


def test_the_index_answers_and_changes_while_the_interpreter_ends():
    """A function of atexit uses the index while a thread is still in it."""
    script = """
few = codes[:5]
expected = index.search(few, 3).ids.tolist()

def search():
    assert index.search(few, 3).ids.tolist() == expected
    index.add(few, np.arange(5) % 3)
    print("searched")

atexit.register(search)
for_ever(lambda: index.search(codes, 20))
sys.exit(7)
"""
    for _ in range(scaled(2)):
        assert exits(script) == (7, "searched\n")


def test_a_thread_of_its_own_ends_its_search_before_the_interpreter_ends():
    script = """
def search():
    index.search(codes, 20)
    print("searched")
    sys.exit(3)

threading.Thread(target=search).start()
"""
    assert exits(script) == (0, "searched\n")


@pytest.mark.parametrize("end", ["os._exit(5)", "os.kill(os.getpid(), signal.SIGTERM)"])
def test_a_process_ends_at_once_in_the_middle_of_a_search(end):
    status, output = exits(f"for_ever(lambda: index.search(codes, 20))\n{end}\nindex.search(codes, 20)")
    assert (status, output) == (5 if "_exit" in end else -15, "")


def test_ctrl_c_and_then_the_end_leave_the_interrupt_s_own_status():
    """The main thread's search is interrupted while a daemon thread goes on searching."""
    script = """
for_ever(lambda: index.search(codes, 20))
signal.signal(signal.SIGINT, signal.default_int_handler)
threading.Timer(0.2, os.kill, (os.getpid(), signal.SIGINT)).start()
while True:
    index.search(codes, 50)
"""
    for _ in range(scaled(2)):
        status, output = exits(script)
        assert status == -2, output
        assert output.endswith("KeyboardInterrupt\n"), output


def test_an_exception_of_the_script_is_the_last_word():
    status, output = exits("for_ever(lambda: index.search(codes, 20))\nraise LookupError('mine')")
    assert status == 1
    assert output.endswith("LookupError: mine\n")


@pytest.mark.skipif(sys.version_info < (3, 12), reason="Python 3.11 waits for ever, inside pybind11")
def test_another_interpreter_of_the_process_is_refused():
    """The core's types and its main thread belong to one interpreter."""
    script = """
import importlib.util
import _interpreters
other = _interpreters.create()
failure = _interpreters.run_string(other, "import latentknn._core")
print(failure.type.__name__ if failure else "imported")
"""
    if sys.version_info < (3, 13):
        script = script.replace("_interpreters", "_xxsubinterpreters")
    assert exits(script) == (0, "ImportError\n")
