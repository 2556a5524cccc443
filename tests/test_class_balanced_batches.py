"""Rows of every class: chosen once, and in class-balanced batches for training."""

from __future__ import annotations

import itertools
import pickle

import numpy as np
import pytest

import latentknn as lk
from latentknn.datasets.balancing import plan_batches
from latentknn.models.backend import keras
from new_interpreter import run_script
from scale import scaled

ITEMS = np.arange(200)
LABELS = np.random.default_rng(0).choice([3, 5, 8, 13], 200, p=[0.4, 0.3, 0.2, 0.1])


def batches_of_epoch(**settings):
    settings = {"classes_per_batch": 3, "items_per_class": 4, **settings}
    return lk.datasets.ClassBalancedBatches(ITEMS, LABELS, **settings)


# Choosing


def test_as_many_rows_of_every_class_are_chosen():
    for seed in range(scaled(5)):
        rows = lk.datasets.choose_per_class(LABELS, 9, seed=seed)
        assert rows.dtype == np.intp
        assert LABELS[rows].tolist() == [3] * 9 + [5] * 9 + [8] * 9 + [13] * 9
        assert len(np.unique(rows)) == 36
        assert rows.tolist() == lk.datasets.choose_per_class(LABELS, 9, seed=seed).tolist()
    assert rows.tolist() != lk.datasets.choose_per_class(LABELS, 9, seed=seed + 1).tolist()


def test_classes_of_one_size_are_not_chosen_from_at_the_same_places():
    places = lk.datasets.choose_per_class(np.arange(400) % 4, 3).reshape(4, 3) // 4
    assert len({tuple(row) for row in places.tolist()}) == 4


@pytest.mark.parametrize("seed", [-1, None, 0.5, True])
def test_what_is_no_seed_is_refused(seed):
    with pytest.raises(ValueError, match="seed must be an integer of at least 0, received"):
        lk.datasets.choose_per_class([1, 2], 1, seed=seed)


def test_classes_are_chosen_from_in_their_order():
    some = lk.datasets.choose_per_class(LABELS, 2, classes=[13, 3])
    assert LABELS[some].tolist() == [13, 13, 3, 3]
    names = np.array(["ada", "bob", "ada", "eve"])
    assert names[lk.datasets.choose_per_class(names, 1, classes=["eve", "ada"])].tolist() == ["eve", "ada"]
    everything = lk.datasets.choose_per_class(LABELS, 5)
    assert set(some.tolist()) < set(lk.datasets.choose_per_class(LABELS, 5, classes=[13, 3]).tolist())
    assert everything[:5].tolist() == lk.datasets.choose_per_class(LABELS, 5, classes=[3]).tolist()
    assert lk.datasets.choose_per_class([], 3).tolist() == []


@pytest.mark.parametrize(
    ("labels", "count", "classes", "message"),
    [
        ([1, 1, 2], 2, None, "class 2 has 1 rows, fewer than count=2"),
        ([1, 1, 2], 0, None, "count must be an integer of at least 1, received 0"),
        ([1, 1, 2], True, None, "count must be an integer"),
        ([1, 1, 2], 1, [3], "class 3 has no rows"),
        ([], 1, [3], "class 3 has no rows"),
        ([1, 1, 2], 1, [1, 1], "class 1 occurs twice"),
        (["a", None], 1, None, "label 1 is missing"),
        (["a", "b"], 1, [1], "class 1 has no rows"),
        (["a", "b"], 1, "a", "classes must be a list or an array of labels, received the single 'a'"),
    ],
)
def test_what_cannot_be_chosen_is_refused(labels, count, classes, message):
    with pytest.raises(ValueError, match=message):
        lk.datasets.choose_per_class(labels, count, classes=classes)


# Batches


