"""Keras models that turn images into codes.

``create`` makes one by name, ``load`` brings a saved one back, and ``MODELS`` lists them. TensorFlow is
imported when the first model is, not by this package.

Each room below imports only what stands before it:

- ``backend``, ``images``, ``registry`` and ``errors``, the files of this folder;
- ``layers``: what computes, from single layers to whole networks;
- ``training``: batches, optimizers, schedules and callbacks;
- ``base``: the interface that every model shares, and that of the autoencoders;
- ``autoencoders``, ``generative``, ``self_supervised`` and ``supervised``: the models, of which no family
  knows another.
"""

import os
from os import PathLike
from pathlib import Path
from typing import TYPE_CHECKING, Any

from latentknn.models.errors import UnsupportedOperationError
from latentknn.models.registry import MODELS, OPERATIONS, ModelEntry
from latentknn.public_names import importing, listing

if TYPE_CHECKING:
    from latentknn.models.autoencoders.conv_ae import ConvAutoencoder
    from latentknn.models.autoencoders.pool_ae import PoolAutoencoder
    from latentknn.models.autoencoders.preset_autoencoders import (
        DeepAutoencoder,
        DenoisingAutoencoder,
        DropoutAutoencoder,
        SimpleAutoencoder,
        StackedAutoencoder,
    )
    from latentknn.models.autoencoders.sparse_ae import SparseAutoencoder
    from latentknn.models.base.autoencoder import Autoencoder
    from latentknn.models.base.image_encoder import ImageEncoder
    from latentknn.models.generative.adversarial_ae import AdversarialAutoencoder
    from latentknn.models.generative.gan import GenerativeAdversarialNetwork
    from latentknn.models.generative.vae import VariationalAutoencoder
    from latentknn.models.generative.vqvae import VectorQuantizedAutoencoder
    from latentknn.models.generative.wgan_gp import WassersteinGAN
    from latentknn.models.self_supervised.self_supervised import SelfSupervisedEncoder
    from latentknn.models.supervised.conditional_ae import ConditionalAutoencoder
    from latentknn.models.supervised.finetuned import FinetunedEncoder
    from latentknn.models.supervised.metric import MetricEncoder
    from latentknn.models.supervised.multi_similarity import MultiSimilarityLoss
    from latentknn.models.supervised.triplet import TripletEncoder

__all__ = [
    "MODELS",
    "OPERATIONS",
    "AdversarialAutoencoder",
    "Autoencoder",
    "ConditionalAutoencoder",
    "ConvAutoencoder",
    "DeepAutoencoder",
    "DenoisingAutoencoder",
    "DropoutAutoencoder",
    "FinetunedEncoder",
    "GenerativeAdversarialNetwork",
    "ImageEncoder",
    "MetricEncoder",
    "ModelEntry",
    "MultiSimilarityLoss",
    "PoolAutoencoder",
    "SelfSupervisedEncoder",
    "SimpleAutoencoder",
    "SparseAutoencoder",
    "StackedAutoencoder",
    "TripletEncoder",
    "UnsupportedOperationError",
    "VariationalAutoencoder",
    "VectorQuantizedAutoencoder",
    "WassersteinGAN",
    "create",
    "load",
]


def create(name: str, **options: Any) -> "ImageEncoder":
    """Make an untrained model.

    Parameters
    ----------
    name : str
        One of ``MODELS``.
    **options
        Arguments of the model's class, such as ``latent_dim``, ``input_shape`` and ``seed``.

    Returns
    -------
    ImageEncoder
        The model, compiled and ready for ``fit``.

    Raises
    ------
    ValueError
        If there is no model of that name.
    ModuleNotFoundError
        If TensorFlow is not installed; the message names the extra to install.

    Examples
    --------
    >>> import latentknn as lk
    >>> model = lk.models.create("deep_ae", input_shape=(8, 8, 1), latent_dim=6, hidden_units=(24, 16))
    >>> model.latent_dim
    6
    """
    if name not in MODELS:
        raise ValueError(f"unknown model {name!r}: choose one of {', '.join(MODELS)}")
    return MODELS[name].load_class()(**options)


def load(path: str | PathLike[str]) -> "ImageEncoder":
    """Load a model that ``save`` wrote; its codes are the same to the bit.

    The file is compared with the digests in it before Keras reads it; files of version 0.1 have none, and
    load.

    Parameters
    ----------
    path : path
        The ``.keras`` file.

    Returns
    -------
    ImageEncoder
        The model with its weights and its optimizer.

    Raises
    ------
    FileNotFoundError
        If there is no such file.
    OSError
        If it cannot be read.
    ValueError
        If the file is damaged, claims more than it can hold, or holds something else; it is named.

    Examples
    --------
    >>> import os, tempfile
    >>> import numpy as np
    >>> import latentknn as lk
    >>> model = lk.models.create("simple_ae", input_shape=(8, 8, 1), latent_dim=4, hidden_units=(8,))
    >>> images = np.zeros((2, 8, 8), np.uint8)
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     path = os.path.join(folder, "model.keras")
    ...     model.save(path)
    ...     np.array_equal(lk.models.load(path).encode(images), model.encode(images))
    True
    """
    path = Path(path)
    if not path.is_file():
        raise FileNotFoundError(f"{path} is no file; give the .keras file that a model's save wrote")
    from latentknn.models.backend import keras
    from latentknn.models.base.image_encoder import ImageEncoder
    from latentknn.models.base.model_file import check_model_file

    for entry in MODELS.values():
        entry.load_class()  # Keras finds only classes that are imported.
    try:
        check_model_file(path)
        model = keras.saving.load_model(path)
    except (ValueError, TypeError, KeyError, AttributeError, IndexError) as error:
        raise ValueError(f"{os.fspath(path)!r} is not a readable model file: {error}") from error
    if not isinstance(model, ImageEncoder):
        raise ValueError(f"{path} holds a {type(model).__name__}, which is no model of latentknn")
    return model


# The classes need TensorFlow, and are imported when they are first asked for.
__dir__ = listing(__all__)
__getattr__ = importing(
    __name__,
    {
        "Autoencoder": f"{__name__}.base.autoencoder",
        "ImageEncoder": f"{__name__}.base.image_encoder",
        "MultiSimilarityLoss": f"{__name__}.supervised.multi_similarity",
    }
    | {entry.class_name: f"{__name__}.{entry.module}" for entry in MODELS.values()},
)
