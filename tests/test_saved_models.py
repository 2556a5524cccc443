"""Models that an earlier version saved, and the names of classes in files.

Each ``.keras`` file in ``tests/files`` holds a model that was trained for two epochs on the digits, and is
compressed, which ``save`` does not do. The ``.npz`` file beside it holds eight images and their codes.
"""

import json
import zipfile
from pathlib import Path

import h5py
import numpy as np
import pytest

from latentknn import models
from latentknn.models.backend import keras

FILES = Path(__file__).parent / "files"

REGISTERED_NAMES = {
    "stacked_ae": "latentknn>StackedAutoencoder",
    "deep_ae": "latentknn>DeepAutoencoder",
    "simple_ae": "latentknn>SimpleAutoencoder",
    "conv_ae": "latentknn>ConvAutoencoder",
    "pool_ae": "latentknn>PoolAutoencoder",
    "denoising_ae": "latentknn>DenoisingAutoencoder",
    "sparse_ae": "latentknn>SparseAutoencoder",
    "dropout_ae": "latentknn>DropoutAutoencoder",
    "vae": "latentknn>VariationalAutoencoder",
    "vqvae": "latentknn>VectorQuantizedAutoencoder",
    "adversarial_ae": "latentknn>AdversarialAutoencoder",
    "gan": "latentknn>GenerativeAdversarialNetwork",
    "wgan_gp": "latentknn>WassersteinGAN",
    "self_supervised": "latentknn>SelfSupervisedEncoder",
    "triplet": "latentknn>TripletEncoder",
    "finetuned": "latentknn>FinetunedEncoder",
    "conditional_ae": "latentknn>ConditionalAutoencoder",
    "metric": "latentknn>MetricEncoder",
}
"""The name by which Keras finds the class of a model in a file."""


def contents(path):
    """Return the configuration of a file, and its arrays by name."""
    arrays = {}

    def note(name, entry):
        if isinstance(entry, h5py.Dataset):
            arrays[name] = (entry.dtype, entry.shape, entry[()].tobytes())

    with zipfile.ZipFile(path) as archive:
        with archive.open("model.weights.h5") as file, h5py.File(file) as weights:
            weights.visititems(note)
        return json.loads(archive.read("config.json")), arrays


@pytest.mark.parametrize("name", ["stacked_ae", "metric"])
def test_a_file_of_an_earlier_version_gives_its_codes(name, tmp_path):
    model = models.load(FILES / f"{name}.keras")
    assert type(model) is models.MODELS[name].load_class()
    with np.load(FILES / f"{name}.npz") as stored:
        np.testing.assert_allclose(model.encode(stored["images"]), stored["codes"], rtol=1e-4, atol=1e-5)

    model.save(tmp_path / "again.keras")
    (config, arrays), (old_config, old_arrays) = map(
        contents, (tmp_path / "again.keras", FILES / f"{name}.keras")
    )
    assert arrays == old_arrays
    assert config["config"] == old_config["config"]
    assert config["registered_name"] == old_config["registered_name"]


def test_files_name_every_class_as_they_always_did():
    names = {
        name: keras.saving.get_registered_name(entry.load_class()) for name, entry in models.MODELS.items()
    }
    assert names == REGISTERED_NAMES
