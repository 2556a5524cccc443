"""Codes of the zoo's trained models, normalised: what good encoders give, a narrow bundle for each class.

The models are those that `zoo.measure` has trained and kept in the user's cache folder. Their codes are kept
beside them, because models that look at an image several times take minutes to encode all.
"""

from pathlib import Path

from benchmarks.harness.arrays import Codes, normalised
from benchmarks.harness.processes import in_fresh_process
from benchmarks.speed.data.codes import keep_codes, kept_codes
from benchmarks.zoo.measure import model_file
from benchmarks.zoo.recipes import recipes_on
from latentknn import datasets

DATA = "fashion_mnist"


def zoo_codes(key: str, rows: int, queries: int, dim: int) -> tuple[Codes, Codes]:
    """Return Fashion-MNIST as the model of a recipe encodes it: training images, then test images.

    Raises FileNotFoundError where the model was not trained on this machine.
    """
    (recipe,) = (recipe for recipe in recipes_on(DATA) if recipe.key == key)
    model = model_file(recipe, DATA)
    if not model.is_file():
        raise FileNotFoundError(f"{model} is not there; python -m benchmarks.zoo.measure trains it")
    kept = model.with_suffix(".npz")
    if not kept.is_file():
        # TensorFlow's threads and memory end with the process.
        in_fresh_process(_encode_and_keep, model, kept)
    train, test = kept_codes(kept)
    if train.shape[1] != dim:
        raise ValueError(f"codes of {key} have {train.shape[1]} dimensions, received {dim}")
    return normalised(train[:rows]), normalised(test[:queries])


def _encode_and_keep(model: Path, kept: Path) -> None:
    from latentknn import models

    images, network = datasets.load(DATA), models.load(model)
    train, test = network.encode(images.train_images), network.encode(images.test_images)
    keep_codes(kept, train, test)
