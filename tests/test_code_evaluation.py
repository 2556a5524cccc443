"""The evaluation of codes as a whole: what it takes, refuses, returns, saves and says."""

from __future__ import annotations

import json

import numpy as np
import pandas as pd
import polars as pl
import pytest

import latentknn as lk
from latentknn.evaluation import (
    Accuracy,
    CodeEvaluation,
    Neighbours,
    PairedTest,
    Vote,
    evaluate,
    evaluated_codes,
)

RNG = np.random.default_rng(0)
CODES = RNG.standard_normal((30, 5)).astype(np.float32)
LABELS = np.repeat(["cat", "dog", "eel"], 10)
ITEMS = RNG.standard_normal((8, 5)).astype(np.float32)
TRUTH = np.array(["cat", "dog"] * 4)


# What is taken


@pytest.mark.parametrize(
    "form", [list, np.asarray, pd.Series, pl.Series, lambda labels: np.array(labels, object)]
)
def test_labels_of_every_form_give_the_same(form):
    result = evaluate(CODES, form(LABELS.tolist()), test=(ITEMS, form(TRUTH.tolist())))
    assert result.to_json() == evaluate(CODES, LABELS, test=(ITEMS, TRUTH)).to_json()
    assert result.class_names == ("cat", "dog", "eel")


def test_numbers_as_labels_are_named_in_their_order():
    labels = np.repeat([10, 9, -1], 10)
    result = evaluate(CODES, labels)
    assert result.class_names == ("-1", "9", "10")
    assert result.items.classes.tolist() == np.repeat([2, 1, 0], 10).tolist()


def test_all_accuracies_are_of_the_answers():
    classifier = lk.CosineKNNClassifier(7, weights="similarity").fit(CODES, LABELS)
    result = evaluate(CODES, LABELS, test=(ITEMS, TRUTH), vote=Vote(7, "similarity"))
    predictions = classifier.predict(ITEMS)
    names = np.array(result.class_names)
    assert names[result.items.predictions].tolist() == predictions.tolist()
    assert result.voted == Accuracy(int(np.sum(predictions == TRUTH)), 8)
    shares = classifier.predict_proba(ITEMS).max(axis=1)
    assert result.items.shares == pytest.approx(shares)
    nearest = lk.CosineKNNClassifier().fit(CODES, LABELS).predict(ITEMS)
    assert result.nearest == Accuracy(int(np.sum(nearest == TRUTH)), 8)
    assert result.vote_against_nearest == PairedTest.of(predictions == TRUTH, nearest == TRUTH)
    assert result.commonest == Accuracy(4, 8)


def test_items_carry_their_neighbours_as_evidence():
    result = evaluate(CODES, LABELS, test=(ITEMS, TRUTH), evidence=4)
    expected = lk.CosineIndex.from_codes(CODES).search(ITEMS, 4, scores64=True)
    assert np.array_equal(result.items.neighbours, expected.ids)
    assert result.items.similarities.tobytes() == expected.scores64.tobytes()
    names = np.array(result.class_names)
    assert np.array_equal(names[result.items.neighbour_classes], LABELS[expected.ids])
    assert len(result.items) == 8


def test_a_class_of_one_cannot_be_found_without_its_code():
    labels = LABELS.astype(object)
    labels[0] = "axolotl"
    result = evaluate(CODES, labels)
    assert result.unanswerable == 1
    assert result.retrieval.left_out == 1
    assert result.class_names[0] == "axolotl"
    assert result.class_scores[0].recall == 0
    assert "Nothing can get 1 of them right: no other code has their class." in result.summary()


def test_test_items_of_a_class_without_codes_are_counted():
    truth = TRUTH.astype(object)
    truth[:3] = "axolotl"
    result = evaluate(CODES, LABELS, test=(ITEMS, truth))
    assert result.unanswerable == 3
    assert result.retrieval.items == 5
    assert result.class_scores[0].codes == 0
    nothing = evaluate(CODES, LABELS, test=(ITEMS, np.full(8, "axolotl")))
    assert nothing.retrieval is None
    assert nothing.voted.correct == 0
    assert CodeEvaluation.from_json(nothing.to_json()).retrieval is None


def test_a_single_code_answers_every_item():
    result = evaluate(CODES[:1], LABELS[:1], test=(ITEMS, TRUTH))
    assert result.vote == Vote(1)
    assert result.voted == result.nearest == Accuracy(4, 8)
    assert result.retrieval.ks == (1,)
    assert result.items.neighbours.tolist() == [[0]] * 8
    assert result.hubs.skewness is None


