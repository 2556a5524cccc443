"""The vector quantizer, and the autoencoder that uses it."""

import numpy as np
import pytest

from latentknn import models
from latentknn.datasets import load
from latentknn.models.backend import keras, tf
from latentknn.models.generative.grid_prior import grid_prior, sample_grids
from latentknn.models.layers.vector_quantizer import VectorQuantizer

SHAPE = (8, 8, 1)


@pytest.fixture(scope="module")
def images():
    return load("digits").train_images[:256]


@pytest.fixture
def vectors():
    return np.random.default_rng(0).normal(0, 1, (5, 2, 3, 4)).astype(np.float32)


def quantizer(averaging=0.0):
    layer = VectorQuantizer(7, averaging)
    layer.build((None, 2, 3, 4))
    layer.codebook.assign(np.random.default_rng(1).standard_normal((7, 4)))
    if averaging > 0:
        layer.sums.assign(layer.codebook)
    return layer


@pytest.mark.parametrize("averaging", [-0.1, 1.0])
def test_an_average_that_never_moves_is_refused(averaging):
    with pytest.raises(ValueError, match=f"received averaging {averaging}, expected"):
        models.create("vqvae", averaging=averaging)


def test_every_vector_becomes_the_nearest_entry(vectors):
    layer = quantizer()
    found = layer(vectors)
    codebook = layer.codebook.numpy()
    distances = np.linalg.norm(vectors[..., None, :] - codebook, axis=-1)
    assert np.array_equal(found["indices"], distances.argmin(axis=-1))
    assert np.array_equal(found["entries"], codebook[distances.argmin(axis=-1)])
    np.testing.assert_allclose(found["quantised"], found["entries"], rtol=1e-5, atol=1e-6)


def test_the_gradient_passes_straight_through(vectors):
    layer, x = quantizer(), tf.Variable(vectors)
    with tf.GradientTape() as tape:
        loss = tf.reduce_sum(layer(x)["quantised"] * 3.0)
    to_vectors, to_codebook = tape.gradient(loss, [x, layer.codebook.value])
    assert (to_vectors.numpy() == 3).all()
    assert to_codebook is None


def test_perplexity_counts_the_entries_in_use():
    layer = quantizer()
    codebook = layer.codebook.numpy()
    equally = np.repeat(codebook[:4], 6, axis=0).reshape(4, 2, 3, 4)
    assert float(layer(equally)["perplexity"]) == pytest.approx(4, rel=1e-5)
    assert float(layer(np.broadcast_to(codebook[2], (2, 2, 3, 4)))["perplexity"]) == pytest.approx(
        1, rel=1e-5
    )


def test_running_means_follow_the_vectors():
    """Entries that vectors of tight groups choose move to the centres of the groups."""
    rng = np.random.default_rng(0)
    layer = quantizer(averaging=0.8)
    centres = layer.codebook.numpy()[:3] + 0.3
    used = np.unique(np.asarray(layer(centres.reshape(1, 1, 3, 4).repeat(2, 1))["indices"]))
    for _ in range(60):
        groups = rng.integers(0, 3, 12)
        layer((centres[groups] + rng.normal(0, 0.01, (12, 4))).reshape(2, 2, 3, 4), training=True)
    for entry in layer.codebook.numpy()[used]:
        assert np.linalg.norm(centres - entry, axis=1).min() < 0.05
    before = layer.codebook.numpy()
    layer(centres.reshape(1, 1, 3, 4).repeat(2, 1))
    assert np.array_equal(layer.codebook.numpy(), before)
    assert not layer.trainable_variables
    assert np.isfinite(before).all()


def far_quantizer():
    """Return a layer with one entry near the vectors and six entries far from all of them."""
    layer = quantizer(averaging=0.9)
    layer.codebook.assign(np.concatenate([np.zeros((1, 4)), 100 + np.eye(6, 4)]))
    layer.sums.assign(layer.codebook)
    return layer


def test_entries_that_nothing_chooses_begin_anew(vectors):
    layer, same = far_quantizer(), far_quantizer()
    assert set(np.asarray(layer(vectors)["indices"]).ravel()) == {0}
    for _ in range(20):
        layer(vectors, training=True)
        same(vectors, training=True)
    codebook = layer.codebook.numpy()
    assert np.abs(codebook).max() <= np.abs(vectors).max()
    assert len(set(np.asarray(layer(vectors)["indices"]).ravel())) == 7
    for one, other in zip(layer.weights, same.weights, strict=True):
        assert np.array_equal(one.numpy(), other.numpy())


