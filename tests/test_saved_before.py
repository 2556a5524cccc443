"""Files that version 0.1.0 wrote, whose contents answer as they did then."""

from __future__ import annotations

import pickle
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from safetensors import safe_open
from safetensors.numpy import load_file

import latentknn as lk
from checking import assert_same_bytes
from latentknn.evaluation import Neighbours, Vote

FILES = Path(__file__).parent / "files"


@pytest.fixture(scope="module")
def answers():
    """Return queries and their answers from the time when the files were written."""
    return SimpleNamespace(**load_file(FILES / "answers.safetensors"))


def contents(path):
    """Return metadata, and types and bytes of all tensors by name: safetensors writes them in any order."""
    with safe_open(path, framework="numpy") as file:
        tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
        return file.metadata(), {name: (each.dtype, each.tobytes()) for name, each in tensors.items()}


def assert_the_index_of_before(index, answers):
    assert len(index) == 38
    assert index.classes.tolist() == ["ant", "bee", "cat", "Ünï"]
    assert (index.ids[0], index.ids[2], index.ids[-1]) == (174, 159, -21)
    assert (index.labels[0], index.labels[2], index.labels[-1]) == ("ant", "Ünï", "Ünï")
    assert_same_bytes(index.search(answers.queries, 9, scores64=True), answers)
    index.add(np.eye(6)[:1], ["dog"])
    assert index.ids[-1] == 40


@pytest.mark.parametrize("strategy", ["auto", "float64"])
def test_an_index_file_answers_as_before(answers, strategy):
    index = lk.CosineIndex.load(FILES / "index.safetensors", engine="cpu", strategy=strategy)
    assert_the_index_of_before(index, answers)
    assert "has no digests" in str(index.explain())


def test_saving_writes_what_was_read_and_digests_of_it(tmp_path):
    lk.CosineIndex.load(FILES / "index.safetensors", engine="cpu").save(tmp_path / "index")
    metadata, tensors = contents(tmp_path / "index")
    assert len(metadata.pop("digest")) == 64
    assert tensors.pop("digests")[0] == np.uint8
    assert (metadata, tensors) == contents(FILES / "index.safetensors")


def test_a_pickled_index_answers_as_before(answers):
    index, found, explained, (cuda, faiss) = pickle.loads((FILES / "index.pickle").read_bytes())
    assert (index.engine, index.strategy) == ("cpu", "int16")
    assert_the_index_of_before(index, answers)
    assert_same_bytes(found, answers)
    assert isinstance(found, lk.SearchResult)
    assert isinstance(explained, lk.Explanation)
    assert str(explained).startswith("38 codes of 6 dimensions, strategy 'int16' on ")
    assert cuda == lk.CudaEngine([0, 1], memory=1 << 20)
    assert faiss == lk.FaissEngine("HNSW32", {"efSearch": 64.0}, rescore=2)


@pytest.mark.filterwarnings("ignore::sklearn.exceptions.InconsistentVersionWarning")
def test_pickled_classifiers_answer_as_before(answers):
    plain, conditional = pickle.loads((FILES / "classifiers.pickle").read_bytes())
    assert isinstance(plain, lk.CosineKNNClassifier)
    assert isinstance(conditional, lk.ClassConditionalKNNClassifier)
    assert conditional.engine == lk.FaissEngine(rescore=2)
    np.testing.assert_allclose(plain.predict_proba(answers.queries), answers.shares, rtol=1e-14)
    assert np.array_equal(conditional.predict_proba(answers.under_classes), answers.shares_under_classes)


def test_pickled_votes_decide_as_before():
    vote, neighbours, score, classified = pickle.loads((FILES / "votes.pickle").read_bytes())
    assert vote == score.vote == classified.vote == Vote(3, "softmax", 0.1)
    assert isinstance(neighbours, Neighbours)
    assert neighbours.predict(vote).tolist() == classified.predictions.tolist()