def test_many_classes_need_no_matrix_of_all_classes(monkeypatch):
    """The shares of 10,000 classes for every item would fill the memory."""

    def refuse(*_):
        raise AssertionError("a matrix of items and classes was made")

    monkeypatch.setattr(Neighbours, "shares", refuse)
    codes = RNG.standard_normal((3000, 4))
    result = evaluate(codes, np.arange(3000) // 2)
    assert len(result.class_scores) == 1500
    assert result.retrieval.items == 3000


def test_two_codes_are_each_others_neighbours():
    result = evaluate(CODES[:2], ["a", "a"])
    assert result.voted == Accuracy(2, 2)
    assert result.items.neighbours.tolist() == [[1], [0]]


def test_zero_vectors_are_items_as_others():
    codes = CODES.copy()
    codes[3] = 0
    result = evaluate(codes, LABELS)
    assert result.items.neighbours[3].tolist() == [0, 1, 2, 4, 5, 6, 7, 8, 9, 10]
    assert result.items.distances[3] == 1


# What is refused


@pytest.mark.parametrize(
    ("arguments", "error", "message"),
    [
        (
            (CODES[:1], LABELS[:1]),
            ValueError,
            "received 1 codes, expected at least 2, as every code is left out",
        ),
        ((CODES[:0], LABELS[:0]), ValueError, "received 0 codes, expected at least 2"),
        (
            (CODES, LABELS[:9]),
            ValueError,
            r"labels must have shape \(30,\), one a code, received shape \(9,\)",
        ),
        ((CODES[0], LABELS), ValueError, r"codes must have shape \(n, d\), received shape \(5,\)"),
        ((CODES * np.nan, LABELS), ValueError, "row 0"),
        ((CODES.astype(str), LABELS), TypeError, "codes must be real numbers"),
        ((CODES, [None, *LABELS[1:]]), ValueError, "label 0 is missing"),
        ((CODES, np.array([1, *LABELS[1:]], object)), TypeError, "labels must be all strings or all numbers"),
        ((CODES, np.linspace(0, 1, 30)), ValueError, "label 1 is 0.034.*, and labels must be classes"),
    ],
)
def test_wrong_codes_and_labels_are_refused(arguments, error, message):
    with pytest.raises(error, match=message):
        evaluate(*arguments)


@pytest.mark.parametrize(
    ("test", "error", "message"),
    [
        (ITEMS, TypeError, "test must be a pair of codes and labels, received a ndarray"),
        ((ITEMS, TRUTH, TRUTH), TypeError, "test must be a pair"),
        ((ITEMS[:, :3], TRUTH), ValueError, "test codes must have 5 columns"),
        ((ITEMS[:0], TRUTH[:0]), ValueError, "received no test items"),
        ((ITEMS, TRUTH[:3]), ValueError, r"labels must have shape \(8,\)"),
        ((ITEMS, np.arange(8)), ValueError, "labels of the codes and of the test items must be of one kind"),
        ((ITEMS * np.inf, TRUTH), ValueError, "test codes cannot be searched for: .*row 0"),
    ],
)
def test_wrong_test_items_are_refused(test, error, message):
    with pytest.raises(error, match=message):
        evaluate(CODES, LABELS, test=test)


def test_a_bad_test_item_is_named_by_its_row(monkeypatch):
    """However the items are cut into parts."""
    monkeypatch.setattr(evaluated_codes, "_NEIGHBOURS_AT_ONCE", 20)
    items = ITEMS.copy()
    items[6, 1] = np.nan
    with pytest.raises(ValueError, match="row 6"):
        evaluate(CODES, LABELS, test=(items, TRUTH))


@pytest.mark.parametrize(
    ("options", "error", "message"),
    [
        (
            {"vote": Vote(30)},
            ValueError,
            "k of the vote must be at most 29, the number of other codes, received 30",
        ),
        ({"vote": Vote(0)}, ValueError, "k of the vote must be at least 1, received 0"),
        ({"vote": Vote(3, "loud")}, ValueError, "weights must be one of"),
        (
            {"vote": Vote(3, "softmax", 0.0)},
            ValueError,
            "temperature of the vote must be above 0, received 0.0",
        ),
        ({"vote": 5}, TypeError, "vote must be a latentknn.evaluation.Vote, received 5"),
        ({"ks": [1, 30]}, ValueError, "ks must be at most 29, the number of other codes, received 30"),
        ({"ks": [0]}, ValueError, "ks must be at least 1, received 0"),
        ({"ks": []}, ValueError, "ks must name at least one depth"),
        ({"ks": [1.5]}, TypeError, "ks must be an integer, received 1.5"),
        ({"evidence": 30}, ValueError, "evidence must be at most 29, the number of other codes, received 30"),
        ({"duplicates_above": 0}, ValueError, "duplicates_above must be above 0 and at most 1, received 0"),
        ({"duplicates_above": float("nan")}, ValueError, "duplicates_above must be above 0"),
        ({"engine": "warp"}, ValueError, "warp"),
        ({"threads": 0}, ValueError, "threads must be at least 1"),
    ],
)
def test_wrong_options_are_refused(options, error, message):
    with pytest.raises(error, match=message):
        evaluate(CODES, LABELS, **options)


# What is saved


@pytest.mark.parametrize("test", [None, (ITEMS, TRUTH)])
def test_a_saved_evaluation_is_read_as_it_was(tmp_path, test):
    result = evaluate(CODES, LABELS, test=test, duplicates_above=0.9)
    result.save(tmp_path / "results.json")
    again = CodeEvaluation.load(tmp_path / "results.json")
    assert again.to_json() == result.to_json()
    assert again.summary() == result.summary()
    for name, array in vars(result.items).items():
        read = getattr(again.items, name)
        assert read.dtype == array.dtype
        assert read.tobytes() == np.ascontiguousarray(array).tobytes(), name
    for name in (
        "voted",
        "vote",
        "class_scores",
        "confused",
        "retrieval",
        "calibration",
        "vote_against_nearest",
    ):
        assert getattr(again, name) == getattr(result, name)


def test_other_programs_can_read_what_is_saved():
    values = json.loads(evaluate(CODES, LABELS).to_json())
    assert values["format"] == 1
    assert values["voted"].keys() == {"correct", "total"}
    assert len(values["items"]["neighbours"]) == 30


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda values: values.pop("hubs"), "missing required field `hubs`"),
        (lambda values: values.update(format=2), "format"),
        (lambda values: values.update(codes="many"), "codes"),
        (lambda values: values["voted"].update(total=0), "correct answers of 0"),
        (lambda values: values["items"].update(classes=["a"]), "expected int64 values"),
        (lambda values: values["items"].update(classes=[0.5]), "expected int64 values"),
        (lambda values: values["items"].update(classes=[0, 1]), "classes has shape"),
        (lambda values: values["items"].update(neighbours=[[0], [1, 2]]), "items"),
    ],
)
def test_a_damaged_evaluation_is_refused(tmp_path, change, message):
    values = json.loads(evaluate(CODES, LABELS).to_json())
    change(values)
    (tmp_path / "results.json").write_text(json.dumps(values))
    with pytest.raises(ValueError, match=message) as refused:
        CodeEvaluation.load(tmp_path / "results.json")
    assert "results.json' holds no evaluation" in str(refused.value)