def test_entries_that_are_chosen_seldom_stay():
    """An entry that one vector in a batch of 400 chooses stays."""
    layer = quantizer(averaging=0.9)
    codebook = layer.codebook.numpy()
    batch = codebook[np.concatenate([np.arange(6), np.full(394, 6)])].reshape(1, 20, 20, 4)
    for _ in range(50):
        layer(batch, training=True)
    np.testing.assert_allclose(layer.codebook.numpy(), codebook, atol=1e-4)


def test_a_few_vectors_for_many_entries():
    """If a batch has fewer vectors than there are entries, entries that are chosen in turn stay."""
    layer = quantizer(averaging=0.9)
    codebook = layer.codebook.numpy()
    for step in range(140):
        layer(codebook[step % 7].reshape(1, 1, 1, 4), training=True)
    np.testing.assert_allclose(layer.codebook.numpy(), codebook, atol=1e-3)


@pytest.mark.parametrize(("averaging", "epochs", "used"), [(0.9, 16, 28), (0.99, 32, 16)])
def test_a_codebook_of_running_means_is_used(averaging, epochs, used, images, tmp_path):
    def train(epochs, **options):
        model = models.create(
            "vqvae", input_shape=SHAPE, codebook_size=32, averaging=averaging, filters=(16,), embedding_dim=8
        )
        model.fit(images, batch_size=32, epochs=epochs, verbose=0, **options)
        return model

    model = train(epochs)
    assert len(np.unique(model.indices(images))) >= used
    lengths = np.linalg.norm(model.codebook, axis=1)
    assert lengths.min() > 0.05 * np.median(lengths)

    train(epochs // 2, checkpoint_dir=tmp_path)
    resumed = train(epochs, checkpoint_dir=tmp_path, resume=True)
    assert np.array_equal(resumed.codebook, model.codebook)
    assert np.array_equal(resumed.encode(images), model.encode(images))


@pytest.mark.parametrize("averaging", [0.0, 0.9])
def test_training(averaging, images):
    model = models.create(
        "vqvae",
        input_shape=SHAPE,
        embedding_dim=4,
        codebook_size=16,
        filters=(16,),
        averaging=averaging,
        learning_rate=1e-2,
    )
    history = model.fit(images, batch_size=32, epochs=12, verbose=0, validation_data=images[:40]).history
    parts = {"reconstruction", "commitment", "prior"} | ({"codebook"} if averaging == 0 else set())
    assert set(history) == {
        f"{prefix}{name}" for prefix in ("", "val_") for name in {"loss", "perplexity", *parts}
    }
    total = sum(np.array(history[part]) for part in parts)
    np.testing.assert_allclose(history["loss"], total, rtol=1e-5)
    assert history["reconstruction"][-1] < 0.8 * history["reconstruction"][0]
    assert history["prior"][-1] < 0.9 * np.log(16)
    assert 1 <= min(history["perplexity"]) <= max(history["perplexity"]) <= 16


def test_the_prior_foretells_a_cell_from_those_before_it():
    """Logits of a cell depend on earlier cells alone, and draws follow the distribution."""
    prior = grid_prior(4, 3, 5)
    rng = np.random.default_rng(0)
    grid = rng.integers(0, 5, (1, 4, 3))
    logits = prior(grid).numpy().reshape(12, 5)
    for changed in range(12):
        other = grid.copy().reshape(1, 12)
        other[0, changed] = (other[0, changed] + 1) % 5
        differs = (prior(other.reshape(1, 4, 3)).numpy().reshape(12, 5) != logits).any(axis=1)
        assert not differs[: changed + 1].any()
        if changed < 11:
            assert differs[changed + 1 :].any()
    drawn = sample_grids(prior, 4000, seed=1)
    assert np.array_equal(drawn[:7], sample_grids(prior, 7, seed=1))
    shares = np.bincount(drawn[:, 0, 0], minlength=5) / 4000
    expected = np.exp(logits[0]) / np.exp(logits[0]).sum()
    np.testing.assert_allclose(shares, expected, atol=0.03)
    with pytest.raises(ValueError, match="cannot generate -1 images"):
        sample_grids(prior, -1, seed=1)


def test_images_are_generated_by_entries(images):
    model = models.create("vqvae", input_shape=SHAPE, embedding_dim=3, codebook_size=16, filters=(8,))
    grids = sample_grids(model.prior, 3, seed=2)
    assert np.array_equal(model.generate(3, seed=2), model.decode(model.codebook[grids].reshape(3, -1)))


def test_codes_are_made_of_entries(images):
    model = models.create("vqvae", input_shape=SHAPE, embedding_dim=3, codebook_size=16, filters=(8,))
    indices = model.indices(images)
    assert indices.shape == (256, 4, 4)
    assert indices.dtype == np.int64
    assert model.codebook.shape == (16, 3)
    assert np.array_equal(model.encode(images), model.codebook[indices].reshape(256, -1))
    assert model.latent_dim == 4 * 4 * 3


def test_published_architecture():
    model = models.create("vqvae")
    assert model.latent_dim == 7 * 7 * 32
    assert model.codebook.shape == (128, 32)
    assert model.commitment == 0.25
    convolutions = [layer for layer in model.encoder.layers if isinstance(layer, keras.layers.Conv2D)]
    assert [layer.output.shape[1:] for layer in convolutions] == [(14, 14, 32), (7, 7, 64), (7, 7, 32)]


# Entries that are clustered online


def clustered_quantizer():
    layer = VectorQuantizer(7, clustered=True)
    layer.build((None, 2, 3, 4))
    layer.codebook.assign(np.concatenate([np.zeros((1, 4)), 100 + np.eye(6, 4)]))
    return layer


def test_entries_that_nothing_chooses_move_to_vectors_of_the_batch(vectors):
    layer, same = clustered_quantizer(), clustered_quantizer()
    layer(vectors, training=True)
    codebook = layer.codebook.numpy()
    rows = {row.tobytes() for row in vectors.reshape(-1, 4)}
    assert all(entry.tobytes() in rows for entry in codebook[1:])
    np.testing.assert_allclose(codebook[0], 0, atol=1e-12)
    layer(vectors)
    assert np.array_equal(layer.codebook.numpy(), codebook)
    same(vectors, training=True)
    for _ in range(3):
        layer(vectors, training=True)
        same(vectors, training=True)
    assert np.array_equal(layer.codebook.numpy(), same.codebook.numpy())
    assert len(set(np.asarray(layer(vectors)["indices"]).ravel())) > 3


def test_entries_that_are_chosen_equally_often_do_not_move():
    layer = VectorQuantizer(7, clustered=True)
    layer.build((None, 1, 7, 4))
    layer.codebook.assign(np.random.default_rng(1).standard_normal((7, 4)))
    codebook = layer.codebook.numpy()
    for _ in range(5):
        layer(codebook.reshape(1, 1, 7, 4).repeat(3, axis=0), training=True)
    np.testing.assert_allclose(layer.codebook.numpy(), codebook, atol=1e-3)
    np.testing.assert_allclose(layer.uses.numpy(), (1 - 0.99**5) / 7, rtol=1e-5)


def test_a_clustered_codebook_is_used(images, tmp_path):
    def train(epochs, clustered=True, **options):
        model = models.create(
            "vqvae", input_shape=SHAPE, codebook_size=32, filters=(16,), embedding_dim=8, clustered=clustered
        )
        model.fit(images, batch_size=32, epochs=epochs, verbose=0, **options)
        return model

    model, other = train(8), train(8, clustered=False)
    assert len(np.unique(model.indices(images))) > 2 * len(np.unique(other.indices(images)))
    train(4, checkpoint_dir=tmp_path)
    resumed = train(8, checkpoint_dir=tmp_path, resume=True)
    assert np.array_equal(resumed.codebook, model.codebook)
    model.save(tmp_path / "model.keras")
    assert np.array_equal(models.load(tmp_path / "model.keras").encode(images), model.encode(images))


def test_running_means_are_not_clustered_too():
    with pytest.raises(ValueError, match=r"received clustered and averaging 0\.9"):
        models.create("vqvae", averaging=0.9, clustered=True)
