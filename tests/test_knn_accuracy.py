"""The callback that measures codes after every epoch."""

from __future__ import annotations

import subprocess
import sys

import numpy as np
import pytest

import latentknn as lk
from latentknn.evaluation import KNNAccuracy, Vote
from latentknn.models.backend import keras


@pytest.fixture(scope="module")
def digits():
    return lk.datasets.load("digits")


def callback(digits, **options):
    return KNNAccuracy(
        digits.train_images[:300],
        digits.train_labels[:300],
        digits.train_images[300:400],
        digits.train_labels[300:400],
        **options,
    )


def train(digits, callbacks, epochs=2, **options):
    model = lk.models.create("simple_ae", input_shape=(8, 8, 1), latent_dim=5)
    fit = model.fit(
        digits.train_images[:300], batch_size=64, epochs=epochs, verbose=0, callbacks=callbacks, **options
    )
    return model, fit.history


@pytest.mark.parametrize("vote", [None, Vote(5, "softmax")])
def test_accuracy_is_that_of_the_classifier(digits, vote):
    measured = callback(digits, vote=vote)
    model, history = train(digits, [measured])
    vote = vote or Vote(1)
    classifier = lk.CosineKNNClassifier(vote.k, weights=vote.weights, temperature=vote.temperature)
    classifier.fit(model.encode(digits.train_images[:300]), digits.train_labels[:300])
    expected = classifier.score(model.encode(digits.train_images[300:400]), digits.train_labels[300:400])
    assert len(history["val_knn_accuracy"]) == 2
    assert history["val_knn_accuracy"][-1] == measured.evaluate() == expected


def test_measuring_changes_nothing(digits):
    plain, measured = train(digits, []), train(digits, [callback(digits)])
    assert measured[1]["loss"] == plain[1]["loss"]
    assert measured[0].encode(digits.test_images).tobytes() == plain[0].encode(digits.test_images).tobytes()


def test_callbacks_after_it_see_it(digits):
    seen = []
    stopping = keras.callbacks.EarlyStopping("val_knn_accuracy", mode="max", min_delta=1.0, patience=2)
    reader = keras.callbacks.LambdaCallback(
        on_epoch_end=lambda epoch, logs: seen.append(logs["val_knn_accuracy"])
    )
    _, history = train(digits, [callback(digits), stopping, reader], epochs=9)
    assert len(seen) == 3
    assert history["val_knn_accuracy"] == seen
    assert stopping.best == seen[0]


def test_it_is_part_of_a_resumed_history(digits, tmp_path):
    _, expected = train(digits, [callback(digits)], epochs=2)
    train(digits, [callback(digits)], epochs=1, checkpoint_dir=tmp_path)
    _, history = train(digits, [callback(digits)], epochs=2, checkpoint_dir=tmp_path, resume=True)
    assert history == expected


def test_labels_may_be_strings(digits):
    names = np.array(["zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine"])
    named = KNNAccuracy(
        digits.train_images[:300],
        names[digits.train_labels[:300]],
        digits.train_images[300:400],
        names[digits.train_labels[300:400]],
        name="val_names",
    )
    _, history = train(digits, [callback(digits), named])
    assert history["val_names"] == history["val_knn_accuracy"]


def test_codes_that_are_not_finite_have_accuracy_zero(digits):
    measured = callback(digits)
    model, _ = train(digits, [measured], epochs=1)
    model.encoder.layers[-1].bias.assign(np.full(5, np.nan))
    assert measured.evaluate() == 0


@pytest.mark.parametrize(
    ("sizes", "vote", "message"),
    [
        ((4, 3, 2, 2), None, r"4 images and labels of shape \(3,\)"),
        ((4, 4, 2, 3), None, r"2 images and labels of shape \(3,\)"),
        ((4, 4, 0, 0), None, "4 images and 0 validation images, expected at least 1 and 1"),
        ((4, 4, 2, 2), Vote(5), "expected at least 5 and 1"),
    ],
)
def test_impossible_sets_are_refused(sizes, vote, message):
    images, labels, validation_images, validation_labels = (np.zeros((size, 2, 2)) for size in sizes)
    with pytest.raises(ValueError, match=message):
        KNNAccuracy(images, labels[:, 0, 0], validation_images, validation_labels[:, 0, 0], vote=vote)


def conditional(digits, callbacks):
    model = lk.models.create(
        "conditional_ae", input_shape=(8, 8, 1), latent_dim=5, filters=(4,), strides=(2,)
    )
    images, labels = digits.train_images[:300], digits.train_labels[:300]
    return model, model.fit(images, labels, batch_size=64, verbose=0, callbacks=callbacks).history


def test_conditional_models_are_measured_class_by_class(digits):
    model, history = conditional(digits, [callback(digits, vote=Vote(3))])
    classifier = lk.ClassConditionalKNNClassifier(3)
    classifier.fit(
        model.encode_labelled(digits.train_images[:300], digits.train_labels[:300]), digits.train_labels[:300]
    )
    queries = model.encode_per_class(digits.train_images[300:400])
    assert history["val_knn_accuracy"] == [classifier.score(queries, digits.train_labels[300:400])]


def test_a_conditional_model_whose_classes_have_a_gap(digits):
    """No image of the database is of class 2, and one is of class 5."""
    images, labels = digits.train_images[:300], digits.train_labels[:300]
    rows = np.setdiff1d(np.flatnonzero(labels != 2), np.flatnonzero(labels == 5)[1:])
    measured = KNNAccuracy(
        images[rows], labels[rows], digits.train_images[300:400], digits.train_labels[300:400]
    )
    model, history = conditional(digits, [measured])
    present = [0, 1, 3, 4, 5, 6, 7, 8, 9]
    classifier = lk.ClassConditionalKNNClassifier(1)
    classifier.fit(model.encode_labelled(images[rows], labels[rows]), labels[rows])
    queries = model.encode_per_class(digits.train_images[300:400])[present]
    assert history["val_knn_accuracy"] == [classifier.score(queries, digits.train_labels[300:400])]


def test_a_conditional_model_needs_as_many_images_of_a_class_as_vote(digits):
    rows = [np.flatnonzero(digits.train_labels == label)[0] for label in [*range(10), 3]]
    measured = KNNAccuracy(
        digits.train_images[rows],
        digits.train_labels[rows],
        digits.test_images[:5],
        digits.test_labels[:5],
        vote=Vote(2),
    )
    with pytest.raises(ValueError, match=r"received 1 images of one of the classes.* at least 2"):
        conditional(digits, [measured])


def test_evaluation_imports_tensorflow_for_the_callback_alone():
    program = (
        "import sys, latentknn.evaluation as e\n"
        "assert 'tensorflow' not in sys.modules\n"
        "e.KNNAccuracy\n"
        "assert 'tensorflow' in sys.modules"
    )
    subprocess.run([sys.executable, "-c", program], check=True)
