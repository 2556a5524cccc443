"""Encoders of every kind turn items into codes, and are refused in words where they cannot."""

from __future__ import annotations

import subprocess
import sys

import numpy as np
import pytest

from latentknn.encoders import Encoder, ReadyCodes, as_encoder, name_of, operations_of

IMAGES = np.random.default_rng(0).integers(0, 256, (10, 4, 4), np.uint8)


def flatten(images):
    return images.reshape(len(images), -1)


def test_a_function_gets_batches_in_order():
    sizes = []

    def remember(images):
        sizes.append(len(images))
        return flatten(images)

    encoder = as_encoder(remember, batch_size=4)
    assert np.array_equal(encoder.encode(IMAGES), flatten(IMAGES))
    assert sizes == [4, 4, 2]
    assert name_of(encoder) == "remember"
    assert operations_of(encoder) == {"encode"}


def test_a_plain_encoder_has_one_code_for_both_sides():
    encoder = as_encoder(flatten)
    labels = np.zeros(10, int)
    for codes in (encoder.encode_labelled(IMAGES, labels), encoder.encode_queries(IMAGES)):
        assert codes.tobytes() == flatten(IMAGES).tobytes()


def test_prepare_comes_before_the_function():
    encoder = as_encoder(flatten, prepare=lambda images: images / 255)
    assert np.array_equal(encoder.encode(IMAGES), flatten(IMAGES) / 255)


def test_an_object_with_encode_is_an_encoder():
    class Halves:
        def encode(self, texts):
            assert isinstance(texts, list)
            return [[len(text) / 2, 1.0] for text in texts]

    encoder = as_encoder(Halves())
    for texts in (["a", "bcd"], np.array(["a", "bcd"]), np.array(["a", "bcd"], object)):
        assert encoder.encode(texts).tolist() == [[0.5, 1.0], [1.5, 1.0]]
    assert name_of(encoder) == "Halves"


class ByClass(Encoder):
    """A conditional encoder of three classes, in as few lines as a user may write."""

    def encode(self, x):
        return flatten(x).astype(float)

    def encode_labelled(self, x, labels):
        return self.encode(x) * (1.0 + np.asarray(labels)[:, None])

    def encode_queries(self, x):
        return self.encode(x) * np.array([1.0, 2.0, 3.0])[:, None, None]


def test_an_encoder_with_two_sides_is_left_as_it_is():
    encoder = ByClass()
    assert as_encoder(encoder) is encoder
    assert encoder.encode_queries(IMAGES).shape == (3, 10, 16)
    encoder.check_labelled(IMAGES, np.zeros(10, int))
    encoder.check_queries(IMAGES)
    with pytest.raises(ValueError, match="ByClass makes its own batches: leave prepare and batch_size out"):
        as_encoder(encoder, batch_size=3)


def test_half_an_encoder_is_told_to_be_whole():
    class Half:
        def encode(self, x):
            return x

        def encode_queries(self, x):
            return x

    with pytest.raises(TypeError, match=r"Half has encode_queries but is no whole encoder.*subclass"):
        as_encoder(Half())


@pytest.mark.parametrize("source", ["conv_ae", b"bytes", 3, None, ByClass, str])
def test_what_encodes_nothing_is_refused(source):
    with pytest.raises(TypeError, match=r"received a \w+ as encoder; expected a model of latentknn"):
        as_encoder(source)


@pytest.mark.parametrize(
    ("function", "error", "message"),
    [
        (lambda x: x, ValueError, r"function returned shape \(10, 4, 4\) for 10 items, expected \(10, d\)"),
        (lambda x: flatten(x)[:3], ValueError, r"shape \(3, 16\) for 10 items"),
        (lambda x: flatten(x)[:, :0], ValueError, r"shape \(10, 0\)"),
        (lambda x: {"codes": x, "logits": x}, TypeError, "returned a dictionary of codes, logits"),
        (lambda x: iter(x), TypeError, r"codes of function are a \w+, which can be read only once"),
    ],
)
def test_what_is_no_code_for_every_item_is_refused(function, error, message):
    with pytest.raises(error, match=message):
        as_encoder(function).encode(IMAGES)


