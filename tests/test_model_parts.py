"""Parts of the models: images, batches and networks."""

import numpy as np
import pytest

from latentknn import models
from latentknn.datasets import load
from latentknn.models.backend import keras
from latentknn.models.base.image_encoder import ImageEncoder
from latentknn.models.images import prepare_images
from latentknn.models.training.batches import batches_per_epoch, training_batches
from small_models import SHAPE, small_model, train


@pytest.fixture(scope="module")
def images():
    return load("digits").train_images[:256]


def test_integer_images_stay_integers(images):
    assert prepare_images(images, SHAPE).dtype == np.uint8
    assert prepare_images(images.astype(np.int32), SHAPE).dtype == np.uint8
    assert prepare_images(images > 0, SHAPE).max() == 1.0
    assert prepare_images((images / 255).astype(np.float16), SHAPE).dtype == np.float32


def test_colour_images_need_their_channels():
    with pytest.raises(ValueError, match=r"takes \(N, 4, 5, 3\)$"):
        prepare_images(np.zeros((2, 4, 5), np.uint8), (4, 5, 3))


def layer_sizes(network):
    return [layer.output.shape[1:] for layer in network.layers if layer.weights]


def test_the_published_architectures():
    stacked = models.create("stacked_ae")
    assert layer_sizes(stacked.encoder) == [(100,), (30,)]
    assert layer_sizes(stacked.decoder) == [(100,), (784,)]
    assert stacked.optimizer.learning_rate == 1.5

    simple = models.create("simple_ae")
    assert layer_sizes(simple.encoder) == [(256,), (128,), (20,)]
    assert layer_sizes(simple.decoder) == [(128,), (256,), (784,)]

    conv = models.create("conv_ae")
    convolutions = [layer for layer in conv.encoder.layers if isinstance(layer, keras.layers.Conv2D)]
    assert [layer.output.shape[1:] for layer in convolutions] == [
        (28, 28, 32),
        (14, 14, 64),
        (7, 7, 64),
        (7, 7, 64),
    ]
    transposed = [layer for layer in conv.decoder.layers if isinstance(layer, keras.layers.Conv2DTranspose)]
    assert [layer.output.shape[1:] for layer in transposed] == [
        (7, 7, 64),
        (14, 14, 64),
        (28, 28, 32),
        (28, 28, 1),
    ]
    dropouts = [
        layer.rate
        for network in (conv.encoder, conv.decoder)
        for layer in network.layers
        if isinstance(layer, keras.layers.Dropout)
    ]
    assert dropouts == [0.25] * 7


def test_reconstruct_decodes_the_codes(images):
    model = small_model("simple_ae")
    assert np.array_equal(model.reconstruct(images), model.decode(model.encode(images)))
    with pytest.raises(ValueError, match=r"codes of shape \(3, 7\), but the model takes \(N, 6\)"):
        model.decode(np.zeros((3, 7)))


CONVOLUTIONAL = pytest.mark.parametrize("name", ["conditional_ae", "conv_ae", "triplet"])


@CONVOLUTIONAL
@pytest.mark.parametrize("kernel_size", [1, 4, 5])
def test_kernels_of_convolutions_have_the_size_that_is_asked_for(name, kernel_size, images, tmp_path):
    model = small_model(name, kernel_size=kernel_size, strides=(1, 2))
    kernels = [
        layer.kernel_size
        for layer in model._flatten_layers()
        if isinstance(layer, keras.layers.Conv2D | keras.layers.Conv2DTranspose)
    ]
    assert kernels == [(kernel_size, kernel_size)] * (2 if name == "triplet" else 4)
    train(model, images[:96])
    if name != "triplet":
        assert model.reconstruct(images[:3]).shape == (3, *SHAPE)
    model.save(tmp_path / "model.keras")
    loaded = models.load(tmp_path / "model.keras")
    assert loaded.kernel_size == kernel_size
    assert np.array_equal(loaded.encode(images), model.encode(images))


@CONVOLUTIONAL
def test_batch_normalisation_can_be_left_out(name, images, tmp_path):
    model = small_model(name, batch_normalization=False)
    assert not [
        layer for layer in model._flatten_layers() if isinstance(layer, keras.layers.BatchNormalization)
    ]
    train(model, images[:96])
    model.save(tmp_path / "model.keras")
    loaded = models.load(tmp_path / "model.keras")
    assert not loaded.batch_normalization
    assert np.array_equal(loaded.encode(images), model.encode(images))


@CONVOLUTIONAL
def test_empty_kernels_are_refused(name):
    with pytest.raises(ValueError, match="received kernel_size 0, expected at least 1"):
        small_model(name, kernel_size=0)


def test_conv_ae_refuses_unequal_lists():
    with pytest.raises(ValueError, match="equally many"):
        models.create("conv_ae", filters=(8, 8), strides=(1,))


def test_a_model_without_encode_scaled_says_so(images):
    class Incomplete(ImageEncoder):
        registry_name = "incomplete"

    with pytest.raises(NotImplementedError, match="Incomplete must implement encode_scaled"):
        Incomplete(input_shape=SHAPE, latent_dim=2, learning_rate=0.1, seed=0).encode(images)


@pytest.mark.parametrize("name", ["conv_ae", "denoising_ae", "dropout_ae", "gan"])
def test_a_negative_share_is_refused(name):
    option = "noise" if name == "denoising_ae" else "dropout"
    with pytest.raises(ValueError, match=r"Received: (rate|stddev)=-0\.1"):
        models.create(name, **{option: -0.1})


@pytest.mark.parametrize(("rows", "batch_size"), [(10, 4), (8, 4), (3, 4)])
def test_every_epoch_visits_every_row_once(rows, batch_size):
    def orders(seed, first_epoch, epochs):
        batches = training_batches((np.arange(rows),), batch_size, seed, first_epoch, epochs)
        per_epoch = batches_per_epoch(rows, batch_size)
        found = [batch.numpy() for (batch,) in batches]
        assert all(len(batch) <= batch_size for batch in found)
        epochs_found = [found[start : start + per_epoch] for start in range(0, len(found), per_epoch)]
        return [np.concatenate(epoch).tolist() for epoch in epochs_found]

    together = orders(seed=0, first_epoch=0, epochs=4)
    assert len(together) == 4
    assert all(sorted(order) == list(range(rows)) for order in together)
    assert len({tuple(order) for order in together}) > 1
    assert orders(seed=0, first_epoch=2, epochs=4) == together[2:]
    assert orders(seed=1, first_epoch=0, epochs=4) != together
