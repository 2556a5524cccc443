"""Searches and encoders that tell of their progress, and answer as they do in silence."""

from __future__ import annotations

import threading

import numpy as np
import pytest

import cases
import latentknn as lk
import reference
from checking import assert_same_bytes, assert_same_results
from latentknn.encoders import as_encoder
from latentknn.index import pieces
from new_interpreter import run_python, run_script
from small_models import every_model, small_model
from terminal import run_script_on_terminal


@pytest.fixture
def small_pieces(monkeypatch):
    """Let a search answer a few queries at a time, always equally many."""
    monkeypatch.setattr(pieces, "_FIRST", 7)
    monkeypatch.setattr(pieces, "_QUICK", 0)
    monkeypatch.setattr(pieces, "_SLOW", np.inf)


@pytest.fixture(params=["cpu", "cuda"])
def exact_engine(request):
    if request.param == "cuda":
        request.getfixturevalue("cuda_or_emulated")
    return request.param


class Listener:
    """What a call tells."""

    def __init__(self):
        self.told = []

    def __call__(self, done, total):
        self.told.append((done, total))

    def assert_whole(self, total, count=None):
        """Assert that the call told of everything, from the beginning to the end, in so many steps."""
        assert self.told[0] == (0, total)
        assert self.told[-1] == (total, total)
        assert self.told == sorted(set(self.told))
        assert count in (None, len(self.told))


