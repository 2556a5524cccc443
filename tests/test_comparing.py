"""The comparison of runs that classified the same items."""

from __future__ import annotations

from statistics import mean, stdev

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from latentknn.evaluation import Accuracy, Answers, ComparedRuns, PairedTest, compare_runs
from latentknn.evaluation.comparing import holm
from latentknn.report.curve_figure import draw_curves

RNG = np.random.default_rng(0)
LABELS = RNG.choice(["cat", "dog", "eel"], 200).tolist()


def answers(name, wrong, **given):
    """Return a run that is wrong about some items."""
    predictions = ["eel" if item in wrong and label != "eel" else label for item, label in enumerate(LABELS)]
    predictions = [
        "cat" if item in wrong and label == "eel" else predicted
        for item, (label, predicted) in enumerate(zip(LABELS, predictions, strict=True))
    ]
    return Answers(name, LABELS, predictions, "k = 1", **({"settings": name} | given))


@given(st.lists(st.floats(0, 1), min_size=1, max_size=8))
def test_holms_correction_equals_its_definition(p_values):
    ordered = sorted(p_values)
    expected = [
        max(min(1, (len(ordered) - before) * ordered[before]) for before in range(place + 1))
        for place in range(len(ordered))
    ]
    places = sorted(range(len(p_values)), key=lambda number: p_values[number])
    corrected = holm(p_values)
    assert [corrected[number] for number in places] == pytest.approx(expected)


def test_each_pair_is_tested_with_the_more_accurate_run_first():
    runs = [answers("a", set(range(40))), answers("b", set(range(30, 50))), answers("c", {1})]
    compared = compare_runs(runs)
    assert [(pair.first, pair.second) for pair in compared.pairs] == [("b", "a"), ("c", "a"), ("c", "b")]
    assert compared.pairs[0].test == PairedTest(30, 10, 200)
    assert compared.pairs[1].test == PairedTest(39, 0, 200)
    assert compared.best == runs[2]
    assert [run.accuracy for run in compared.runs] == [
        Accuracy(160, 200),
        Accuracy(180, 200),
        Accuracy(199, 200),
    ]
    p_values = [pair.test.p_value for pair in compared.pairs]
    assert [pair.corrected for pair in compared.pairs] == holm(p_values)
    first, *_ = compared.sentences()
    assert first.startswith("'b' is better than 'a': it gets 30 items right")
    assert first.endswith("after correction).")


def test_two_runs_need_no_correction():
    compared = compare_runs([answers("a", {1}), answers("b", {2, 3})])
    (pair,) = compared.pairs
    assert pair.corrected == pair.test.p_value
    (sentence,) = compared.sentences()
    assert sentence.startswith("'a' may be better than 'b', but these items do not tell")
    assert "correction" not in sentence


def test_runs_that_differ_by_their_seeds_are_summed_up():
    runs = [
        answers(
            "a", set(range(10)), settings="s", seed=0, history={"loss": [3.0, 2.0], "val_loss": [4.0, 3.0]}
        ),
        answers("b", set(range(20)), settings="s", seed=1, history={"loss": [1.0]}),
        answers("c", {1}, settings="other", seed=0, history={"loss": [9.0]}),
    ]
    compared = compare_runs(runs)
    (seeds,) = compared.seeds
    assert seeds.runs == ("a", "b")
    values = [0.95, 0.9]
    assert (seeds.mean, seeds.deviation) == pytest.approx((mean(values), stdev(values)))
    assert (seeds.lowest, seeds.highest) == (0.9, 0.95)
    points = [
        (point.quantity, point.epoch, point.runs, point.mean, point.lowest, point.highest)
        for point in compared.curves
    ]
    assert points == [
        ("loss", 1, ("a", "b"), 2.0, 1.0, 3.0),
        ("loss", 2, ("a",), 2.0, 2.0, 2.0),
        ("val_loss", 1, ("a",), 4.0, 4.0, 4.0),
        ("val_loss", 2, ("a",), 3.0, 3.0, 3.0),
    ]
    panels = draw_curves(compared).axes
    assert [axes.get_ylabel() for axes in panels] == ["loss", "val loss"]
    assert panels[0].lines[0].get_ydata().tolist() == [2.0, 2.0]
    assert panels[0].get_legend().get_texts()[0].get_text() == "2 seeds of a"


def test_runs_without_seeds_or_with_the_same_are_not_summed_up():
    same = [answers(name, {1}, settings="s", seed=5) for name in "ab"]
    none = [answers(name, {1}, settings="t") for name in "cd"]
    compared = compare_runs([*same, *none])
    assert compared.seeds == ()
    assert compared.curves == ()


def test_a_comparison_is_read_as_it_was():
    compared = compare_runs(
        [
            answers("a", {1}, settings="s", seed=0, history={"loss": [1.0]}),
            answers("b", {2, 3}, settings="s", seed=1, history={"loss": [2.0]}),
        ]
    )
    assert ComparedRuns.from_json(compared.to_json()) == compared
    with pytest.raises(ValueError, match="missing required field `runs`"):
        ComparedRuns.from_json("{}")


@pytest.mark.parametrize(
    ("runs", "message"),
    [
        ([answers("a", {1})], "received 1 runs, expected at least two"),
        ([answers("a", {1}), answers("a", {2})], "runs must have different names, received a, a"),
        (
            [answers("a", {1}), Answers("b", LABELS[:9], LABELS[:9], "k = 1", "b")],
            "a has 200 items and b has 9; only runs over the same items can be compared",
        ),
        (
            [answers("a", {1}), Answers("b", ["bee", *LABELS[1:]], LABELS, "k = 1", "b")],
            f"item 0 is '{LABELS[0]}' in a and 'bee' in b; only runs over the same items in the same order",
        ),
    ],
)
def test_runs_that_cannot_be_compared_are_refused(runs, message):
    with pytest.raises(ValueError, match=message):
        compare_runs(runs)


@pytest.mark.parametrize(("labels", "predictions"), [([], []), (["a"], ["a", "b"])])
def test_answers_without_items_are_refused(labels, predictions):
    with pytest.raises(ValueError, match=r"x has \d predictions for \d items"):
        Answers("x", labels, predictions, "k = 1", "s")
