"""Random views, the loss of pairs of them, and the model that learns from both."""

import numpy as np
import pytest

from latentknn import CosineKNNClassifier, models
from latentknn.datasets import load
from latentknn.models.backend import keras, tf
from latentknn.models.layers.random_views import RandomViews
from latentknn.models.self_supervised.view_losses import contrastive_loss
from small_models import assert_same_bits, state

SHAPE = (8, 8, 1)
UNCHANGED = {"crop": 1.0, "mirror": False, "brightness": 0.0, "erase": 0.0, "seed": 0}


@pytest.fixture(scope="module")
def digits():
    return load("digits")


@pytest.fixture
def numbered():
    """Return 200 images of 9x7 whose pixels are all different, from 0.1 to 0.5."""
    pixels = np.linspace(0.1, 0.5, 63, dtype=np.float32).reshape(1, 9, 7, 1)
    return np.broadcast_to(pixels, (200, 9, 7, 1))


def views_of(images, **options):
    layer = RandomViews(**UNCHANGED | options)
    assert RandomViews.from_config(layer.get_config()).get_config() == layer.get_config()
    return layer(images, training=True).numpy()


# Views


def test_there_are_two_views_of_every_image(numbered):
    numbered = numbered * np.linspace(0.5, 1, 200, dtype=np.float32).reshape(-1, 1, 1, 1)
    assert np.array_equal(views_of(numbered), np.concatenate([numbered, numbered]))
    first, second = np.split(views_of(numbered, crop=0.5, brightness=0.2, erase=0.5, mirror=True), 2)
    assert not (first == second).all(axis=(1, 2, 3)).any()


@pytest.mark.parametrize(("crop", "stretch"), [(0.25, 4 / 3), (0.9, 1 / 0.9)])
def test_a_view_shows_a_part_of_the_image(crop, stretch):
    """The pixels of an image that says where they are tell which part a view shows."""
    rows, columns = np.meshgrid(np.arange(9.0) / 8, np.arange(7.0) / 6, indexing="ij")
    images = np.broadcast_to(np.stack([rows, columns], axis=-1), (500, 9, 7, 2)).astype(np.float32)
    views = views_of(images, crop=crop)
    np.testing.assert_allclose(np.diff(views[..., 0], n=2, axis=1), 0, atol=1e-6)
    np.testing.assert_allclose(np.diff(views[..., 0], axis=2), 0, atol=1e-6)
    np.testing.assert_allclose(np.diff(views[..., 1], n=2, axis=2), 0, atol=1e-6)
    height = views[:, -1, 0, 0] - views[:, 0, 0, 0]
    width = views[:, 0, -1, 1] - views[:, 0, 0, 1]
    assert 0 <= views.min() <= views.max() <= 1
    area, shape = height * width, height / width
    assert crop - 1e-5 < area.min() < crop + 0.05
    assert 0.9 < area.max() <= 1 + 1e-5
    assert 1 / stretch - 1e-5 < shape.min() < 1 / stretch + 0.05
    assert stretch - 0.1 < shape.max() < stretch + 1e-5
    assert views[:, 0, 0, 0].min() < 0.01
    assert views[:, -1, 0, 0].max() > 0.99


def test_half_of_the_views_are_mirrored(numbered):
    views = views_of(numbered, mirror=True)
    mirrored = (views == numbered[:1, :, ::-1]).all(axis=(1, 2, 3))
    same = (views == numbered[:1]).all(axis=(1, 2, 3))
    assert (mirrored ^ same).all()
    assert 160 < mirrored.sum() < 240


def test_views_are_darker_or_brighter_up_to_white(numbered):
    factors = views_of(numbered, brightness=0.4) / numbered[:1]
    assert np.ptp(factors, axis=(1, 2, 3)).max() < 1e-6
    assert 0.6 - 1e-6 < factors.min() < 0.65
    assert 1.35 < factors.max() < 1.4 + 1e-6
    bright = views_of(numbered + 0.5, brightness=0.4)
    assert bright.max() == 1


def test_erased_pixels_are_rectangles(numbered):
    erased = views_of(numbered, erase=0.5)[..., 0] == 0
    assert 140 < erased.any(axis=(1, 2)).sum() < 240
    for mask in erased:
        rows, columns = np.nonzero(mask.any(axis=1))[0], np.nonzero(mask.any(axis=0))[0]
        assert mask.sum() == len(rows) * len(columns)
        assert len(rows) <= 5
        assert len(columns) <= 4


def test_the_seed_decides_the_views(numbered):
    options = {"crop": 0.5, "mirror": True, "brightness": 0.2, "erase": 0.5}
    first, again, other = (RandomViews(**options, seed=seed) for seed in (3, 3, 4))
    views = [layer(numbered, training=True).numpy() for layer in (first, again, other)]
    assert np.array_equal(views[0], views[1])
    assert not np.array_equal(views[0], views[2])
    assert not np.array_equal(first(numbered, training=True), views[0])


def test_views_outside_of_training_are_always_the_same(numbered):
    layer = RandomViews(**UNCHANGED | {"crop": 0.5})
    fixed = layer(numbered).numpy()
    trained_on = layer(numbered, training=True).numpy()
    assert np.array_equal(layer(numbered), fixed)
    assert not np.array_equal(trained_on, fixed)
    assert not np.array_equal(fixed[:200], fixed[200:])


