"""Dropout drops the share that it should, by as few random bits as that needs."""

import numpy as np
import pytest
from scipy import stats

from latentknn.models.backend import keras, tf
from latentknn.models.layers.dropout import Dropout

SHAPE = (50, 13, 7, 11)
COUNT = int(np.prod(SHAPE))


def dropped(layer, jit_compile=None):
    """Return the outputs of a layer, in training, for ones."""
    return tf.function(lambda: layer(tf.ones(SHAPE), training=True), jit_compile=jit_compile)().numpy()


@pytest.mark.parametrize("jit_compile", [None, True])
@pytest.mark.parametrize("rate", [0.003, 0.1, 0.25, 0.3, 0.5, 0.996])
def test_a_share_is_dropped_and_the_rest_scaled_up(rate, jit_compile):
    outputs = dropped(Dropout(rate, seed=3), jit_compile)
    assert len(np.unique(outputs)) == 2
    assert outputs.max() == pytest.approx(1 / (1 - rate), rel=2**-8 if rate > 0.9 else 1e-4)
    chance = stats.binomtest(int((outputs == 0).sum()), COUNT, rate).pvalue
    assert chance > 1e-6


def test_values_are_dropped_independently_of_their_neighbours():
    """Values that share a word of random bits too: every distance up to two words."""
    left = (dropped(Dropout(0.25, seed=5)) != 0).ravel() - 0.75
    for distance in range(1, 9):
        correlation = np.mean(left[distance:] * left[:-distance]) / (0.25 * 0.75)
        assert abs(correlation) < 6 / np.sqrt(COUNT)


def test_slopes_are_those_of_what_was_left():
    layer, inputs = Dropout(0.3, seed=1), tf.ones((20, 30))
    with tf.GradientTape() as tape:
        tape.watch(inputs)
        outputs = layer(inputs, training=True)
    assert np.array_equal(tape.gradient(outputs, inputs), outputs)


def test_the_seed_decides_and_every_call_drops_others():
    first, second = Dropout(0.25, seed=7), Dropout(0.25, seed=7)
    calls = [dropped(first), dropped(first)]
    assert not np.array_equal(*calls)
    assert np.array_equal(calls, [dropped(second), dropped(second)])
    assert int(first.seed_generator.state.numpy()[1]) == int(second.seed_generator.state.numpy()[1]) > 0


@pytest.mark.parametrize("dtype", ["float16", "bfloat16", "float64"])
def test_outputs_have_the_type_of_the_inputs(dtype):
    layer = Dropout(0.25, seed=0, dtype=dtype)
    outputs = layer(tf.ones((40, 3), dtype), training=True)
    assert outputs.dtype == dtype
    assert 0 < np.mean(np.asarray(outputs == 0)) < 1


@pytest.mark.parametrize(
    "options", [{"rate": 0.0}, {"rate": 1.0}, {"rate": 0.5, "noise_shape": (50, 1, 7, 1)}]
)
def test_what_needs_no_bits_of_its_own_is_left_to_keras(options):
    ours, plain = (each(**options, seed=2) for each in (Dropout, keras.layers.Dropout))
    assert np.array_equal(dropped(ours), dropped(plain))


def test_outside_of_training_inputs_are_outputs():
    inputs = tf.random.stateless_normal((5, 4), (1, 2))
    assert np.array_equal(Dropout(0.5)(inputs, training=False), inputs)