@pytest.mark.usefixtures("small_pieces")
@pytest.mark.parametrize("kind", ["gaussian", "duplicates", "zero_rows", "last_bits"])
def test_a_search_that_tells_gives_the_same_bytes(exact_engine, kind):
    codes, queries = cases.build(kind, 0, 120, 40, 9)
    ids = cases.user_ids(0, 120)
    index = lk.CosineIndex.from_codes(codes, ids=ids, engine=exact_engine)
    listener = Listener()
    found = index.search(queries, 6, scores64=True, progress=listener)
    assert_same_bytes(found, reference.search(codes, queries, 6, ids=ids))
    listener.assert_whole(len(queries), 1 + -(-len(queries) // 7))
    # Every row can be asked for all the others.
    for k in (5, 119):
        listener = Listener()
        found = index.search_self(k, scores64=True, progress=listener)
        assert_same_bytes(found, reference.search_self(codes, k, ids=ids))
        listener.assert_whole(120, 1 + -(-120 // 7))


@pytest.mark.usefixtures("small_pieces")
def test_masks_and_thresholds_stay_with_their_queries():
    codes, queries = cases.build("gaussian", 1, 200, 50, 8)
    index = lk.CosineIndex.from_codes(codes)
    options = {
        "allowed": np.arange(200) % 3 > 0,
        "at_least": np.linspace(-0.5, 0.9, len(queries)),
        "scores64": True,
    }
    assert_same_results(
        index.search(queries, 4, progress=Listener(), **options), index.search(queries, 4, **options)
    )
    assert index.search(queries, 4, progress=Listener()).scores64 is None


@pytest.mark.usefixtures("small_pieces")
def test_a_bad_query_is_named_by_its_place_among_all():
    codes, queries = cases.build("gaussian", 1, 200, 50, 8)
    queries = queries.copy()
    queries[33, 2] = np.nan
    listener = Listener()
    with pytest.raises(ValueError, match="row 33 of the queries"):
        lk.CosineIndex.from_codes(codes).search(queries, 4, progress=listener)
    assert listener.told == []


def test_pieces_become_as_large_as_the_machine_is_fast():
    codes, queries = cases.build("gaussian", 1, 50, 20_000, 4)
    listener = Listener()
    lk.CosineIndex.from_codes(codes).search(queries, 1, progress=listener)
    listener.assert_whole(len(queries))
    assert len(listener.told) < 20_000 / 256


def test_no_queries_are_answered():
    index = lk.CosineIndex.from_codes(np.eye(3))
    listener = Listener()
    found = index.search(np.empty((0, 3)), 2, scores64=True, progress=listener)
    assert found.ids.shape == found.scores64.shape == (0, 2)
    assert set(listener.told) == {(0, 0)}


def test_engines_that_are_not_exact_answer_at_once():
    codes, queries = cases.build("gaussian", 1, 200, 50, 8)
    index = lk.CosineIndex.from_codes(codes, engine="faiss")
    listener = Listener()
    assert_same_results(
        index.search(queries, 4, scores64=True, progress=listener), index.search(queries, 4, scores64=True)
    )
    assert listener.told == [(0, 50), (50, 50)]
    listener = Listener()
    assert_same_results(
        index.search_self(4, scores64=True, progress=listener), index.search_self(4, scores64=True)
    )
    assert listener.told == [(0, 200), (200, 200)]


@pytest.mark.usefixtures("small_pieces")
def test_what_the_function_raises_ends_the_search():
    codes, queries = cases.build("gaussian", 1, 200, 50, 8)
    index = lk.CosineIndex.from_codes(codes)

    def give_up(done, total):
        if done > 20:
            raise RuntimeError(f"enough after {done}")

    with pytest.raises(RuntimeError, match="enough after 21"):
        index.search(queries, 4, progress=give_up)
    with pytest.raises(RuntimeError, match="enough after 21"):
        index.search_self(4, progress=give_up)
    assert_same_bytes(index.search(queries, 4, scores64=True), reference.search(codes, queries, 4))


@pytest.mark.usefixtures("small_pieces")
def test_a_search_that_tells_sees_one_state_of_the_index():
    """A change while the search goes on shows in the next one and not in this one."""
    codes, queries = cases.build("gaussian", 1, 200, 50, 8)
    index = lk.CosineIndex.from_codes(codes)
    expected = index.search(queries, 4, scores64=True)

    def change(done, total):
        if done == 7:
            index.remove(np.arange(0, 200, 2))

    assert_same_results(index.search(queries, 4, scores64=True, progress=change), expected)
    assert len(index) == 100


@pytest.mark.usefixtures("small_pieces", "cuda_or_emulated")
def test_changes_of_an_engine_that_changes_itself_wait_for_a_search_that_tells():
    codes, queries = cases.build("gaussian", 1, 200, 50, 8)
    index = lk.CosineIndex.from_codes(codes, engine="cuda")
    expected = index.search(queries, 4, scores64=True)
    changing = threading.Thread(target=lambda: index.remove(np.arange(0, 200, 2)))

    def change(done, total):
        if done == 7:
            changing.start()

    assert_same_results(index.search(queries, 4, scores64=True, progress=change), expected)
    changing.join()
    assert len(index) == 100


@pytest.mark.parametrize("wrong", ["yes", 1, None])
def test_progress_that_is_no_function_is_refused(wrong):
    index = lk.CosineIndex.from_codes(np.eye(3))
    with pytest.raises(TypeError, match="progress must be True, False or a function, received"):
        index.search(np.eye(3), 1, progress=wrong)
    with pytest.raises(TypeError, match="progress must be"):
        index.search_self(1, progress=wrong)
    with pytest.raises(TypeError, match="progress must be"):
        as_encoder(lambda batch: batch).encode(np.eye(3), progress=wrong)


def test_ctrl_c_ends_a_search_that_tells():
    script = """
        import os, signal, threading, time
        import numpy as np
        import latentknn as lk, reference
        from checking import assert_same_bytes

        rng = np.random.default_rng(0)
        codes = rng.standard_normal((20_000, 64), dtype=np.float32)
        queries = rng.standard_normal((100_000, 64), dtype=np.float32)
        index = lk.CosineIndex.from_codes(codes, threads=1)
        told = []

        def listen(done, total):
            told.append(done)
            if len(told) == 2:
                threading.Timer(0.05, os.kill, (os.getpid(), signal.SIGINT)).start()

        try:
            index.search(queries, 10, progress=listen)
        except KeyboardInterrupt:
            print("interrupted")
        assert told[-1] < 50_000, told[-1]
        few = queries[:7]
        assert_same_bytes(index.search(few, 10, scores64=True), reference.search(codes, few, 10))
    """
    assert run_script(script) == "interrupted\n"


SEARCH = """
    import numpy as np
    import latentknn as lk
    rng = np.random.default_rng(0)
    index = lk.CosineIndex.from_codes(rng.random((5_000, 32)))
    index.search(rng.random((5_000, 32)), 10, progress=True)
    print("done")
"""


def test_a_bar_is_shown_on_a_terminal_and_goes():
    output = run_script_on_terminal(SEARCH)
    assert "search" in output
    assert "5,000/5,000" in output
    assert output.endswith("done\n")


def test_no_bar_is_shown_elsewhere():
    status, output, errors = run_python("-c", "if True:" + SEARCH)
    assert (status, output, errors) == (0, "done\n", "")


@every_model
def test_a_model_that_tells_gives_the_same_codes(name):
    model = small_model(name)
    images = lk.datasets.load("digits").test_images[:20]
    labels = lk.datasets.load("digits").test_labels[:20]
    calls = [(model.encode, (images,)), (model.encode_labelled, (images, labels))]
    calls.append((model.encode_queries, (images,)))
    if "encode_per_class" in model.capabilities:
        calls.append((model.encode_per_class, (images,)))
    for method, arguments in calls:
        listener = Listener()
        told = method(*arguments, batch_size=8, progress=listener)
        assert told.tobytes() == method(*arguments, batch_size=8).tobytes()
        assert listener.told == [(0, 20), (8, 20), (16, 20), (20, 20)]


def test_a_dataset_tells_how_far_it_has_come():
    from latentknn.models.backend import tf

    images = lk.datasets.load("digits").test_images[:20]
    model = small_model("simple_ae")
    listener = Listener()
    batches = tf.data.Dataset.from_tensor_slices(images).batch(8)
    assert model.encode(batches, progress=listener).tobytes() == model.encode(images, 8).tobytes()
    assert listener.told == [(8, 8), (16, 16), (20, 20)]


def test_encoders_of_functions_tell_too():
    encoder = as_encoder(lambda batch: batch * 2.0, batch_size=8)
    for method, arguments in (
        (encoder.encode, ()),
        (encoder.encode_labelled, (np.zeros(20),)),
        (encoder.encode_queries, ()),
    ):
        listener = Listener()
        codes = method(np.ones((20, 3)), *arguments, progress=listener)
        assert np.array_equal(codes, np.full((20, 3), 2.0))
        assert listener.told == [(0, 20), (8, 20), (16, 20), (20, 20)]
