"""The paired test of two classifiers, and what it says in words."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import beta

import evaluation_reference
from latentknn.evaluation import PairedTest

COUNTS = st.integers(0, 60)


@given(COUNTS, COUNTS)
def test_p_value_equals_its_definition(only_first, only_second):
    test = PairedTest(only_first, only_second, 200)
    assert test.p_value == pytest.approx(evaluation_reference.mcnemar(only_first, only_second), rel=1e-9)
    assert PairedTest(only_second, only_first, 200).p_value == pytest.approx(test.p_value)


def test_p_value_of_a_published_example():
    # A. Agresti, "Categorical Data Analysis", second edition, table 10.1: 150 and 86 of 1,600 changed sides.
    assert PairedTest(150, 86, 1600).p_value < 1e-4
    assert PairedTest(150, 86, 1600).difference == pytest.approx(0.04)


@given(COUNTS, COUNTS, st.sampled_from([0.9, 0.95, 0.99]))
def test_interval_leaves_out_0_exactly_where_the_test_rejects(only_first, only_second, confidence):
    test = PairedTest(only_first, only_second, 150)
    low, high = test.difference_interval(confidence)
    assert low <= test.difference <= high
    assert (low > 0 or high < 0) == (test.p_value < 1 - confidence)


def test_interval_is_that_of_clopper_and_pearson():
    low, high = PairedTest(9, 4, 50).difference_interval()
    share = beta.ppf(0.025, 9, 5), beta.ppf(0.975, 10, 4)
    assert (low, high) == pytest.approx([13 / 50 * (2 * each - 1) for each in share])


def test_items_are_counted():
    first, second = np.array([1, 1, 1, 0, 0, 1], bool), np.array([1, 0, 0, 1, 0, 1], bool)
    assert PairedTest.of(first, second) == PairedTest(only_first=2, only_second=1, total=6)
    assert PairedTest.of(first, first).p_value == 1
    assert PairedTest.of(first, first).difference_interval() == (0, 0)


@pytest.mark.parametrize(("first", "second"), [([True], [True, False]), ([[True]], [[True]])])
def test_answers_to_other_items_are_refused(first, second):
    with pytest.raises(ValueError, match="two answers to each item, received shapes"):
        PairedTest.of(first, second)


@pytest.mark.parametrize(("first", "second", "total"), [(-1, 0, 5), (3, 3, 5), (0, 0, 0)])
def test_impossible_counts_are_refused(first, second, total):
    with pytest.raises(ValueError, match="received"):
        PairedTest(first, second, total)


@pytest.mark.parametrize("confidence", [0.0, 1.0, math.nan])
def test_an_impossible_confidence_is_refused(confidence):
    with pytest.raises(ValueError, match="between 0 and 1"):
        PairedTest(1, 2, 5).difference_interval(confidence)


@pytest.mark.parametrize(
    ("test", "sentence"),
    [
        (PairedTest(20, 3, 100), "Ours is better than theirs: it gets 20 items right"),
        (PairedTest(3, 20, 100), "Theirs is better than ours: it gets 20 items right"),
        (PairedTest(6, 3, 100), "Ours may be better than theirs, but these items do not tell: it gets 6"),
        (PairedTest(4, 4, 100), "Ours and theirs are equally accurate: each gets 4 items right"),
        (PairedTest(0, 0, 100), "Ours and theirs get the same items right."),
    ],
)
def test_the_sentence_says_who_is_better_and_whether_the_items_tell(test, sentence):
    assert test.sentence("ours", "theirs").startswith(sentence)


def test_a_corrected_p_value_decides():
    test = PairedTest(12, 3, 100)
    assert test.sentence("a", "b").startswith("A is better than b:")
    corrected = test.sentence("a", "b", corrected=0.1)
    assert corrected.startswith("A may be better than b, but these items do not tell:")
    assert corrected.endswith("McNemar's exact test, p = 0.1 after correction).")