def test_codes_of_different_lengths_are_refused():
    with pytest.raises(ValueError, match=r"codes of different lengths: \[4, 16\]"):
        as_encoder(lambda x: flatten(x)[:, : 16 if len(x) == 6 else 4], batch_size=6).encode(IMAGES)


def test_no_items_and_no_batches_are_refused():
    with pytest.raises(ValueError, match="no items to encode"):
        as_encoder(flatten).encode(IMAGES[:0])
    with pytest.raises(ValueError, match="received batch_size 0"):
        as_encoder(flatten, batch_size=0)


def test_an_error_of_the_function_tells_what_it_was_given():
    def fail(images):
        raise KeyError("lost")

    with pytest.raises(KeyError, match="lost") as caught:
        as_encoder(fail).encode(IMAGES)
    assert "fail was given a batch of shape (10, 4, 4) and dtype uint8" in caught.value.__notes__[0]
    assert "prepare" in caught.value.__notes__[0]


# Ready codes


def test_ready_codes_are_found_by_what_their_items_are():
    codes = np.random.default_rng(1).standard_normal((10, 3))
    encoder = ReadyCodes(codes, IMAGES)
    order = np.array([7, 0, 7, 3])
    assert encoder.encode(IMAGES[order]).tobytes() == codes[order].tobytes()
    texts = [f"text {number}" for number in range(10)]
    assert ReadyCodes(codes, texts).encode(np.array(texts)[order]).tobytes() == codes[order].tobytes()


def test_items_without_ready_codes_are_named():
    encoder = ReadyCodes(np.ones((5, 3)), IMAGES[:5])
    with pytest.raises(ValueError, match="item 1 of 2 has no code"):
        encoder.encode(IMAGES[4:6])
    with pytest.raises(ValueError, match=r"item 0 of 2 has no code.*another dtype"):
        encoder.check_queries(IMAGES[:2].astype(float))
    with pytest.raises(ValueError, match="5 codes for 4 items"):
        ReadyCodes(np.ones((5, 3)), IMAGES[:4])
    with pytest.raises(ValueError, match="items 0 and 2 are equal and have different codes"):
        ReadyCodes(np.eye(3), ["a", "b", "a"])
    assert ReadyCodes([[1.0], [2.0], [1.0]], ["a", "b", "a"]).encode(["a"]).tolist() == [[1.0]]


def test_items_may_be_codes_already():
    codes = np.random.default_rng(1).standard_normal((10, 3))
    encoder = as_encoder(codes)
    assert encoder.encode(codes[2:4]).tobytes() == codes[2:4].tobytes()
    with pytest.raises(ValueError, match=r"items of shape \(10, 4\), expected codes of shape \(N, 3\)"):
        encoder.encode(np.ones((10, 4)))
    with pytest.raises(ValueError, match=r"codes of shape \(10, 4, 4\), expected \(N, d\)"):
        as_encoder(IMAGES)


def test_no_framework_is_imported():
    program = (
        "import sys, numpy as np\n"
        "from latentknn.encoders import as_encoder\n"
        "as_encoder(lambda x: x).encode(np.ones((3, 2)))\n"
        "assert not {'tensorflow', 'keras', 'torch'} & set(sys.modules)"
    )
    subprocess.run([sys.executable, "-c", program], check=True)


# Keras


@pytest.fixture
def classifier():
    from latentknn.models.backend import keras

    return keras.Sequential(
        [
            keras.Input((4, 4, 1)),
            keras.layers.Rescaling(1 / 255),
            keras.layers.Flatten(name="pixels"),
            keras.layers.Dropout(0.9),
            keras.layers.Dense(5, activation="relu", name="features"),
            keras.layers.BatchNormalization(),
            keras.layers.Dense(3),
        ],
        name="small_classifier",
    )


