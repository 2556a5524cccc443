"""What surrounds a search changes nothing: floating-point modes, threads, forks, signals."""

from __future__ import annotations

import subprocess
import sys
import textwrap
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import ml_dtypes
import numpy as np
import pytest

import cases
import latentknn as lk
import reference
from checking import assert_same_bytes
from float_mode import ROUNDING, control_bits, float_mode
from latentknn import _core

HANG = 120
"""Seconds after which a script counts as hanging."""

MODES = [(rounding, flush) for rounding in ROUNDING for flush in (False, True)][1:]
"""Every rounding and treatment of denormals but the usual one, which is the first."""


def run_script(script: str, *arguments: str) -> str:
    """Run a script in a new interpreter that finds the modules of the tests, and return what it prints."""
    done = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(script), *arguments],
        cwd=Path(__file__).parent,
        capture_output=True,
        text=True,
        timeout=HANG,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


# Floating-point modes


@pytest.mark.parametrize(("rounding", "flush_denormals"), MODES)
@pytest.mark.parametrize("kind", ["denormals", "values_of_any_size", "too_small_for_float32", "tight_cone"])
def test_float_mode_of_the_caller(isa, strategy, kind, rounding, flush_denormals):
    codes, queries = cases.build(kind, 0, 211, 67, 21)
    expected = reference.search(codes, queries, 10)
    itself = reference.search_self(codes, 3)
    with float_mode(rounding, flush_denormals=flush_denormals):
        mode = control_bits()
        index = lk.CosineIndex.from_codes(codes, strategy=strategy, threads=2)
        after_building = control_bits()
        result = index.search(queries, 10, scores64=True)
        after_searching = control_bits()
        neighbours = index.search_self(3, scores64=True)
        after_self = control_bits()
    assert mode == after_building == after_searching == after_self
    assert_same_bytes(result, expected)
    assert_same_bytes(neighbours, itself)
    assert index.codes.tobytes() == codes.tobytes()


@pytest.mark.parametrize(("rounding", "flush_denormals"), MODES)
@pytest.mark.parametrize("dtype", ["float16", "bfloat16", "float64", "int64", "object"])
def test_float_mode_while_input_is_rounded(dtype, rounding, flush_denormals):
    rng = np.random.default_rng(0)
    if dtype in ("float16", "bfloat16"):
        bits = rng.integers(0, 0x7800, (50, 9)).astype(np.uint16)  # denormals and numbers, no infinity
        bits[:25] %= 0x80
        values = bits.view(np.float16 if dtype == "float16" else ml_dtypes.bfloat16)
    elif dtype == "int64":
        values = rng.integers(-(2**62), 2**62, (50, 9))
    else:
        values = (rng.standard_normal((50, 9)) * 10.0 ** rng.uniform(-44, 30, (50, 9))).astype(dtype)
    rounded = values.astype(np.float32)
    expected = reference.search(rounded, rounded, 5)
    with float_mode(rounding, flush_denormals=flush_denormals):
        index = lk.CosineIndex.from_codes(values)
        result = index.search(values, 5, scores64=True)
    assert index.codes.tobytes() == rounded.tobytes()
    assert_same_bytes(result, expected)


@pytest.mark.parametrize(("rounding", "flush_denormals"), MODES)
def test_float_mode_while_rows_of_denormals_are_checked(rounding, flush_denormals):
    """Rows that only a changed mode would turn to zero, or to infinity, are not refused."""
    values = np.full((9, 3), 1e-40)
    values[4:] = float(np.finfo(np.float32).max) + 2.0**102
    expected = reference.search(values, values, 5)
    with float_mode(rounding, flush_denormals=flush_denormals):
        result = lk.CosineIndex.from_codes(values).search(values, 5, scores64=True)
    assert_same_bytes(result, expected)


