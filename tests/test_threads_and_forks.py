"""Searches by several threads and by forked processes."""

from __future__ import annotations

import time
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest

import cases
import latentknn as lk
import reference
from checking import assert_same_bytes
from new_interpreter import run_script


def test_several_threads_search_one_index():
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


def test_several_threads_have_indexes_of_their_own():
    """Several threads build, search and drop indexes at the same time."""
    codes, queries = cases.build("mixture", 2, 701, 50, 24)
    expected = reference.search(codes, queries, 10)

    def build_and_search(threads):
        for _ in range(5):
            index = lk.CosineIndex.from_codes(codes, threads=threads)
            assert_same_bytes(index.search(queries, 10, scores64=True), expected)
        return threads

    with ThreadPoolExecutor(6) as executor:
        assert list(executor.map(build_and_search, (1, 2, 3, 1, 2, 3))) == [1, 2, 3, 1, 2, 3]


def test_a_search_sees_the_index_before_or_after_a_change():
    """A search sees the index before or after a change, never during it.

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
                    # The index changed after len().
                    assert "allowed" in str(error)
                else:
                    assert_same_bytes(result, expected)
                try:
                    assert index.search(queries, 650).ids.shape == (50, 650)
                except ValueError as error:
                    # The codes were gone.
                    assert "650" in str(error)
        finally:
            finished.set()
            change.join()
    """
    run_script(script)


def test_the_length_is_told_while_codes_are_added():
    """``len`` must not hold the interpreter while it waits: ``add`` needs it to notice Ctrl-C."""
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
    """Another Python thread goes on counting during a long search on one thread."""
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
def test_a_forked_child_searches_on(child):
    """A child has none of its parent's threads; both must go on searching."""
    script = """
        import os, signal, sys, warnings
        import multiprocessing
        import cases, latentknn as lk, reference
        from checking import assert_same_bytes

        # Python 3.12 warns of forking beside threads.
        warnings.simplefilter("ignore")
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
    """A child forked while another thread searches or adds answers, or raises at once."""
    script = """
        import os, signal, threading, time, warnings
        import numpy as np
        import latentknn as lk

        # Python 3.12 warns of forking beside threads.
        warnings.simplefilter("ignore")
        rng = np.random.default_rng(0)
        codes, queries = (rng.standard_normal((n, 32), dtype=np.float32) for n in (20_000, 20_000))
        index = lk.CosineIndex.from_codes(codes, threads=1)
        expected = index.search(queries[:20], 10)

        def in_child():
            # The default action ends the child.
            signal.alarm(20)
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
        # The rows are only read meanwhile, so the child goes on with them.
        assert set(searching) == {0}, searching
        adding = forked(lambda: [index.add(codes) for _ in range(10)])
        assert set(adding) <= {0, 1} and 1 in adding, adding
        assert len(index) == 11 * len(codes)
        index.search(queries[:20], 10)
    """
    run_script(script)
