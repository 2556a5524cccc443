"""Changes of an index while other threads search it, and changes that Ctrl-C ends."""

from __future__ import annotations

from new_interpreter import run_script
from scale import scaled

STATES = """
    import sys, threading
    import numpy as np
    import latentknn as lk

    dim, rng = 8, np.random.default_rng(0)
    searches = int(sys.argv[1])
    queries = rng.standard_normal((4, dim), dtype=np.float32)

    def answer(index):
        # One search whose answer tells every code, id and position that the index has.
        count = len(index)
        result = index.search(queries, count, scores64=True)
        mask = index.labels == 1
        chosen = index.search(queries[:2], 3, allowed=mask).ids
        arrays = (result.ids, result.positions, result.scores64, index.ids, index.labels, chosen)
        return b"".join(array.tobytes() for array in arrays)

    def bytes_of(result):
        return result.ids.tobytes() + result.positions.tobytes() + result.scores64.tobytes()

    index = lk.CosineIndex.from_codes(
        rng.standard_normal((300, dim)), np.arange(300) % 2, np.arange(300), engine="cpu", threads=2
    )
    states, plain_states = set(), set()
    seen, plain_seen, errors = [], [], []
    finished = threading.Event()

    def built(index):
        own = lk.CosineIndex.from_codes(index.codes, index.labels, index.ids, strategy="float64")
        states.add(answer(own))
        plain_states.add(bytes_of(own.search(queries, 20, scores64=True)))

    def change():
        built(index.snapshot())
        step = 0
        while not finished.is_set():
            known = index.ids
            count = int(rng.integers(1, 40)) if step % 12 else 400
            codes, labels = rng.standard_normal((count, dim)), rng.integers(0, 2, count)
            kind = step % 5
            if kind == 0 and len(known) < 900:
                index.add(codes, labels, np.arange(known.max() + 1, known.max() + 1 + count))
            elif kind == 1:
                index.update(codes[:20], rng.permutation(known)[: len(codes[:20])], labels[:20])
            elif kind == 2:
                ids = np.concatenate([rng.permutation(known)[:3], [known.max() + 7]])[:count]
                index.upsert(codes[: len(ids)], ids, labels[: len(ids)])
            elif kind == 3:
                index.remove(rng.permutation(known)[: max(1, len(known) - 280)])
            else:
                index.compact()
            built(index.snapshot())
            step += 1

    def search():
        try:
            for _ in range(searches):
                seen.append(answer(index.snapshot()))
                plain_seen.append(bytes_of(index.search(queries, 20, scores64=True)))
        except BaseException as error:
            errors.append(repr(error))

    changing = threading.Thread(target=change)
    others = [threading.Thread(target=search) for _ in range(16)]
    for thread in (changing, *others):
        thread.start()
    for thread in others:
        thread.join()
    finished.set()
    changing.join()
    assert not errors, errors
    assert len(seen) == len(plain_seen) == 16 * searches
    assert set(seen) <= states, "a snapshot gave what no state gives"
    assert set(plain_seen) <= plain_states, "a search gave what no state gives"
    print(len(states) > 3)
"""


def test_every_answer_of_many_threads_is_that_of_a_state_that_was_there():
    """One thread makes all kinds of changes; 16 search snapshots, with masks too, and the index."""
    assert run_script(STATES, str(scaled(20))) == "True\n"


def test_a_search_is_not_kept_waiting_by_a_change():
    """A search that begins while codes are packed is over before the packing is."""
    script = """
        import threading
        import numpy as np
        import latentknn as lk

        rng = np.random.default_rng(0)
        codes = rng.standard_normal((150_000, 96), dtype=np.float32)
        index = lk.CosineIndex.from_codes(codes[:50_000], threads=2)
        change = threading.Thread(target=index.add, args=(codes[50_000:],))
        searches = 0
        change.start()
        while change.is_alive():
            index.snapshot().search(codes[:8], 10)
            index.search(codes[:8], 10)
            searches += len(index) == 50_000
        change.join()
        assert len(index) == 150_000
        print(searches > 3)
    """
    assert run_script(script) == "True\n"


def test_ctrl_c_ends_a_removal_that_packs_anew_and_a_compaction():
    """What is interrupted has changed nothing."""
    script = """
        import numpy as np
        import latentknn as lk
        from interrupting import is_interrupted

        rng = np.random.default_rng(0)
        codes = rng.standard_normal((120_000, 96), dtype=np.float32)
        index = lk.CosineIndex.from_codes(codes, threads=1)
        index.remove(np.arange(7))
        before = index.search(codes[:5], 9, scores64=True).scores64.tobytes()
        changes = {"compact": index.compact, "remove": lambda: index.remove(np.arange(50_000, 90_000))}
        for name, change in changes.items():
            assert is_interrupted(change, 20), name
            assert len(index) == 119_993
            assert index.search(codes[:5], 9, scores64=True).scores64.tobytes() == before
        for change in changes.values():
            change()
        assert index.ids.tolist() == [*range(7, 50_000), *range(90_000, 120_000)]
        print("changed")
    """
    assert run_script(script) == "changed\n"
