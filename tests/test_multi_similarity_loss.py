"""The multi-similarity loss against its definition, and in models of Keras."""

from __future__ import annotations

import numpy as np
import pytest

import latentknn as lk
from latentknn.models.backend import keras, tf


def slow_losses(codes, labels, alpha=2.0, beta=40.0, threshold=0.5, margin=0.1):
    """Return the loss of every code by the equations 4 to 7 of the paper, in float64."""
    codes = codes.astype(np.float64)
    norms = np.linalg.norm(codes, axis=1)
    found = []
    for i in range(len(codes)):
        similarity = [codes[i] @ codes[k] / (norms[i] * norms[k]) for k in range(len(codes))]
        own = [similarity[k] for k in range(len(codes)) if labels[k] == labels[i] and k != i]
        others = [similarity[k] for k in range(len(codes)) if labels[k] != labels[i]]
        hard_own = [s for s in own if others and s < max(others) + margin]
        hard_others = [s for s in others if own and s > min(own) - margin]
        if hard_own and hard_others:
            found.append(
                np.log(1 + sum(np.exp(-alpha * (s - threshold)) for s in hard_own)) / alpha
                + np.log(1 + sum(np.exp(beta * (s - threshold)) for s in hard_others)) / beta
            )
        else:
            found.append(0.0)
    return np.array(found)


@pytest.mark.parametrize(
    "labels",
    [[0, 1, 0, 1, 2, 0, 1, 0], [0, 0, 0, 0, 0, 0, 0, 0], [0, 1, 2, 3, 4, 5, 6, 7], [9, 9, 9, 9, 9, 9, 9, 1]],
    ids=["mixed", "one class", "all alone", "one alone"],
)
@pytest.mark.parametrize(
    "settings", [{}, {"alpha": 1.0, "beta": 5.0, "threshold": 0.8, "margin": 0.3}, {"margin": -0.5}]
)
def test_the_loss_agrees_with_its_definition(labels, settings):
    rng = np.random.default_rng(0)
    for _ in range(5):
        codes = (rng.standard_normal((8, 3)) * 10.0 ** rng.uniform(-3, 3, (8, 1))).astype(np.float32)
        expected = slow_losses(codes, labels, **settings)
        each = lk.models.MultiSimilarityLoss(**settings, reduction="none")(np.array(labels), codes)
        assert np.allclose(each, expected, rtol=1e-4, atol=1e-6)
        mean = lk.models.MultiSimilarityLoss(**settings)(np.array(labels)[:, None], codes)
        assert float(mean) == pytest.approx(expected.mean(), rel=1e-4, abs=1e-6)
        weights = rng.random(8).astype(np.float32)
        total = lk.models.MultiSimilarityLoss(**settings, reduction="sum")(np.array(labels), codes, weights)
        assert float(total) == pytest.approx((expected * weights).sum(), rel=1e-4, abs=1e-5)


def test_gradients_are_finite_where_codes_are_equal_or_zero():
    codes = tf.Variable([[1.0, 0.0], [1.0, 0.0], [0.0, 0.0], [0.0, 1.0]])
    with tf.GradientTape() as tape:
        value = lk.models.MultiSimilarityLoss()(tf.constant([0, 0, 1, 1]), codes)
    assert np.isfinite(tape.gradient(value, codes).numpy()).all()


def test_any_keras_model_learns_codes_by_it():
    digits = lk.datasets.load("digits")
    pixels = digits.train_images.reshape(-1, 64) / np.float32(255)
    tests = digits.test_images.reshape(-1, 64) / np.float32(255)
    keras.utils.set_random_seed(0)
    model = keras.Sequential([keras.Input((64,)), keras.layers.Dense(32, "relu"), keras.layers.Dense(4)])
    model.compile(keras.optimizers.Adam(0.01), loss=lk.models.MultiSimilarityLoss())
    batches = lk.datasets.ClassBalancedBatches(
        pixels, digits.train_labels, classes_per_batch=10, items_per_class=6, seed=0
    )

    def accuracy():
        codes = model.predict(pixels, verbose=0)
        classifier = lk.CosineKNNClassifier(5).fit(codes, digits.train_labels)
        return classifier.score(model.predict(tests, verbose=0), digits.test_labels)

    before = accuracy()
    losses = model.fit(batches, epochs=5, shuffle=False, verbose=0).history["loss"]
    assert losses[-1] < 0.8 * losses[0]
    assert accuracy() > before + 0.3


def test_a_saved_model_has_its_loss_again(tmp_path):
    loss = lk.models.MultiSimilarityLoss(alpha=3.0, beta=30.0, threshold=0.6, margin=0.2, name="similar")
    model = keras.Sequential([keras.Input((4,)), keras.layers.Dense(2)])
    model.compile("sgd", loss=loss)
    x, y = np.random.default_rng(0).standard_normal((8, 4)), np.arange(8) % 2
    model.fit(x, y, verbose=0)
    model.save(tmp_path / "model.keras")
    loaded = keras.saving.load_model(tmp_path / "model.keras")
    assert loaded.loss.get_config() == loss.get_config()
    assert loaded.evaluate(x, y, verbose=0) == pytest.approx(model.evaluate(x, y, verbose=0))


@pytest.mark.parametrize("settings", [{"alpha": 0}, {"beta": -1.0}, {"alpha": float("nan")}])
def test_scales_that_are_none_are_refused(settings):
    with pytest.raises(ValueError, match="alpha and beta must be above 0, received"):
        lk.models.MultiSimilarityLoss(**settings)