def test_every_batch_has_its_classes_and_as_many_items_of_each():
    batches = batches_of_epoch()
    assert len(batches) == 200 // 12
    for number in range(len(batches)):
        items, labels = batches[number]
        assert labels.tolist() == LABELS[items].tolist()
        assert labels.dtype == np.int64
        classes, counts = np.unique(labels, return_counts=True)
        assert (len(classes), counts.tolist()) == (3, [4, 4, 4])
        assert len(np.unique(items)) == 12
    with pytest.raises(IndexError):
        batches[len(batches)]


@pytest.mark.parametrize(("per_batch", "per_class"), [(1, 1), (2, 5), (3, 7), (4, 2)])
def test_classes_and_their_items_come_equally_often(per_batch, per_class):
    for seed in range(scaled(3)):
        batches = batches_of_epoch(
            classes_per_batch=per_batch, items_per_class=per_class, seed=seed, batches=50
        )
        items = np.concatenate([batches[number][0] for number in range(50)])
        of_classes = np.unique(LABELS[items], return_counts=True)[1]
        assert of_classes.max() - of_classes.min() <= per_class
        for label in np.unique(LABELS):
            of_class = np.flatnonzero(np.equal(LABELS, label))
            of_items = np.bincount(items, minlength=200)[of_class]
            assert of_items.max() - of_items.min() <= 1


def test_items_of_a_small_class_come_more_than_once():
    rows = [np.array([7, 9]), np.arange(20, 40)]
    _, chosen = plan_batches(rows, 2, 5, 30, np.random.default_rng(0))
    small = np.isin(chosen, rows[0])
    for batch in range(30):
        counts = np.bincount(chosen[batch][small[batch]], minlength=10)[[7, 9]]
        assert sorted(counts.tolist()) == [2, 3]
    assert np.ptp(np.bincount(chosen[small], minlength=10)[[7, 9]]) <= 1


def test_an_epoch_is_a_function_of_seed_and_number_alone():
    first, second = batches_of_epoch(seed=4), batches_of_epoch(seed=4)
    of_epochs = []
    for _ in range(3):
        of_epochs.append(np.stack([first[number][0] for number in range(len(first))]))
        # Batches may be read in any order, and more than once.
        backwards = [second[number][0] for number in reversed(range(len(second)))]
        assert np.array_equal(of_epochs[-1], backwards[::-1])
        for each in (first, second):
            each.on_epoch_begin()
            each.on_epoch_end()
    for one, other in itertools.combinations(of_epochs, 2):
        assert not np.array_equal(one, other)
    resumed = batches_of_epoch(seed=4)
    resumed.epoch = 2
    assert np.array_equal(resumed[5][0], of_epochs[2][5])
    assert not np.array_equal(batches_of_epoch(seed=5)[0][0], of_epochs[0][0])
    resumed.on_epoch_end()
    assert resumed.epoch == 2, "an epoch ended that had not begun"


def test_some_classes_alone_are_learnt_from():
    batches = batches_of_epoch(classes=[13, 3], classes_per_batch=2)
    assert batches.classes.tolist() == [13, 3]
    assert len(batches) == np.isin(LABELS, [13, 3]).sum() // 8
    assert {label for number in range(len(batches)) for label in batches[number][1].tolist()} == {3, 13}


def test_strings_become_the_numbers_of_their_classes():
    names = np.array(["ada", "bob", "eve"])[np.arange(30) % 3]
    batches = lk.datasets.ClassBalancedBatches(
        np.arange(30), names, classes_per_batch=2, items_per_class=2, classes=["eve", "ada"]
    )
    items, labels = batches[0]
    assert batches.classes[labels].tolist() == names[items].tolist()


def test_items_are_prepared_batch_by_batch():
    paths = np.array([f"{number}.png" for number in ITEMS])
    received = []

    def read(batch):
        received.append(batch)
        return np.array([[float(path.removesuffix(".png"))] for path in batch])

    batches = lk.datasets.ClassBalancedBatches(
        paths, LABELS, classes_per_batch=2, items_per_class=3, prepare=read
    )
    items, labels = batches[1]
    assert items.shape == (6, 1)
    assert LABELS[items[:, 0].astype(int)].tolist() == labels.tolist()
    assert [len(batch) for batch in received] == [6]