@pytest.mark.parametrize(("rounding", "flush_denormals"), MODES)
def test_float_mode_while_answers_of_several_threads_are_joined(strategy, rounding, flush_denormals):
    """With few queries the threads share out the codes, and the similarities are rounded after joining."""
    codes, _ = cases.build("too_small_for_float32", 1, 20_000, 0, 9)
    queries = np.zeros((2, 9), dtype=np.float32)
    queries[:, 0], queries[:, 1:] = 1e30, [[1e-12], [1e-14]]
    codes[:, 0] = 0
    expected = reference.search(codes, queries, 10)
    assert 0 < expected.similarities[0, 0] < np.finfo(np.float32).tiny
    with float_mode(rounding, flush_denormals=flush_denormals):
        result = lk.CosineIndex.from_codes(codes, strategy=strategy, threads=4).search(
            queries, 10, scores64=True
        )
    assert_same_bytes(result, expected)


def test_float_mode_survives_an_error():
    index = lk.CosineIndex.from_codes(np.ones((3, 2)))
    with float_mode("upward", flush_denormals=True):
        mode = control_bits()
        try:
            index.add([[np.nan, 1.0]])
        except ValueError:
            after = control_bits()
    assert mode == after


def test_threads_started_under_a_float_mode():
    """Threads inherit the mode of the thread that starts them, and the pool starts only once a process."""
    script = """
        import numpy as np
        import cases, latentknn as lk, reference
        from checking import assert_same_bytes
        from float_mode import float_mode

        codes, queries = cases.build("denormals", 0, 3000, 500, 21)
        expected = reference.search(codes, queries, 10)
        with float_mode("upward", flush_denormals=True):
            result = lk.CosineIndex.from_codes(codes, threads=4).search(queries, 10, scores64=True)
        assert_same_bytes(result, expected)
    """
    run_script(script)


# Threads and processes


def test_searches_from_several_threads():
    codes, queries = cases.build("mixture", 1, 1_501, 640, 24)
    expected = reference.search(codes, queries, 10)
    index = lk.CosineIndex.from_codes(codes, threads=3)

    def search_part(part):
        rows = slice(part * 80, part * 80 + 80)
        for _ in range(5):
            result = index.search(queries[rows], 10, scores64=True)
            assert_same_bytes(result, reference.Answer(*(array[rows] for array in expected)))
        return part

    with ThreadPoolExecutor(8) as executor:
        assert list(executor.map(search_part, range(8))) == list(range(8))


def test_indexes_of_several_threads():
    """Building, searching and dropping indexes at once."""
    codes, queries = cases.build("mixture", 2, 701, 50, 24)
    expected = reference.search(codes, queries, 10)

    def build_and_search(threads):
        for _ in range(5):
            index = lk.CosineIndex.from_codes(codes, threads=threads)
            assert_same_bytes(index.search(queries, 10, scores64=True), expected)
        return threads

    with ThreadPoolExecutor(6) as executor:
        assert list(executor.map(build_and_search, (1, 2, 3, 1, 2, 3))) == [1, 2, 3, 1, 2, 3]


def test_searches_while_the_index_changes():
    """A search sees the index before or after each change, never in between.

    The codes that come and go point away from every query, so that the right answer stays the same.
    """
    script = """
        import threading
        import numpy as np
        import latentknn as lk, reference
        from checking import assert_same_bytes

        rng = np.random.default_rng(0)
        codes, queries = (rng.uniform(0.5, 1, (rows, 16)).astype(np.float32) for rows in (500, 50))
        expected, expected_self = reference.search(codes, queries, 3), reference.search_self(codes, 3)
        index = lk.CosineIndex.from_codes(codes, threads=2)
        finished = threading.Event()

        def come_and_go():
            start = 500
            while not finished.is_set():
                ids = np.arange(start, start + 200)
                index.add(-rng.uniform(0.5, 1, (200, 16)), ids=ids)
                index.remove(ids)
                start += 200

        change = threading.Thread(target=come_and_go)
        change.start()
        try:
            for _ in range(200):
                assert_same_bytes(index.search(queries, 3, scores64=True), expected)
                result = index.search_self(3, scores64=True)
                own = {name: getattr(result, name)[:500] for name in reference.Answer._fields}
                assert_same_bytes(lk.SearchResult(**own), expected_self)
                try:
                    result = index.search(queries, 3, allowed=np.ones(len(index), bool), scores64=True)
                except ValueError as error:
                    assert "allowed" in str(error)  # the index changed after len()
                else:
                    assert_same_bytes(result, expected)
                try:
                    assert index.search(queries, 650).ids.shape == (50, 650)
                except ValueError as error:
                    assert "650" in str(error)  # the codes were gone
        finally:
            finished.set()
            change.join()
    """
    run_script(script)


