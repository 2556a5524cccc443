"""The interface of every model: images become codes."""

from collections.abc import Iterable
from os import PathLike
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from latentknn.atomic_file import atomic_file
from latentknn.models.backend import keras, tf
from latentknn.models.base.exported import ExportedModel
from latentknn.models.base.image_model import ImageModel
from latentknn.models.base.in_batches import compute_in_batches
from latentknn.models.base.model_file import add_digests
from latentknn.models.errors import UnsupportedOperationError
from latentknn.models.images import prepare_images
from latentknn.models.layers.scaling import scale_pixels
from latentknn.models.registry import OPERATIONS
from latentknn.models.training.prepared import prepare_dataset
from latentknn.models.training.sequences import as_dataset
from latentknn.progress import ProgressLike, Tell, progress_of


class ImageEncoder(ImageModel):
    """A Keras model that turns images into codes.

    It is compiled when it is created, so ``fit`` works at once; ``compile`` may be called again with another
    optimizer or loss. Images go in as they are, integers from 0 to 255 or floats from 0 to 1: scaling is
    part of the model.

    A subclass keeps every argument of its constructor as an attribute of the same name, from which
    ``get_config`` follows, and calls ``finish`` at the constructor's end. It implements ``call``,
    ``encode_scaled`` and ``loss_parts``, and those operations that it has of ``decode``, ``reconstruct``,
    ``generate`` and ``encode_per_class``.

    Parameters
    ----------
    input_shape : tuple of int
        Height, width and channels of the images.
    latent_dim : int
        Length of a code.
    learning_rate : float
        Learning rate of the optimizer.
    seed : int
        Seed of initial weights, of dropout and other noise, and of the order of training batches. Two
        trainings with the same seed on the same machine give the same weights; on a GPU, if
        ``tf.config.experimental.enable_op_determinism()`` was called first.
    **kwargs
        ``name``, ``trainable`` and ``dtype`` of ``keras.Model``. With ``"mixed_float16"`` or
        ``"mixed_bfloat16"``, for hardware that is faster at them, layers compute in float16 or bfloat16;
        weights, codes, images and losses are of float32 all the same.

    Examples
    --------
    >>> from latentknn.datasets import load
    >>> from latentknn.models import ImageEncoder, create
    >>> digits = load("digits")
    >>> model = create("simple_ae", input_shape=digits.image_shape, latent_dim=4, hidden_units=(8,))
    >>> history = model.fit(digits.train_images, epochs=1, verbose=0).history
    >>> isinstance(model, ImageEncoder), model.encode(digits.test_images).shape
    (True, (500, 4))
    """

    def __init__(
        self,
        *,
        input_shape: Iterable[int],
        latent_dim: int,
        learning_rate: float,
        seed: int,
        **kwargs: Any,
    ) -> None:
        super().__init__(input_shape=input_shape, learning_rate=learning_rate, seed=seed, **kwargs)
        self.latent_dim = int(latent_dim)
        # One trace serves every batch size, so that codes do not depend on what was encoded before.
        self._encode_batch = tf.function(
            self.encode_scaled, input_signature=[tf.TensorSpec((None, *self.input_shape), tf.float32)]
        )

    @property
    def capabilities(self) -> frozenset[str]:
        """The operations that this model has, of ``latentknn.models.OPERATIONS``."""
        return frozenset(
            operation
            for operation in OPERATIONS
            if operation == "encode" or getattr(type(self), operation) is not getattr(ImageEncoder, operation)
        )

    # Codes and images

    def encode(self, x: Any, batch_size: int = 256, *, progress: ProgressLike = False) -> NDArray[np.float32]:
        """Turn images into codes, deterministically: no dropout, no noise, fixed statistics.

        Parameters
        ----------
        x : array_like, shape (N, H, W, C), or (N, H, W) where C is 1, or tf.data.Dataset or PyDataset
            Images: integers from 0 to 255, or floats from 0 to 1. Of a dataset's batches, (images, labels)
            too, the images are encoded in the order in which they come.
        batch_size : int
            Images that are computed at once.
        progress : bool or callable
            True shows a bar on the error output, if that is a terminal or a notebook. A function is called
            with the number of encoded images and of all, from (0, N) to (N, N), after every batch; what it
            raises ends the call. Of a dataset the number of all is not known and told as that so far.

        Returns
        -------
        ndarray of float32, shape (N, latent_dim)
            The codes.

        Raises
        ------
        TypeError, ValueError
            If images are no numbers, have a wrong shape, are out of range or contain NaN, or `progress` is no
            function.
        """
        with progress_of(progress, "encode") as tell:
            dataset = as_dataset(x)
            if dataset is not None:
                return self._encode_dataset(dataset, batch_size, tell)
            images = prepare_images(x, self.input_shape)
            return compute_in_batches(
                lambda batch: self._encode_batch(scale_pixels(batch)), images, batch_size, tell
            )

    def _encode_dataset(self, dataset: Any, batch_size: int, tell: Tell) -> NDArray[np.float32]:
        batches, _ = prepare_dataset(dataset, self.input_shape, None)
        codes, done = [np.zeros((0, self.latent_dim), np.float32)], 0
        for images, *_ in batches:
            codes.append(self.encode(images.numpy(), batch_size))
            done += len(codes[-1])
            tell(done, done)
        return np.concatenate(codes)

    def encode_scaled(self, images: Any) -> Any:
        """Turn a tensor of scaled images (N, H, W, C) into a tensor of codes; every model has its own way."""
        raise NotImplementedError(f"{type(self).__name__} must implement encode_scaled")

    def encode_labelled(
        self, x: ArrayLike, labels: ArrayLike, batch_size: int = 256, *, progress: ProgressLike = False
    ) -> NDArray[np.float32]:
        """Turn images whose classes are known into codes for a database.

        Parameters
        ----------
        x : array_like, shape (N, H, W, C), or (N, H, W) where C is 1
            Images, as ``encode`` takes them.
        labels : array_like, shape (N,)
            Class of every image; a conditional model's codes depend on it, those of others do not.
        batch_size : int
            Images that are computed at once.
        progress : bool or callable
            Whom to tell of the encoded images, as of ``encode``.

        Returns
        -------
        ndarray of float32, shape (N, latent_dim)
            The codes.

        Raises
        ------
        TypeError, ValueError
            As ``encode``, or if labels that matter are wrong.
        """
        return self.encode(x, batch_size, progress=progress)

    def check_labelled(self, x: ArrayLike, labels: ArrayLike) -> None:
        """Raise what ``encode_labelled`` would raise for these images and labels, without encoding them."""
        prepare_images(x, self.input_shape)

    def check_queries(self, x: ArrayLike) -> None:
        """Raise what ``encode_queries`` would raise for these images, without encoding them."""
        prepare_images(x, self.input_shape)

    def encode_queries(
        self, x: ArrayLike, batch_size: int = 256, *, progress: ProgressLike = False
    ) -> NDArray[np.float32]:
        """Turn images of unknown class into what is searched for among the codes of ``encode_labelled``.

        Parameters
        ----------
        x : array_like, shape (N, H, W, C), or (N, H, W) where C is 1
            Images, as ``encode`` takes them.
        batch_size : int
            Images that are computed at once.
        progress : bool or callable
            Whom to tell of the encoded images, as of ``encode``.

        Returns
        -------
        ndarray of float32, shape (N, latent_dim), or (num_classes, N, latent_dim)
            The codes; of a conditional model, those under every class.

        Raises
        ------
        TypeError, ValueError
            As ``encode``.
        """
        return self.encode(x, batch_size, progress=progress)

    def encode_per_class(
        self, x: ArrayLike, batch_size: int = 256, *, progress: ProgressLike = False
    ) -> NDArray[np.float32]:
        """Encode every image under every class: (C, N, latent_dim); only for conditional models."""
        raise UnsupportedOperationError(self.registry_name, "encode_per_class")

    def decode(self, codes: ArrayLike, batch_size: int = 256) -> NDArray[np.float32]:
        """Turn codes (N, latent_dim) into images (N, H, W, C), float32 from 0 to 1."""
        raise UnsupportedOperationError(self.registry_name, "decode")

    def reconstruct(self, x: ArrayLike, batch_size: int = 256) -> NDArray[np.float32]:
        """Encode images and decode their codes: (N, H, W, C), float32 from 0 to 1."""
        raise UnsupportedOperationError(self.registry_name, "reconstruct")

    def generate(self, n: int, seed: int = 0) -> NDArray[np.float32]:
        """Make ``n`` new images (n, H, W, C), float32 from 0 to 1."""
        raise UnsupportedOperationError(self.registry_name, "generate")

    # Saving

    def save(self, filepath: str | PathLike[str], overwrite: bool = True) -> None:
        """Save the model, with its optimizer, as a Keras file that holds no pickle.

        ``latentknn.models.load`` brings it back; its codes are then the same to the bit.

        Parameters
        ----------
        filepath : path
            A path that ends in ``.keras``. The file appears whole or not at all, with digests of what it
            holds. A symbolic link is followed: the file that it leads to is replaced.
        overwrite : bool
            Whether to replace a file that is there.

        Raises
        ------
        ValueError
            If the path does not end in ``.keras``.
        FileExistsError
            If the file is there and ``overwrite`` is false.
        OSError
            If the file cannot be written; an older one stays then.
        """
        path = Path(filepath)
        if path.suffix != ".keras":
            raise ValueError(f"cannot save to {path}: a model's path ends in .keras")
        if path.exists() and not overwrite:
            raise FileExistsError(f"{path} is there already; pass overwrite=True to replace it")
        # Keras would warn when it loads an optimizer without variables.
        self.build_optimizers()
        with atomic_file(path, ".keras") as unfinished:
            super().save(unfinished)
            add_digests(unfinished)

    def export(self, filepath: str | PathLike[str], *arguments: Any, **options: Any) -> None:
        """Export what the model computes, to be used without this package.

        An exported model's ``serve`` takes images (N, H, W, C) of float32 from 0 to 1; that of a conditional
        model (images, labels). It returns a dictionary with the ``codes`` that ``encode`` gives, of a
        conditional model those under the labels, beside what else the model's ``call`` returns.

        Parameters
        ----------
        filepath : path
            Folder of a TensorFlow SavedModel, or what else ``format`` asks for.
        *arguments, **options
            ``format``, ``verbose`` and others, as ``keras.Model.export`` takes them.
        """
        specs = self.input_specs()
        exported = ExportedModel(self)
        # Keras exports only a model that has been called.
        exported(keras.tree.map_structure(lambda spec: tf.zeros((1, *spec.shape[1:]), spec.dtype), specs))
        exported.export(filepath, *arguments, **{"input_signature": [specs], **options})

    def serve(self, inputs: Any) -> dict[str, Any]:
        """Return what an exported model returns for what ``call`` takes: its outputs, and the ``codes``."""
        outputs = self(inputs, training=False)
        return {**outputs, "codes": self.encode_scaled(scale_pixels(inputs))}

    def input_specs(self) -> Any:
        """Return shape and type of what ``call`` takes."""
        return tf.TensorSpec((None, *self.input_shape), tf.float32, "images")