def test_a_keras_model_is_computed_as_outside_of_a_training(classifier):
    encoder = as_encoder(classifier, batch_size=4)
    expected = np.concatenate([classifier(IMAGES[i : i + 4, ..., None], training=False) for i in (0, 4, 8)])
    assert encoder.encode(IMAGES[..., None]).tobytes() == expected.tobytes()
    assert name_of(encoder) == "small_classifier"


def test_a_keras_layer_is_an_encoder(classifier):
    layer = classifier.get_layer("features")
    codes = as_encoder(layer).encode(np.ones((6, 16), np.float32))
    assert codes.tobytes() == layer(np.ones((6, 16), np.float32)).numpy().tobytes()


def test_a_keras_model_of_two_outputs_is_refused(classifier):
    from latentknn.models.backend import keras

    both = keras.Model(classifier.inputs[0], [classifier.layers[-1].output, classifier.layers[-3].output])
    with pytest.raises(TypeError, match="has 2 outputs; pass a layer"):
        as_encoder(both).encode(IMAGES[..., None])


def test_our_models_are_encoders():
    from small_models import SHAPE, small_model

    for name in ("simple_ae", "conditional_ae"):
        model = small_model(name)
        assert as_encoder(model) is model
        assert name_of(model) == name
        assert "encode" in operations_of(model)
        with pytest.raises(ValueError, match="received images of shape"):
            model.check_queries(np.zeros((2, *SHAPE[:1])))


# PyTorch


@pytest.fixture
def torch():
    return pytest.importorskip("torch")


def test_a_torch_module_is_evaluated_and_left_as_it_was(torch):
    module = torch.nn.Sequential(
        torch.nn.Flatten(), torch.nn.Dropout(0.9), torch.nn.BatchNorm1d(16), torch.nn.Linear(16, 3)
    )
    module[1].eval()
    statistics = module[2].running_mean.clone()
    floats = (IMAGES / 255).astype(np.float64)
    codes = as_encoder(module, batch_size=4).encode(floats)
    assert [part.training for part in module] == [True, False, True, True]
    assert torch.equal(module[2].running_mean, statistics)
    module.eval()
    with torch.no_grad():
        expected = torch.cat([module(torch.tensor(floats[i : i + 4]).float()) for i in (0, 4, 8)])
    assert codes.dtype == np.float32
    assert codes.tobytes() == expected.numpy().tobytes()
    assert name_of(as_encoder(module)) == "Sequential"


def test_a_torch_module_gets_its_own_kinds_of_numbers(torch):
    embedding = torch.nn.EmbeddingBag(9, 4).to(torch.bfloat16)
    numbers = np.arange(6).reshape(3, 2)
    numbers.flags.writeable = False
    codes = as_encoder(embedding).encode(numbers)
    assert codes.shape == (3, 4)
    linear = torch.nn.Linear(2, 2).double()
    assert as_encoder(linear).encode(np.ones((3, 2), np.float16)).dtype == np.float64


def test_a_torch_module_stays_on_its_device(torch):
    module = torch.nn.Linear(3, 2, device="meta")
    with pytest.raises(Exception, match="meta"):
        as_encoder(module).encode(np.ones((4, 3)))
    assert module.weight.device.type == "meta"


def test_what_a_torch_module_returns_beside_tensors_is_refused(torch):
    class Pair(torch.nn.Module):
        def forward(self, x):
            return x, x

    with pytest.raises(TypeError, match="Pair returned a tuple, expected one tensor"):
        as_encoder(Pair()).encode(np.ones((2, 2)))


def test_an_error_of_torch_tells_of_prepare(torch):
    with pytest.raises(RuntimeError) as caught:
        as_encoder(torch.nn.Linear(16, 3)).encode(flatten(IMAGES))
    assert "dtype uint8" in caught.value.__notes__[0]
    as_encoder(torch.nn.Linear(16, 3), prepare=lambda images: images / 255).encode(flatten(IMAGES))
