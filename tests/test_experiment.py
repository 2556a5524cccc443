"""The whole experiment, and the rule that the test set chooses nothing."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

import latentknn as lk
import reference
from latentknn.evaluation import (
    Stopwatch,
    best_vote,
    run_experiment,
)


@pytest.fixture(scope="module")
def small_digits():
    digits = lk.datasets.load("digits")
    return replace(
        digits,
        train_images=digits.train_images[:600],
        train_labels=digits.train_labels[:600],
        test_images=digits.test_images[:150],
        test_labels=digits.test_labels[:150],
    )


def train_on(dataset, **options):
    model = lk.models.create("simple_ae", input_shape=dataset.image_shape, latent_dim=6, seed=5)
    return run_experiment(dataset, model, epochs=2, batch_size=32, seed=5, verbose=0, **options)


@pytest.fixture(scope="module")
def stopwatch():
    return Stopwatch()


@pytest.fixture(scope="module")
def experiment(small_digits, stopwatch):
    return train_on(small_digits, stopwatch=stopwatch)


def test_experiment_agrees_with_the_definition(experiment, small_digits):
    train_codes = experiment.model.encode(small_digits.train_images)
    test_codes = experiment.model.encode(small_digits.test_images)
    assert experiment.index.codes.tobytes() == train_codes.tobytes()
    assert experiment.test_codes.tobytes() == test_codes.tobytes()
    nearest = reference.search(train_codes, test_codes, 1).ids[:, 0]
    assert np.array_equal(experiment.nearest.predictions, small_digits.train_labels[nearest])
    train_pixels, test_pixels = (
        images.reshape(len(images), -1).astype(np.float32)
        for images in (small_digits.train_images, small_digits.test_images)
    )
    nearest = reference.search(train_pixels, test_pixels, 1).ids[:, 0]
    assert np.array_equal(experiment.pixels.predictions, small_digits.train_labels[nearest])
    for result in experiment.results.values():
        assert np.array_equal(result.truth, small_digits.test_labels)
        assert result.confusion_matrix().sum() == 150
        assert result.confusion_matrix().trace() == result.accuracy.correct
        assert result.accuracy.value > 0.5


def test_vote_is_chosen_on_the_held_out_images(experiment, small_digits):
    held_out = experiment.held_out
    assert len(held_out) == 50
    kept = np.setdiff1d(np.arange(600), held_out)
    codes, labels = experiment.index.codes, small_digits.train_labels
    first = experiment.vote_scores[0]
    for score in experiment.vote_scores:
        classifier = lk.CosineKNNClassifier(score.vote.k, weights=score.vote.weights)
        classifier.fit(codes[kept], labels[kept])
        assert score.accuracy.value == classifier.score(codes[held_out], labels[held_out])
        assert score.gained - score.lost == score.accuracy.correct - first.accuracy.correct
    assert experiment.chosen.vote == best_vote(experiment.vote_scores)


def test_test_set_chooses_nothing(experiment, small_digits):
    """Noise and wrong labels as the test set change nothing before the last classification."""
    rng = np.random.default_rng(0)
    poisoned = replace(
        small_digits,
        test_images=rng.integers(0, 256, small_digits.test_images.shape, np.uint8),
        test_labels=(small_digits.test_labels + 1) % 10,
    )
    other = train_on(poisoned)
    assert np.array_equal(other.held_out, experiment.held_out)
    assert other.history == experiment.history
    assert other.index.codes.tobytes() == experiment.index.codes.tobytes()
    assert other.vote_scores == experiment.vote_scores
    assert other.chosen.vote == experiment.chosen.vote
    assert other.chosen.accuracy.value < experiment.chosen.accuracy.value


def test_training_sees_only_the_images_that_are_kept(experiment, small_digits, monkeypatch):
    model = lk.models.create("simple_ae", input_shape=small_digits.image_shape, latent_dim=6, seed=5)
    received = {}
    fit = model.fit

    def record_fit(x, y, **options):
        received.update(x=x, y=y, validation_data=options["validation_data"])
        return fit(x, y, **options)

    monkeypatch.setattr(model, "fit", record_fit)
    run_experiment(small_digits, model, epochs=1, seed=5, verbose=0)
    kept = np.setdiff1d(np.arange(600), experiment.held_out)
    assert np.array_equal(received["x"], small_digits.train_images[kept])
    assert np.array_equal(received["y"], small_digits.train_labels[kept])
    images, labels = received["validation_data"]
    assert np.array_equal(images, small_digits.train_images[experiment.held_out])
    assert np.array_equal(labels, small_digits.train_labels[experiment.held_out])


def test_conditional_model_is_classified_per_class(small_digits):
    """The index holds codes under the images' own classes, and a query is encoded under every class."""
    model = lk.models.create(
        "conditional_ae",
        input_shape=small_digits.image_shape,
        latent_dim=6,
        filters=(4, 8),
        strides=(1, 2),
        class_loss_weight=0.1,
    )
    experiment = run_experiment(small_digits, model, epochs=3, batch_size=32, seed=5, verbose=0)
    images, labels = small_digits.train_images, small_digits.train_labels
    codes, queries = model.encode(images, labels=labels), model.encode_per_class(small_digits.test_images)
    assert experiment.index.codes.tobytes() == codes.tobytes()
    assert experiment.test_queries.tobytes() == queries.tobytes()
    nearest = lk.ClassConditionalKNNClassifier().fit(codes, labels).predict(queries)
    assert np.array_equal(experiment.nearest.predictions, nearest)
    assert np.array_equal(experiment.test_codes, queries[nearest, np.arange(150)])
    vote = experiment.chosen.vote
    chosen = lk.ClassConditionalKNNClassifier(vote.k, weights=vote.weights, temperature=vote.temperature)
    assert np.array_equal(experiment.chosen.predictions, chosen.fit(codes, labels).predict(queries))
    assert experiment.chosen.accuracy.value > 0.4