@pytest.mark.parametrize("text", ["", "{", "[]", "\x80"])
def test_what_is_no_evaluation_is_refused(tmp_path, text):
    (tmp_path / "file").write_bytes(text.encode("latin-1"))
    with pytest.raises(ValueError, match="holds no evaluation"):
        CodeEvaluation.load(tmp_path / "file")


def test_a_missing_file_is_named(tmp_path):
    with pytest.raises(FileNotFoundError, match="nowhere"):
        CodeEvaluation.load(tmp_path / "nowhere")
    with pytest.raises(FileNotFoundError, match="make the folder first"):
        evaluate(CODES, LABELS).save(tmp_path / "nowhere" / "results.json")


# What is said


def test_the_summary_says_what_the_codes_are_worth():
    result = evaluate(CODES, LABELS, test=(ITEMS, TRUTH))
    low, high = result.voted.interval()
    first, second = result.summary().splitlines()
    assert first == (
        f"The vote (k = 10, uniform votes) gets {result.voted.value:.4f} of 8 test items right (95 % "
        f"interval {low:.4f} to {high:.4f}); always answering the commonest class would get 0.5000."
    )
    assert second == result.vote_against_nearest.sentence("the vote", "the nearest code alone")
    assert str(result) == result.summary()


def test_the_summary_of_one_neighbour_compares_it_with_nothing():
    assert len(evaluate(CODES, LABELS, vote=Vote(1)).summary().splitlines()) == 1


def test_an_engine_that_may_miss_neighbours_says_so():
    result = evaluate(CODES, LABELS, engine="faiss")
    assert (result.engine, result.exact) == ("faiss", False)
    assert result.summary().splitlines()[-1] == "The engine faiss may have missed neighbours."