@pytest.mark.parametrize(
    ("option", "value", "message"),
    [
        ("crop", 0.0, "received crop 0.0, expected a share of the area above 0"),
        ("crop", 1.5, r"received crop 1\.5"),
        ("brightness", -0.1, r"received brightness -0\.1, expected a number from 0 to 1"),
        ("erase", 2.0, r"received erase 2\.0"),
        ("temperature", 0.0, r"received temperature 0\.0, expected a number above 0"),
        ("projection_units", (), "received no projection_units"),
    ],
)
def test_what_makes_no_views_is_refused(option, value, message):
    with pytest.raises(ValueError, match=message):
        models.create("self_supervised", **{option: value})


# The loss


def reference_loss(projections, temperature):
    """Return NT-Xent by its definition, view by view."""
    units = projections / np.linalg.norm(projections, axis=1, keepdims=True)
    views = len(units)
    losses = []
    for view in range(views):
        partner = (view + views // 2) % views
        scores = np.exp(units @ units[view] / temperature)
        losses.append(-np.log(scores[partner] / (scores.sum() - scores[view])))
    return np.mean(losses)


@pytest.mark.parametrize(("count", "temperature"), [(1, 0.5), (2, 0.5), (7, 0.1)])
def test_the_loss_is_that_of_its_definition(count, temperature):
    projections = np.random.default_rng(count).standard_normal((2 * count, 5)).astype(np.float32)
    found = float(contrastive_loss(tf.constant(projections), temperature))
    assert found == pytest.approx(reference_loss(projections.astype(np.float64), temperature), abs=1e-5)


def test_equal_views_of_unlike_images_have_the_least_loss():
    equal = np.concatenate([np.eye(4), np.eye(4)]).astype(np.float32)
    swapped = np.concatenate([np.eye(4), np.eye(4)[::-1]]).astype(np.float32)
    assert float(contrastive_loss(tf.constant(equal), 0.1)) < 0.001
    assert float(contrastive_loss(tf.constant(swapped), 0.1)) > 9


# The model


def small(**options):
    return models.create(
        "self_supervised",
        input_shape=SHAPE,
        **{
            "latent_dim": 24,
            "filters": (8, 16),
            "strides": (1, 2),
            "projection_units": (32, 16),
            "mirror": False,
            "crop": 0.5,
            "erase": 0.0,
            **options,
        },
    )


def test_codes_learn_from_views_alone(digits):
    """Labels play no part, and codes of a class become more alike than those of an untrained model."""

    def accuracy(model):
        database = CosineKNNClassifier().fit(model.encode(digits.train_images), digits.train_labels)
        return database.score(model.encode(digits.test_images), digits.test_labels)

    model, other = small(learning_rate=1e-2), small(learning_rate=1e-2)
    before = accuracy(model)
    labels = np.roll(digits.train_labels, 7)
    history = model.fit(digits.train_images, labels, batch_size=128, epochs=6, verbose=0).history
    assert other.fit(digits.train_images, batch_size=128, epochs=6, verbose=0).history == history
    assert_same_bits(state(model), state(other))
    assert history["loss"][-1] < 0.7 * history["loss"][0]
    assert accuracy(model) > before


def test_the_loss_of_held_out_images_is_reproducible(digits):
    model = small()
    images = digits.test_images[:64]
    variables = state(model)
    first, again = (model.evaluate(images, batch_size=32, verbose=0) for _ in range(2))
    assert first == again > 0
    assert_same_bits(state(model), variables)


def test_a_code_of_a_model_that_mirrors_is_that_of_the_mirror_image(digits):
    images = digits.test_images[:20]
    both, one = small(mirror=True), small(mirror=False)
    np.testing.assert_allclose(both.encode(images), both.encode(images[:, :, ::-1]), atol=1e-6)
    assert np.abs(one.encode(images) - one.encode(images[:, :, ::-1])).max() > 0.01


def test_whitened_codes_vary_alike_in_all_directions(digits):
    model = small(whitening=1.0, latent_dim=8)
    model.fit(digits.train_images, batch_size=128, epochs=12, verbose=0)
    plain = model.encoder.predict(digits.train_images[..., None] / np.float32(255), verbose=0)
    codes = model.encode(digits.train_images)
    spread = [np.linalg.eigvalsh(np.cov(each.T)) for each in (plain, codes)]
    assert spread[1][-1] / spread[1][0] < 0.3 * spread[0][-1] / spread[0][0]


def test_finetuning_begins_with_its_encoder(digits):
    # What the model does with codes outside its encoder is left out.
    options = {"latent_dim": 8, "filters": (4, 8), "strides": (1, 2), "projection_units": (8, 4)}
    options |= {"mirror": False, "whitening": 0.0}
    pretrained = models.create("self_supervised", input_shape=SHAPE, **options)
    pretrained.fit(digits.train_images[:200], epochs=2, verbose=0)
    tuned = models.create(
        "finetuned",
        input_shape=SHAPE,
        autoencoder="self_supervised",
        autoencoder_options=options,
        pretraining_epochs=2,
        frozen=True,
    )
    history = tuned.fit(digits.train_images[:200], digits.train_labels[:200], epochs=2, verbose=0).history
    assert len(history["pretraining_loss"]) == 2
    images = digits.test_images[:20]
    np.testing.assert_array_equal(tuned.encode(images), pretrained.encode(images))


def test_default_architecture():
    model = models.create("self_supervised")
    assert 450_000 < model.encoder.count_params() < 550_000
    assert model.encoder.output_shape == (None, model.latent_dim)
    assert isinstance(model.optimizer, keras.optimizers.Adam)