@pytest.mark.parametrize(("images", "held_out"), [(600, 0), (560, 1)], ids=["trained on", "held out"])
def test_conditional_model_of_classes_with_a_gap_or_one_image(small_digits, images, held_out):
    """No training image is of class 2, and one is of class 5."""
    labels = small_digits.train_labels[:images]
    rows = np.setdiff1d(np.flatnonzero(labels != 2), np.flatnonzero(labels == 5)[1:])
    sparse = replace(small_digits, train_images=small_digits.train_images[rows], train_labels=labels[rows])
    model = lk.models.create(
        "conditional_ae", input_shape=sparse.image_shape, latent_dim=6, filters=(4,), strides=(2,)
    )
    experiment = run_experiment(sparse, model, epochs=1, batch_size=64, verbose=0)
    assert np.count_nonzero(sparse.train_labels[experiment.held_out] == 5) == held_out
    assert [score.vote.k for score in experiment.vote_scores] == [1]
    queries = model.encode_per_class(sparse.test_images)
    assert experiment.test_queries.tobytes() == queries.tobytes()
    nearest = lk.ClassConditionalKNNClassifier().fit(experiment.index.codes, sparse.train_labels)
    present = [0, 1, 3, 4, 5, 6, 7, 8, 9]
    assert np.array_equal(experiment.chosen.predictions, nearest.predict(queries[present]))
    assert np.array_equal(experiment.test_codes, queries[experiment.nearest.predictions, np.arange(150)])


def test_few_images_leave_out_votes_of_many_neighbours(small_digits):
    """There are fewer training images than the largest vote has neighbours."""
    tiny = replace(
        small_digits,
        train_images=small_digits.train_images[:12],
        train_labels=small_digits.train_labels[:12],
    )
    experiment = train_on(tiny)
    assert {score.vote.k for score in experiment.vote_scores} == {1, 3, 5, 7, 9, 11}
    assert len(experiment.index) == 12


def test_stages_of_an_experiment(experiment, stopwatch):
    items = {stage.name: (stage.items, stage.unit) for stage in stopwatch.stages}
    assert items["train"] == (2 * 550, "images")
    assert items["encode training images"] == (600, "images")
    assert items["encode test images"] == (150, "images")
    assert items["build index"] == (600, "codes")
    assert items["choose vote"] == (50, "queries")
    assert items["search pixels, k = 1"] == (150, "queries")
    assert items[f"search codes, k = {experiment.chosen.vote.k}"] == (150, "queries")
