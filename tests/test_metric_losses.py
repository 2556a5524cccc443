"""Comparison of the losses of codes with slow definitions."""

import itertools
import subprocess
import sys

import numpy as np
import pytest

from latentknn.models.backend import keras, tf
from latentknn.models.supervised import metric_losses
from latentknn.models.supervised.metric_losses import (
    batch_all_loss,
    batch_hard_loss,
    supervised_contrastive_loss,
)


def distance(first, second):
    return 1 - first @ second / np.sqrt((first @ first) * (second @ second))


def hinge(difference, margin):
    return np.log1p(np.exp(difference)) if margin is None else max(difference + margin, 0)


def slow_batch_hard(codes, labels, margin):
    found = []
    for anchor, code in enumerate(codes):
        same = [distance(code, c) for i, c in enumerate(codes) if labels[i] == labels[anchor] and i != anchor]
        other = [distance(code, c) for i, c in enumerate(codes) if labels[i] != labels[anchor]]
        if same and other:
            found.append(hinge(max(same) - min(other), margin))
    return np.mean(found) if found else 0.0


def slow_batch_all(codes, labels, margin):
    found = []
    for a, p, n in itertools.product(range(len(codes)), repeat=3):
        if a != p and labels[a] == labels[p] and labels[a] != labels[n]:
            loss = hinge(distance(codes[a], codes[p]) - distance(codes[a], codes[n]), margin)
            if margin is None or loss > 0:
                found.append(loss)
    return np.mean(found) if found else 0.0


def slow_contrastive(codes, labels, temperature):
    found = []
    for anchor, code in enumerate(codes):
        others = [i for i in range(len(codes)) if i != anchor]
        similarities = {i: (1 - distance(code, codes[i])) / temperature for i in others}
        total = np.log(sum(np.exp(s) for s in similarities.values()))
        same = [similarities[i] - total for i in others if labels[i] == labels[anchor]]
        if same:
            found.append(-np.mean(same))
    return np.mean(found) if found else 0.0


@pytest.mark.parametrize(
    "labels",
    [[0, 1, 0, 1, 2, 0, 1, 0], [0, 0, 0, 0, 0, 0, 0, 0], [0, 1, 2, 3, 4, 5, 6, 7], [0, 0, 0, 0, 0, 0, 0, 1]],
    ids=["mixed", "one class", "all alone", "one alone"],
)
@pytest.mark.parametrize(
    ("loss", "definition", "setting"),
    [
        (batch_hard_loss, slow_batch_hard, 0.3),
        (batch_hard_loss, slow_batch_hard, None),
        (batch_all_loss, slow_batch_all, 0.3),
        (batch_all_loss, slow_batch_all, None),
        (supervised_contrastive_loss, slow_contrastive, 0.1),
    ],
)
def test_losses_agree_with_their_definitions(loss, definition, setting, labels):
    codes = np.random.default_rng(0).standard_normal((8, 5)).astype(np.float32)
    found = float(loss(keras.ops.convert_to_tensor(codes), keras.ops.convert_to_tensor(labels), setting))
    assert found == pytest.approx(definition(codes.astype(np.float64), labels, setting), rel=1e-4, abs=1e-6)


def test_gradients_of_losses_are_finite():
    """A gradient of the distance would not be finite at equal codes and zero codes."""
    codes = tf.Variable([[1.0, 0.0], [1.0, 0.0], [0.0, 0.0], [0.0, 1.0]])
    labels = tf.constant([0, 0, 1, 1])
    for loss, setting in ((batch_hard_loss, 0.5), (batch_all_loss, None), (supervised_contrastive_loss, 0.1)):
        with tf.GradientTape() as tape:
            value = loss(codes, labels, setting)
        assert np.isfinite(tape.gradient(value, codes).numpy()).all()


def plain_batch_all(codes, labels, margin):
    """Compute the loss of all triplets at once, differentiable by TensorFlow."""
    distances = 1 - metric_losses.cosine_similarities(codes)
    same = labels[:, None] == labels
    counted = (same & ~np.eye(len(labels), dtype=bool))[:, :, None] & ~same[:, None, :]
    differences = tf.boolean_mask(distances[:, :, None] - distances[:, None, :], counted)
    if margin is None:
        return tf.reduce_mean(tf.math.softplus(differences))
    return tf.reduce_mean(tf.boolean_mask(differences + margin, differences + margin > 0))


@pytest.mark.parametrize("margin", [0.3, None])
@pytest.mark.parametrize("at_once", [1, 37 * 37 * 5, 37**3, 2**22], ids=["one", "five", "all", "more"])
@pytest.mark.parametrize("compiled", [False, True])
def test_triplets_in_blocks_have_the_loss_and_gradients_of_all_at_once(
    margin, at_once, compiled, monkeypatch
):
    monkeypatch.setattr(metric_losses, "_TRIPLETS_AT_ONCE", at_once)
    rng = np.random.default_rng(0)
    codes, labels = tf.constant(rng.standard_normal((37, 5)), tf.float32), rng.integers(0, 4, 37)

    def with_gradient(function):
        with tf.GradientTape() as tape:
            tape.watch(codes)
            loss = 3 * function(codes, labels, margin)
        return loss, tape.gradient(loss, codes)

    loss, gradient = tf.function(with_gradient, jit_compile=compiled)(batch_all_loss)
    expected_loss, expected_gradient = with_gradient(plain_batch_all)
    np.testing.assert_allclose(loss, expected_loss, rtol=1e-5)
    np.testing.assert_allclose(gradient, expected_gradient, rtol=1e-4, atol=1e-6)


def test_all_triplets_of_a_large_batch_fit_into_memory():
    """512 codes have 60 million triplets, and each array of that length is a quarter of a gigabyte."""
    program = """
import resource
import numpy as np
from latentknn.models.backend import tf
from latentknn.models.supervised.metric_losses import batch_all_loss

def peak():
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024

@tf.function
def gradient(codes, labels):
    with tf.GradientTape() as tape:
        tape.watch(codes)
        loss = batch_all_loss(codes, labels, 1.0)
    return tape.gradient(loss, codes)

rng = np.random.default_rng(0)
codes, labels = tf.constant(rng.standard_normal((512, 64)), tf.float32), tf.constant(rng.integers(0, 2, 512))
gradient(codes[:8], labels[:8])
before = peak()
gradient(codes, labels)
assert peak() - before < 250, f"{peak() - before} MiB"
"""
    subprocess.run([sys.executable, "-c", program], check=True)