def test_questions_while_codes_are_added():
    """Asking for the length must not wait with the interpreter held: adding needs it to notice Ctrl-C."""
    script = """
        import threading
        import numpy as np
        import latentknn as lk

        codes = np.ones((150_000, 256), np.float32)
        index = lk.CosineIndex(256, threads=1)
        for count in (150_000, 300_000):
            addition = threading.Thread(target=index.add, args=(codes,))
            addition.start()
            while addition.is_alive():
                assert len(index) in (count - 150_000, count)
            assert len(index) == count
    """
    run_script(script)


def test_search_releases_the_interpreter():
    """Another Python thread counts on while a long search runs on one thread."""
    rng = np.random.default_rng(0)
    codes, queries = (rng.standard_normal((rows, 64), dtype=np.float32) for rows in (20_000, 4_000))
    index = lk.CosineIndex.from_codes(codes, threads=1)
    with ThreadPoolExecutor(1) as executor:
        search = executor.submit(index.search, queries, 10)
        steps = 0
        while not search.done():
            steps += 1
            time.sleep(0)
    assert steps > 3
    assert search.result().ids.shape == (4_000, 10)


@pytest.mark.parametrize("child", ["os.fork", "multiprocessing"])
def test_fork(child):
    """A child has none of its parent's threads, and both must go on."""
    script = """
        import os, signal, sys, warnings
        import multiprocessing
        import cases, latentknn as lk, reference
        from checking import assert_same_bytes

        warnings.simplefilter("ignore")  # Python 3.12 warns of forking beside threads
        codes, queries = cases.build("mixture", 0, 3000, 300, 21)
        expected = reference.search(codes, queries, 10)
        index = lk.CosineIndex.from_codes(codes, threads=4)
        assert_same_bytes(index.search(queries, 10, scores64=True), expected)

        def search():
            signal.alarm(60)
            for _ in range(3):
                assert_same_bytes(index.search(queries, 10, scores64=True), expected)
            own = lk.CosineIndex.from_codes(codes, threads=2)
            assert_same_bytes(own.search(queries, 10, scores64=True), expected)

        if sys.argv[1] == "os.fork":
            child = os.fork()
            if child == 0:
                search()
                os._exit(0)
            search()
            assert os.waitpid(child, 0)[1] == 0
        else:
            context = multiprocessing.get_context("fork")
            children = [context.Process(target=search) for _ in range(2)]
            for process in children:
                process.start()
            search()
            for process in children:
                process.join()
                assert process.exitcode == 0
        assert_same_bytes(index.search(queries, 10, scores64=True), expected)
    """
    run_script(script, child)


def test_a_child_does_not_wait_for_threads_that_it_has_not_got():
    """Forked while another thread searches or adds, a child answers, or says at once why it cannot."""
    script = """
        import os, signal, threading, time, warnings
        import numpy as np
        import latentknn as lk

        warnings.simplefilter("ignore")  # Python 3.12 warns of forking beside threads
        rng = np.random.default_rng(0)
        codes, queries = (rng.standard_normal((n, 32), dtype=np.float32) for n in (20_000, 20_000))
        index = lk.CosineIndex.from_codes(codes, threads=1)
        expected = index.search(queries[:20], 10)

        def in_child():
            signal.alarm(20)  # the default action ends the child
            try:
                found = index.search(queries[:20], 10)
                answered = found.ids[:, 0].tolist() == expected.ids[:, 0].tolist() or len(index) > len(codes)
                index.add(codes[:2])
                os._exit(0 if answered else 3)
            except RuntimeError as error:
                os._exit(1 if "when the process was forked" in str(error) else 4)

        def forked(work):
            thread = threading.Thread(target=work)
            thread.start()
            outcomes = []
            while thread.is_alive() and len(outcomes) < 6:
                time.sleep(0.01)
                child = os.fork()
                if child == 0:
                    in_child()
                outcomes.append(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))
            thread.join()
            return outcomes

        searching = forked(lambda: [index.search(queries, 10) for _ in range(3)])
        assert len(searching) > 1, searching
        # The rows are only read meanwhile: the child goes on with them.
        assert set(searching) == {0}, searching
        adding = forked(lambda: [index.add(codes) for _ in range(10)])
        assert set(adding) <= {0, 1} and 1 in adding, adding
        assert len(index) == 11 * len(codes)
        index.search(queries[:20], 10)
    """
    run_script(script)


