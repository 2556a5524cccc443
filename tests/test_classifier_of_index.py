"""Classifiers that ask an index which is there already."""

from __future__ import annotations

import pickle
from dataclasses import fields

import numpy as np
import pytest
from sklearn.base import clone

import latentknn as lk
from ray_cluster import write_folder

RNG = np.random.default_rng(8)
CODES = RNG.integers(-3, 4, (400, 6)).astype(np.float32)
LABELS = np.array(["a", "bb", "ccc"])[RNG.integers(3, size=400)]
QUERIES = RNG.integers(-3, 4, (50, 6))


def in_memory(path):
    return lk.CosineIndex.from_codes(CODES, LABELS)


def in_shards(path):
    parts = ((CODES[rows], LABELS[rows]) for rows in (slice(150), slice(150, 400)))
    return lk.shards.ShardedIndex([lk.CosineIndex.from_codes(*part) for part in parts])


def on_disk(path):
    write_folder(path, CODES, [100, 100, 250], LABELS)
    return lk.shards.open(path, mmap=True)


@pytest.mark.parametrize("make", [in_memory, in_shards, on_disk])
def test_votes_are_those_of_fit(make, tmp_path):
    assert_votes_as_fitted(make(tmp_path / "db"))


def test_votes_of_a_cluster_are_those_of_fit(ray_cluster, tmp_path):
    ray_cluster.have(max(2, len(ray_cluster.nodes)))
    write_folder(tmp_path / "db", CODES, [100, 100, 250], LABELS)
    with lk.distributed.start(tmp_path / "db", address="auto") as index:
        assert_votes_as_fitted(index.pinned())
        asked = lk.CosineKNNClassifier.from_index(index).index_
        assert (asked.generation, asked.path, len(asked)) == (1, index.path, len(index))


def assert_votes_as_fitted(index):
    for k, weights in ((1, "uniform"), (7, "uniform"), (12, "softmax"), (5, "similarity")):
        fitted = lk.CosineKNNClassifier(k, weights=weights).fit(CODES, LABELS)
        asking = lk.CosineKNNClassifier.from_index(index, k, weights=weights)
        assert asking.index_ is index
        assert asking.classes_.tolist() == fitted.classes_.tolist()
        assert (asking.n_samples_fit_, asking.n_features_in_) == (400, 6)
        for queries in (QUERIES, None):
            assert asking.predict(queries).tolist() == fitted.predict(queries).tolist()
            assert asking.predict_proba(queries).tobytes() == fitted.predict_proba(queries).tobytes()
            assert_same_evidence(asking.explain_prediction(queries), fitted.explain_prediction(queries))
        assert asking.score(CODES, LABELS) == fitted.score(CODES, LABELS)
        truth = np.where(np.arange(50) % 3, fitted.predict(QUERIES), "strange")
        curves = [each.calibrate(QUERIES, truth, recall=0.7).curve for each in (asking, fitted)]
        assert curves[0].thresholds.tobytes() == curves[1].thresholds.tobytes()
        assert curves[0].true_positives.tolist() == curves[1].true_positives.tolist()
        answers = fitted.predict(QUERIES, unknown="strange").tolist()
        assert asking.predict(QUERIES, unknown="strange").tolist() == answers
        assert "strange" in answers


def assert_same_evidence(explanation, expected):
    for field in fields(expected):
        got, wanted = getattr(explanation, field.name), getattr(expected, field.name)
        assert (got.dtype, got.tobytes()) == (wanted.dtype, wanted.tobytes()), field.name


def test_pickles_and_clones_are_of_their_own(tmp_path):
    asking = lk.CosineKNNClassifier.from_index(in_memory(tmp_path), 3)
    assert pickle.loads(pickle.dumps(asking)).predict(QUERIES).tolist() == asking.predict(QUERIES).tolist()
    again = clone(asking)
    assert not hasattr(again, "index_")
    again.fit(CODES[:100], LABELS[:100])
    assert again.n_samples_fit_ == 100
    asking.fit(CODES[:100], LABELS[:100])
    assert asking.predict(QUERIES).tolist() == again.predict(QUERIES).tolist()


def test_what_is_no_labelled_index_is_refused():
    for index, error, match in (
        (CODES, TypeError, "from_index takes an index"),
        (lk.CosineIndex, TypeError, "from_index takes an index"),
        (lk.CosineIndex.from_codes(CODES), ValueError, "no labels"),
        (lk.CosineIndex.from_codes(CODES, RNG.random(400)), ValueError, "continuous"),
    ):
        with pytest.raises(error, match=match):
            lk.CosineKNNClassifier.from_index(index)
    with pytest.raises(ValueError, match="weights must be one of"):
        lk.CosineKNNClassifier.from_index(lk.CosineIndex.from_codes(CODES, LABELS), weights="none")
