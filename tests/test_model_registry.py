"""The registry of models, and saving and loading."""

import subprocess
import sys

import pytest

from latentknn import models
from latentknn.datasets import load
from latentknn.models import MODELS
from latentknn.models.backend import keras
from small_models import small_model


@pytest.fixture(scope="module")
def images():
    return load("digits").train_images[:256]


# Registry


def test_importing_the_models_imports_no_tensorflow():
    program = """
import sys
from latentknn import models
assert "conv_ae" in models.MODELS
assert "tensorflow" not in sys.modules
assert "keras" not in sys.modules
sys.modules["tensorflow"] = None  # TensorFlow then seems not to be installed.
try:
    models.create("conv_ae")
except ModuleNotFoundError as error:
    assert 'pip install "latentknn[tensorflow]"' in str(error), error
else:
    raise AssertionError("no error")
"""
    subprocess.run([sys.executable, "-c", program], check=True)


def test_classes_resolve_by_name():
    assert models.ConvAutoencoder is MODELS["conv_ae"].load_class()
    assert issubclass(models.ConvAutoencoder, models.Autoencoder)
    assert issubclass(models.Autoencoder, models.ImageEncoder)
    with pytest.raises(AttributeError, match="NoSuchModel"):
        models.NoSuchModel  # noqa: B018


def test_unknown_models_and_options():
    with pytest.raises(ValueError, match=r"unknown model 'nonsense': choose one of .*conv_ae"):
        models.create("nonsense")
    with pytest.raises(ValueError, match="nonsense"):
        models.create("conv_ae", nonsense=1)
    for shape in [(28, 28), (28, 28, 0), (28, 28.5, 1)]:
        with pytest.raises(ValueError, match="three positive integers"):
            models.create("conv_ae", input_shape=shape)


def test_an_unsupported_operation_names_the_models_that_have_it():
    error = models.UnsupportedOperationError("some_model", "decode")
    assert "some_model has no decode()" in str(error)
    assert all(name in str(error) for name, entry in MODELS.items() if "decode" in entry.capabilities)
    assert "no model" in str(models.UnsupportedOperationError("some_model", "no such operation"))


# Saving


def test_save_refuses_other_paths(images, tmp_path):
    model = small_model("stacked_ae")
    with pytest.raises(ValueError, match=r"ends in \.keras"):
        model.save(tmp_path / "model.h5")
    path = tmp_path / "model.keras"
    model.save(path)
    with pytest.raises(FileExistsError, match="overwrite"):
        model.save(path, overwrite=False)
    model.save(path)


def test_a_failed_save_leaves_the_old_file(tmp_path, monkeypatch):
    model = small_model("stacked_ae")
    path = tmp_path / "model.keras"
    model.save(path)
    content = path.read_bytes()

    def fail(self, unfinished):
        unfinished.write_bytes(b"half")
        raise OSError("disk full")

    monkeypatch.setattr(keras.Model, "save", fail)
    with pytest.raises(OSError, match="disk full"):
        model.save(path)
    assert path.read_bytes() == content
    assert [file.name for file in tmp_path.iterdir()] == ["model.keras"]


def test_load_refuses_what_is_no_model(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"\.keras"):
        models.load(tmp_path / "missing.keras")
    foreign = keras.Sequential([keras.Input((2,)), keras.layers.Dense(1)])
    foreign.save(tmp_path / "foreign.keras")
    with pytest.raises(ValueError, match="Sequential, which is no model of latentknn"):
        models.load(tmp_path / "foreign.keras")