@pytest.mark.parametrize("threads", ["1", "2"])
def test_interrupt(threads):
    """Ctrl-C ends a long search with work left undone, and the index answers right afterwards.

    The work is counted in processor time: the long search has 400 times the queries of the one measured.
    """
    script = """
        import os, signal, sys, threading, time
        import numpy as np
        import latentknn as lk, reference
        from checking import assert_same_bytes

        rng = np.random.default_rng(0)
        codes = rng.standard_normal((50_000, 64), dtype=np.float32)
        queries = np.broadcast_to(rng.standard_normal((500, 1, 64), dtype=np.float32), (500, 400, 64))
        index = lk.CosineIndex.from_codes(codes, threads=int(sys.argv[1]))

        start = time.process_time()
        index.search(queries[:, 0], 10)
        one_part = time.process_time() - start

        timer = threading.Timer(0.3, os.kill, (os.getpid(), signal.SIGINT))
        start = time.process_time()
        timer.start()
        try:
            index.search(queries.reshape(-1, 64), 10)
        except KeyboardInterrupt:
            interrupted = True
        else:
            interrupted = False
        done = (time.process_time() - start) / one_part
        assert interrupted, "the search was over before the signal, or ignored it"
        assert done < 200, f"the work of {done} of 400 parts was done"

        few = queries[:7, 0]
        assert_same_bytes(index.search(few, 10, scores64=True), reference.search(codes, few, 10))
        print("answered after the interrupt")
    """
    assert run_script(script, threads) == "answered after the interrupt\n"


def test_signal_handlers_run_during_a_search():
    """Not only Ctrl-C: the exception of any handler ends the search."""
    script = """
        import signal
        import numpy as np
        import latentknn as lk

        class Enough(Exception):
            pass

        def stop(signal_number, frame):
            raise Enough

        rng = np.random.default_rng(0)
        codes = rng.standard_normal((50_000, 64), dtype=np.float32)
        queries = rng.standard_normal((200_000, 64), dtype=np.float32)
        index = lk.CosineIndex.from_codes(codes, threads=1)
        signal.signal(signal.SIGALRM, stop)
        signal.setitimer(signal.ITIMER_REAL, 0.3)
        try:
            index.search(queries, 10)
        except Enough:
            print("stopped")
    """
    assert run_script(script) == "stopped\n"


# Importing


def test_import_needs_only_numpy():
    script = """
        import sys
        import latentknn
        loaded = {name.partition(".")[0] for name in sys.modules}
        print(*sorted(loaded & {"sklearn", "scipy", "tensorflow", "keras", "faiss", "matplotlib", "joblib"}))
    """
    assert run_script(script) == "\n"


@pytest.mark.parametrize("first", ["latentknn", "other"])
@pytest.mark.parametrize("other", ["tensorflow", "faiss", "sklearn.neighbors"])
def test_import_beside(other, first):
    script = """
        import importlib, sys
        names = ["latentknn", sys.argv[1]] if sys.argv[2] == "latentknn" else [sys.argv[1], "latentknn"]
        modules = [importlib.import_module(name) for name in names]
        import cases, latentknn as lk, reference
        from checking import assert_same_bytes
        codes, queries = cases.build("denormals", 0, 300, 30, 21)
        expected = reference.search(codes, queries, 10)
        assert_same_bytes(lk.CosineIndex.from_codes(codes).search(queries, 10, scores64=True), expected)
    """
    run_script(script, other, first)


# Choice of the kernel


def test_kernel_is_chosen_when_an_index_is_built(monkeypatch):
    slowest = _core.available_isas()[0]
    monkeypatch.setenv("LATENTKNN_ISA", slowest)
    index = lk.CosineIndex.from_codes(np.eye(3))
    monkeypatch.delenv("LATENTKNN_ISA")
    assert index.isa == slowest
    before = _core.searches_by_isa()
    index.search(np.eye(3), 1)
    after = _core.searches_by_isa()
    assert {isa for isa in after if after[isa] != before[isa]} == {slowest}