@pytest.mark.parametrize(
    ("settings", "error", "message"),
    [
        ({"classes_per_batch": 5}, ValueError, "items of 4 classes, fewer than classes_per_batch=5"),
        ({"classes_per_batch": 0}, ValueError, "classes_per_batch must be an integer of at least 1"),
        ({"items_per_class": 1.5}, ValueError, "items_per_class must be an integer of at least 1"),
        ({"batches": 0}, ValueError, "batches must be an integer of at least 1"),
        ({"classes": [3, 99], "classes_per_batch": 1}, ValueError, "class 99 has no rows"),
        ({"classes": [3, 3], "classes_per_batch": 1}, ValueError, "class 3 occurs twice"),
        ({"labels": LABELS[:5]}, ValueError, r"labels must have shape \(200,\)"),
        ({"labels": LABELS + 0.5}, TypeError, "labels must be integers or strings, received dtype float64"),
        ({"labels": np.full(200, 2**64 - 1, np.uint64)}, ValueError, "labels must fit int64"),
        ({"items": 7}, ValueError, "items must have a first axis"),
    ],
)
def test_what_makes_no_batches_is_refused(settings, error, message):
    settings = {"items": ITEMS, "labels": LABELS, "classes_per_batch": 1, "items_per_class": 2, **settings}
    with pytest.raises(error, match=message):
        lk.datasets.ClassBalancedBatches(settings.pop("items"), settings.pop("labels"), **settings)


def test_an_epoch_below_zero_is_refused():
    with pytest.raises(ValueError, match="epoch must be an integer of at least 0, received -1"):
        batches_of_epoch().epoch = -1


# Training


def trained(**workers):
    """Return the weights of a small model that has learnt three epochs of batches, and the batches."""
    keras.utils.set_random_seed(1)
    x = np.random.default_rng(0).standard_normal((200, 6)).astype(np.float32)
    batches = lk.datasets.ClassBalancedBatches(
        x, LABELS, classes_per_batch=3, items_per_class=4, seed=2, **workers
    )
    model = keras.Sequential([keras.Input((6,)), keras.layers.Dense(4)])
    model.compile("sgd", loss=lk.models.MultiSimilarityLoss())
    model.fit(batches, epochs=3, shuffle=False, verbose=0)
    return model.get_weights(), batches


def test_workers_change_nothing():
    weights, batches = trained()
    assert batches.epoch >= 3
    for workers in ({"workers": 3}, {"workers": 0}):
        others, read = trained(**workers)
        assert read.epoch == batches.epoch
        for one, other in zip(weights, others, strict=True):
            assert one.tobytes() == other.tobytes()


def test_batches_can_be_sent_to_processes():
    batches = batches_of_epoch(seed=3)
    batches.epoch = 4
    loaded = pickle.loads(pickle.dumps(batches))
    for number in range(len(batches)):
        for mine, its in zip(batches[number], loaded[number], strict=True):
            assert mine.tobytes() == its.tobytes()


def test_our_models_learn_from_them():
    digits = lk.datasets.load("digits")
    batches = lk.datasets.ClassBalancedBatches(
        digits.train_images, digits.train_labels, classes_per_batch=5, items_per_class=4, batches=6
    )
    model = lk.models.create(
        "metric", input_shape=digits.image_shape, latent_dim=4, filters=(4, 8), code_loss="contrastive"
    )
    history = model.fit(batches, epochs=2, verbose=0).history
    assert len(history["contrastive_loss" if "contrastive_loss" in history else "loss"]) == 2
    assert batches.epoch == 2


def test_keras_is_imported_when_batches_are_asked_for():
    script = """
        import sys
        import latentknn as lk
        lk.datasets.choose_per_class([1, 2], 1)
        print("keras" in sys.modules, "tensorflow" in sys.modules)
    """
    assert run_script(script) == "False False\n"
