"""Masks, generations and time-outs of clients, with workers in this process."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

import latentknn as lk
import ray_in_process
from latentknn.distributed import client
from ray_cluster import write_folder

CODES = np.random.default_rng(7).standard_normal((400, 6)).astype(np.float32)
QUERIES = np.random.default_rng(8).standard_normal((5, 6))
THIRDS, HALVES = np.arange(300) % 3 == 0, np.arange(300) % 2 == 0


@pytest.fixture(autouse=True)
def ray(monkeypatch):
    monkeypatch.setattr(client, "HEDGE_AFTER", 0.05)
    return ray_in_process.use(monkeypatch)


@pytest.fixture
def serving(tmp_path):
    manifest = write_folder(tmp_path / "db", CODES[:300], [100, 200], np.arange(300) % 3)
    return ray_in_process.local_serving(tmp_path / "db", manifest, replicas=2)


@pytest.fixture
def newer(serving):
    """Return the workers of the next generation, of more codes."""
    for member in serving.members:
        member.handle.worker.load()
    manifest = write_folder(Path(serving.folder), CODES, [100, 200, 300], np.arange(400) % 2)
    return ray_in_process.local_serving(serving.folder, manifest)


def found(flags):
    one = lk.CosineIndex.from_codes(CODES[: len(flags)])
    return one.search(QUERIES, 4, allowed=flags).ids.tolist()


def masked(index, **options):
    return index.search(QUERIES, 4, allowed="recent", **options).ids.tolist()


def test_a_mask_that_another_client_has_replaced_stays_replaced(serving):
    first, second = ray_in_process.local_index(serving), ray_in_process.local_index(serving)
    first.set_mask("recent", THIRDS)
    assert masked(first) == found(THIRDS)
    second.set_mask("recent", HALVES)
    assert masked(first) == found(HALVES)
    assert masked(second) == found(HALVES)
    assert masked(first) == found(HALVES)


def test_a_replaced_mask_is_not_given_to_a_worker_that_begins_again(serving):
    first, second = ray_in_process.local_index(serving), ray_in_process.local_index(serving)
    first.set_mask("recent", THIRDS)
    second.set_mask("recent", HALVES)
    worker = serving.members[0].handle
    ray_in_process.begun_again(worker)
    with pytest.raises(lk.distributed.UnknownMaskError):
        masked(first)
    assert worker.worker.find_mask("recent") is None
    assert masked(second) == found(HALVES)
    assert masked(first) == found(HALVES)


def test_a_worker_that_begins_again_is_given_the_mask_of_its_client(serving):
    index = ray_in_process.local_index(serving)
    index.set_mask("recent", THIRDS)
    for member in serving.members:
        ray_in_process.begun_again(member.handle)
    assert masked(index) == found(THIRDS)


def test_a_worker_gives_up_no_mask_that_shall_stay(serving):
    worker = serving.members[0].handle.worker
    assert worker.set_mask("recent", "first", {}, True)
    assert not worker.set_mask("recent", "second", {}, False)
    assert worker.find_mask("recent") == ("first", {})
    assert worker.set_mask("recent", "second", {}, True)
    assert worker.set_mask("recent", "second", {}, False)
    assert worker.find_mask("recent") == ("second", {})


def test_a_mask_is_found_where_a_replica_is_dead_or_silent(serving):
    ray_in_process.local_index(serving).set_mask("recent", THIRDS)
    dead = serving.members[0].handle
    dead.dead = True
    assert masked(ray_in_process.local_index(serving)) == found(THIRDS)
    dead.dead, dead.silent = False, True
    assert masked(ray_in_process.local_index(serving)) == found(THIRDS)


def test_workers_that_do_not_tell_of_a_mask_are_errors_that_name_shards(serving):
    for member in serving.members:
        member.handle.silent = True
    with pytest.raises(lk.distributed.AnswerTimeoutError, match=r"within 0\.1 s") as raised:
        masked(ray_in_process.local_index(serving), timeout=0.1)
    assert raised.value.shards == (0, 1, 2)
    for member in serving.members:
        member.handle.dead = True
    with pytest.raises(lk.distributed.IncompleteAnswerError) as raised:
        masked(ray_in_process.local_index(serving))
    assert not isinstance(raised.value, TimeoutError)
    assert raised.value.shards == (0, 1, 2)


def retire(serving):
    for member in serving.members:
        member.handle.worker.retire()


def test_a_time_out_is_that_of_all_generations_together(serving, newer, monkeypatch):
    index = ray_in_process.local_index(serving, "index")
    patiences, asked = [], []

    def find(name, seconds):
        asked.append((name, index._client._lock.locked(), seconds))
        return newer

    monkeypatch.setattr(client, "find_serving", find)
    retire(serving)

    def answer(calls):
        patiences.append(calls.patience)
        return len(calls.ask("ids", {0: ()}))

    assert index._client.answered(20.0, answer) == 1
    assert [each.deadline for each in patiences] == [patiences[0].deadline] * 2
    ((name, locked, seconds),) = asked
    assert (name, locked) == ("index", False)
    assert 0.0 < seconds <= 20.0
    assert index.generation == 2


def test_a_pinned_index_goes_over_to_no_other_generation(serving, newer, monkeypatch):
    monkeypatch.setattr(client, "find_serving", lambda name, seconds: newer)
    index = ray_in_process.local_index(serving, "index")
    fixed, other = index.pinned(), ray_in_process.local_index(serving)
    fixed_too = other.pinned()
    assert fixed.pinned() is fixed
    expected = index.search(QUERIES, 4).ids.tolist()
    assert fixed.search(QUERIES, 4).ids.tolist() == expected
    # The client has gone over, and the old workers answer still.
    other._client.serving = newer
    with pytest.raises(lk.distributed.GenerationError, match="bound to generation 1"):
        fixed_too.search(QUERIES, 4)
    retire(serving)
    # Whoever asks first, and after the client has gone over.
    with pytest.raises(lk.distributed.GenerationError, match="bound to generation 1"):
        fixed.search(QUERIES, 4)
    assert len(index.search(QUERIES, 400).ids[0]) == 400
    with pytest.raises(lk.distributed.GenerationError, match="bound to generation 1"):
        fixed.search(QUERIES, 4)
    assert (fixed.generation, index.generation) == (1, 2)
    assert (len(fixed), len(index)) == (300, 400)


def test_a_classifier_of_an_index_answers_from_the_generation_of_its_labels(serving, newer, monkeypatch):
    monkeypatch.setattr(client, "find_serving", lambda name, seconds: newer)
    index = ray_in_process.local_index(serving, "index")
    classifier = lk.CosineKNNClassifier.from_index(index, 3)
    fitted = lk.CosineKNNClassifier(3).fit(CODES[:300], np.arange(300) % 3)
    assert classifier.predict(CODES).tolist() == fitted.predict(CODES).tolist()
    retire(serving)
    with pytest.raises(lk.distributed.GenerationError):
        classifier.predict(CODES)
    index.search(CODES, 1)
    assert index.generation == 2
    with pytest.raises(lk.distributed.GenerationError):
        classifier.predict(CODES)


def test_a_pickled_index_is_bound_where_it_was(serving):
    index = ray_in_process.local_index(serving, "index")
    assert index.__reduce__()[1][-1] is False
    assert index.pinned().__reduce__()[1][-1] is True