def test_best_kernel_by_default(monkeypatch):
    monkeypatch.delenv("LATENTKNN_ISA", raising=False)
    assert lk.CosineIndex(3).isa == _core.available_isas()[-1]


@pytest.mark.parametrize("name", ["avx1024", "AVX2 ", "-", "auto!"])
def test_unknown_kernel(monkeypatch, name):
    monkeypatch.setenv("LATENTKNN_ISA", name)
    with pytest.raises((ValueError, RuntimeError), match="LATENTKNN_ISA"):
        lk.CosineIndex.from_codes(np.eye(3))


def test_kernel_that_this_cpu_lacks(monkeypatch):
    elsewhere = "neon" if "neon" not in _core.available_isas() else "avx512"
    monkeypatch.setenv("LATENTKNN_ISA", elsewhere)
    with pytest.raises((ValueError, RuntimeError), match=f"LATENTKNN_ISA.*{elsewhere}"):
        lk.CosineIndex.from_codes(np.eye(3))


def test_an_interrupted_add_of_rows_that_the_screen_does_not_suit():
    """Rows that were noted as unscreened before the interruption are gone with the others."""
    script = """
        import time

        import numpy as np
        import latentknn as lk
        from interrupting import is_interrupted

        rng = np.random.default_rng(0)
        spread = np.geomspace(1, 0.01, 3000, dtype=np.float32)
        rows = rng.standard_normal((9_100, 3000), dtype=np.float32) * spread
        others = rng.standard_normal((9_000, 3000), dtype=np.float32)
        unlike = np.arange(9_000) % 200 == 0
        others[~unlike] *= spread
        queries = np.concatenate([rows[:5], others[unlike][:5]])
        whole, index = (lk.CosineIndex.from_codes(rows, strategy="pca", threads=1) for _ in range(2))
        began = time.perf_counter()
        whole.add(others)
        milliseconds = 1000 * (time.perf_counter() - began)
        noted, expected = index.explain().unscreened_rows, index.search(queries, 5)
        stopped = 0
        for share in np.linspace(0.01, 2, 40):
            if not is_interrupted(lambda: index.add(others), share * milliseconds):
                break
            if len(index) > 9_100:
                break
            stopped += 1
            assert index.explain().unscreened_rows == noted
            found = index.search(queries, 5)
            assert found.ids.tobytes() == expected.ids.tobytes()
            assert found.similarities.tobytes() == expected.similarities.tobytes()
        assert stopped > 0
        assert index.explain().unscreened_rows > noted, "what is added is meant to be noted"
    """
    run_script(script)


@pytest.mark.parametrize("strategy", ["fp32", "pca"])
def test_interrupted_changes_leave_the_index_whole(strategy):
    """Wherever in a change the signal comes: codes, labels, ids and answers agree after it."""
    script = f"""
        import numpy as np
        import latentknn as lk
        from interrupting import is_interrupted

        rng = np.random.default_rng(0)
        few, many, queries = (rng.standard_normal((n, 128), dtype=np.float32) for n in (5_000, 45_000, 20))
        stopped = 0
        for milliseconds in (1, 20, 60, 100, 150, 200, 300):
            index = lk.CosineIndex.from_codes(few, np.arange(5_000), strategy={strategy!r})
            for change, sizes in (
                (lambda: index.add(many, np.arange(5_000, 50_000)), (5_000, 50_000)),
                (lambda: index.remove(index.ids[::2]), (2_500, 5_000, 25_000, 50_000)),
            ):
                stopped += is_interrupted(change, milliseconds)
                assert len(index) in sizes
                assert len(index.labels) == len(index.ids) == len(index)
                assert np.array_equal(index.labels, index.ids)
                again = lk.CosineIndex.from_codes(index.codes, ids=index.ids, strategy="float64")
                assert again.search(queries, 5).ids.tobytes() == index.search(queries, 5).ids.tobytes()
        assert stopped > 0
    """
    run_script(script)
