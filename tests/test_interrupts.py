"""Interrupts that end a search or a change of an index, and leave the index consistent."""

from __future__ import annotations

import pytest

from new_interpreter import run_script


@pytest.mark.parametrize("threads", ["1", "2"])
def test_ctrl_c_ends_a_search(threads):
    """Ctrl-C ends a long search before its work is done, and the index answers correctly afterwards.

    The work is measured in processor time: the long search has 400 times the queries of the first one.
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
    """An exception from any signal handler ends the search."""
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


def test_an_interrupted_add_counts_no_unscreened_rows():
    """Rows that an interrupted change found to suit no screen are not counted."""
    script = """
        import time

        import numpy as np
        import latentknn as lk
        from interrupting import is_interrupted
        from unlike_codes import make_unlike, narrow_cone

        rows, others = narrow_cone(9_100, 600), narrow_cone(9_000, 600)
        unlike = make_unlike(others, every=151, before=9_100)
        queries = np.concatenate([rows[:5], others[unlike][:5]])
        whole, index = (lk.CosineIndex.from_codes(rows, strategy="int8", threads=1) for _ in range(2))
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
        assert index.explain().unscreened_rows == noted + len(unlike), "what is added is meant to be noted"
    """
    run_script(script)


@pytest.mark.parametrize("strategy", ["fp32", "pca"])
def test_interrupted_changes_leave_the_index_whole(strategy):
    """Codes, labels, ids and answers agree after a signal at any moment of a change."""
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
