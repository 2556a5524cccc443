"""An encoder that another model has trained without labels, trained on with labels."""

from collections.abc import Iterable, Mapping
from dataclasses import replace
from os import PathLike
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from latentknn.models.backend import keras, tf
from latentknn.models.base.fit_options import FitOptions
from latentknn.models.base.image_encoder import ImageEncoder
from latentknn.models.base.inputs import (
    class_numbers,
    prepare_validation,
    split_validation,
    training_data,
)
from latentknn.models.images import check_input_shape
from latentknn.models.layers.precision import layers_computing_in
from latentknn.models.layers.seeding import seeded_layers
from latentknn.models.registry import MODELS
from latentknn.models.supervised.supervised_encoder import SupervisedEncoder
from latentknn.stratifying import choose_evenly

AUTOENCODERS = (
    "stacked_ae",
    "deep_ae",
    "simple_ae",
    "conv_ae",
    "pool_ae",
    "denoising_ae",
    "sparse_ae",
    "dropout_ae",
)
"""The autoencoders whose encoder can be fine-tuned."""

PRETRAINED = (*AUTOENCODERS, "self_supervised")
"""The models whose encoder can be fine-tuned: those of phase 1."""


@keras.saving.register_keras_serializable(package="latentknn")
class FinetunedEncoder(SupervisedEncoder):
    """Phase 1 trains a model without labels on all images; phase 2 trains its encoder on with few labels.

    ``fit`` does both. Phase 2 begins with a copy of the encoder's weights, adds a dense layer and a layer of
    logits, and trains on the labelled images: those whose label is not -1, and no more of them than
    ``labels``. ``epochs``, ``callbacks`` and the history are those of phase 2; the losses of phase 1 are in
    the history as ``pretraining_loss``.

    Parameters
    ----------
    input_shape : iterable of int
        Height, width and channels of the images.
    num_classes : int
        Number of classes.
    autoencoder : str
        Name of the model of phase 1, one of ``PRETRAINED``: an autoencoder, or ``"self_supervised"``.
    autoencoder_options : mapping or None
        Arguments of that model, such as ``latent_dim``; what it does with codes outside its encoder, as its
        ``whitening``, is left out.
    pretraining_epochs : int
        Epochs of phase 1; 0: none, phase 2 begins with the weights that are there.
    labels : int or None
        Most labelled images to train phase 2 on, drawn by ``seed`` with the same share of every class; None:
        all of them.
    frozen : bool
        Whether phase 2 leaves the encoder as it is and trains only what was added.
    hidden_units : iterable of int
        Width of every dense layer between the code and the logits.
    activation : str
        Keras activation of those layers.
    learning_rate : float
        Learning rate of Adam in phase 2.
    seed : int
        Seed of everything random.
    **kwargs
        ``name``, ``trainable`` and ``dtype`` of ``keras.Model``.

    Raises
    ------
    ValueError
        If the model of phase 1 is unknown.

    References
    ----------
    A. Géron, "Hands-On Machine Learning with Scikit-Learn, Keras, and TensorFlow", chapter 17.

    Examples
    --------
    >>> import numpy as np
    >>> from latentknn.models import FinetunedEncoder
    >>> model = FinetunedEncoder(
    ...     input_shape=(8, 8, 1),
    ...     autoencoder_options={"latent_dim": 6, "hidden_units": [16]},
    ...     hidden_units=(8,),
    ... )
    >>> model.encode(np.zeros((2, 8, 8), np.uint8)).shape
    (2, 6)
    """

    registry_name = "finetuned"
    default_batch_size = 32

    def __init__(
        self,
        *,
        input_shape: Iterable[int] = (28, 28, 1),
        num_classes: int = 10,
        autoencoder: str = "stacked_ae",
        autoencoder_options: Mapping[str, Any] | None = None,
        pretraining_epochs: int = 10,
        labels: int | None = None,
        frozen: bool = False,
        hidden_units: Iterable[int] = (100,),
        activation: str = "selu",
        learning_rate: float = 1e-3,
        seed: int = 0,
        **kwargs: Any,
    ) -> None:
        # Layers
        input_shape = check_input_shape(input_shape)
        hidden_units = tuple(hidden_units)
        autoencoder_options = dict(autoencoder_options or {})
        if autoencoder not in PRETRAINED:
            raise ValueError(f"received autoencoder {autoencoder!r}, expected one of {', '.join(PRETRAINED)}")
        untrained = _make_autoencoder(
            autoencoder, input_shape, seed, kwargs.get("dtype"), autoencoder_options
        )
        encoder = untrained.encoder
        encoder.trainable = not frozen
        with seeded_layers(seed), layers_computing_in(kwargs.get("dtype")):
            head = keras.Sequential([keras.Input((untrained.latent_dim,))], name="head")
            for units in hidden_units:
                head.add(keras.layers.Dense(units, activation=activation))
            head.add(keras.layers.Dense(num_classes, dtype="float32"))

        # Model
        super().__init__(
            encoder=encoder,
            head=head,
            num_classes=num_classes,
            input_shape=input_shape,
            latent_dim=untrained.latent_dim,
            learning_rate=learning_rate,
            seed=seed,
            **kwargs,
        )

        # Config
        self.autoencoder = autoencoder
        self.autoencoder_options = autoencoder_options
        self.pretraining_epochs = pretraining_epochs
        self.labels = labels
        self.frozen = frozen
        self.hidden_units = hidden_units
        self.activation = activation
        self.finish_classifier()

    def fit(
        self,
        x: Any,
        y: ArrayLike | None = None,
        batch_size: int | None = None,
        epochs: int = 1,
        verbose: str | int = "auto",
        callbacks: Iterable[Any] | None = None,
        validation_data: Any = None,
        checkpoint_dir: str | PathLike[str] | None = None,
        resume: bool = False,
        *,
        validation_split: float = 0.0,
        shuffle: bool = True,
        class_weight: Mapping[int, float] | None = None,
        sample_weight: ArrayLike | None = None,
        initial_epoch: int = 0,
        steps_per_epoch: int | None = None,
    ) -> Any:
        """Train both phases, with the conventions of Keras; a model that is trained goes on with phase 2.

        Parameters
        ----------
        x, y, batch_size, epochs, verbose, callbacks, validation_data, checkpoint_dir, resume, **options
            As ``ImageEncoder.fit`` takes them; an image whose label is -1 takes part in phase 1 only. A
            dataset has labels for all its images, and ``labels`` must be None. Phase 1 heeds ``shuffle`` and
            ``sample_weight``, and leaves out what ``validation_split`` splits off; the other options are
            those of phase 2.

        Returns
        -------
        keras.callbacks.History
            Losses and metrics of every epoch of phase 2, and ``pretraining_loss`` if there was a phase 1.

        Raises
        ------
        ValueError, FileExistsError
            As ``ImageEncoder.fit``, or if no image is labelled.
        """
        options = FitOptions(
            validation_split=validation_split,
            shuffle=shuffle,
            class_weight=class_weight,
            initial_epoch=initial_epoch,
            steps_per_epoch=steps_per_epoch,
        )
        if y is not None and np.ndim(y) == 2:
            y = class_numbers(y, len(np.asarray(x)))
        if validation_split > 0 and validation_data is None:
            (x, y, sample_weight), last = split_validation(x, y, sample_weight, validation_split)
            validation_data = self._labelled_part(*last)
        images, labels, weights = self._labelled(x, y, sample_weight)
        # Wrong arguments are refused before phase 1 begins.
        options.check_resumed(resume)
        training_data(self, images, labels, batch_size, replace(options, sample_weight=weights))
        prepare_validation(self, validation_data)
        pretraining = self._pretrain(
            x, batch_size, verbose, checkpoint_dir, resume, shuffle=shuffle, sample_weight=sample_weight
        )
        history = super().fit(
            images,
            labels,
            batch_size=batch_size,
            epochs=epochs,
            verbose=verbose,
            callbacks=callbacks,
            validation_data=validation_data,
            checkpoint_dir=checkpoint_dir,
            resume=resume,
            shuffle=shuffle,
            class_weight=class_weight,
            sample_weight=weights,
            initial_epoch=initial_epoch,
            steps_per_epoch=steps_per_epoch,
        )
        history.history.update(pretraining)
        return history

    def copy_encoder(self, autoencoder: ImageEncoder) -> None:
        """Take over the weights of the encoder of a trained model of phase 1, in place of phase 1.

        Parameters
        ----------
        autoencoder : ImageEncoder
            A model of the same architecture as ``autoencoder`` and ``autoencoder_options`` say.

        Raises
        ------
        ValueError
            If its encoder has weights of other shapes.
        """
        weights = autoencoder.encoder.get_weights()
        shapes = [weight.shape for weight in weights]
        expected = [weight.shape for weight in self.encoder.get_weights()]
        if shapes != expected:
            raise ValueError(f"received an encoder with weights of shapes {shapes}, expected {expected}")
        self.encoder.set_weights(weights)

    def _labelled_part(self, images: Any, labels: Any, weights: Any) -> tuple[Any, ...]:
        """Return those images that have labels, as ``validation_data`` takes them."""
        rows = slice(None) if labels is None else np.flatnonzero(labels != -1)
        parts = (each if each is None else each[rows] for each in (images, labels, weights))
        return tuple(parts)

    def _pretrain(
        self,
        x: Any,
        batch_size: int | None,
        verbose: str | int,
        checkpoint_dir: str | PathLike[str] | None,
        resume: bool,
        **options: Any,
    ) -> dict[str, list[float]]:
        if self.pretraining_epochs == 0 or int(self.optimizer.iterations) > 0:
            return {}
        autoencoder = _make_autoencoder(
            self.autoencoder, self.input_shape, self.seed, self.dtype_policy, self.autoencoder_options
        )
        history = autoencoder.fit(
            x,
            batch_size=batch_size,
            epochs=self.pretraining_epochs,
            verbose=verbose,
            checkpoint_dir=None if checkpoint_dir is None else Path(checkpoint_dir) / "pretraining",
            resume=resume,
            **options,
        )
        self.copy_encoder(autoencoder)
        return {"pretraining_loss": history.history["loss"]}

    def _labelled(self, x: Any, y: Any, weights: Any) -> tuple[Any, Any, Any]:
        """Return the images of phase 2, their labels and their weights."""
        if isinstance(x, tf.data.Dataset | keras.utils.PyDataset):
            if self.labels is not None:
                raise ValueError("labels cannot be drawn from a dataset: pass arrays, or labels=None")
            return (x, y, weights)
        if y is None:
            return (x, y, weights)
        images, labels = np.asarray(x), np.asarray(y)
        weights = None if weights is None else np.asarray(weights)
        same_length = labels.shape == (len(images),) and (weights is None or len(weights) == len(images))
        if not same_length or len(images) == 0:
            return (images, labels, weights)
        rows = np.flatnonzero(labels != -1)
        if len(rows) == 0:
            raise ValueError("received no labelled image: every label is -1")
        if self.labels is not None:
            rows = rows[choose_evenly(labels[rows], self.labels, self.seed)]
        return (images[rows], labels[rows], None if weights is None else weights[rows])


def _make_autoencoder(name: str, input_shape: Any, seed: int, dtype: Any, options: Mapping[str, Any]) -> Any:
    given = {"input_shape": input_shape, "seed": seed, "dtype": dtype}
    return MODELS[name].load_class()(**{**given, **options})
