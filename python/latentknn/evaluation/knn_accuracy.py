"""A Keras callback that logs the accuracy of the codes after every epoch."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from latentknn.classification.neighbours import find_neighbours
from latentknn.classification.vote import Vote
from latentknn.encoders import Encoder, as_encoder
from latentknn.encoders.frameworks import layer_output
from latentknn.index import CosineIndex
from latentknn.models.backend import keras


class KNNAccuracy(keras.callbacks.Callback):  # type: ignore[misc]
    """Classify validation codes by the nearest database codes after every epoch, exactly.

    The callback works in the ``fit`` of any Keras model. The encoder encodes both sets of images as it is at
    the end of the epoch, the codes of the database go into an index that nothing else uses, and the share of
    correct validation images is added to the logs. Put this callback before those that read the metric, such
    as ``EarlyStopping`` and ``TensorBoard``; the history and the progress bar have it in any case.

    Parameters
    ----------
    images : array_like or list, with N items
        The database's images, or what else the encoder takes: usually the training images or a part of them.
    labels : array_like, shape (N,)
        Classes of the images, integers or strings; integers if the codes depend on the class.
    validation_images, validation_labels : array_like
        Images to classify, and their classes.
    encoder : str or what ``latentknn.encoders.as_encoder`` takes, optional
        What makes the codes: by default the model in training itself; a string is the name of one of its
        layers, whose output is the code. Anything else is made an encoder by ``as_encoder``, such as a
        function of a batch that uses a part of the model.
    vote : Vote, optional
        The vote; by default the nearest neighbour alone decides.
    threads : int, optional
        Threads of the search; by default every processor that the process may use.
    name : str
        Name of the metric in the logs.

    Raises
    ------
    ValueError
        If there are not as many labels as images, no validation images, or fewer images than the vote needs.
        When a training begins: if the model has no layer of that name, if the encoder does not take such
        images or, where it uses them, such labels, or if it encodes under every class and a class that has
        images has fewer than the vote needs.
    TypeError
        If `encoder` is nothing that ``as_encoder`` takes.

    Examples
    --------
    >>> import keras
    >>> from latentknn.datasets import load
    >>> from latentknn.evaluation import KNNAccuracy
    >>> from latentknn.models import create
    >>> digits = load("digits")
    >>> images, labels = digits.train_images[:1000], digits.train_labels[:1000]
    >>> validation = digits.train_images[1000:], digits.train_labels[1000:]
    >>> accuracy = KNNAccuracy(images, labels, *validation)
    >>> stopping = keras.callbacks.EarlyStopping("val_knn_accuracy", mode="max", patience=3)
    >>> model = create("simple_ae", input_shape=digits.image_shape, latent_dim=4, hidden_units=(8,))
    >>> history = model.fit(images, epochs=2, verbose=0, callbacks=[accuracy, stopping]).history
    >>> len(history["val_knn_accuracy"])
    2

    A classifier of Keras's own, whose codes are what its layer "features" computes:

    >>> layers = [
    ...     keras.Input((8, 8)),
    ...     keras.layers.Flatten(),
    ...     keras.layers.Dense(16, name="features"),
    ...     keras.layers.Dense(10, activation="softmax"),
    ... ]
    >>> classifier = keras.Sequential(layers)
    >>> classifier.compile("adam", "sparse_categorical_crossentropy")
    >>> accuracy = KNNAccuracy(images, labels, *validation, encoder="features")
    >>> history = classifier.fit(images, labels, epochs=1, verbose=0, callbacks=[accuracy]).history
    >>> len(history["val_knn_accuracy"])
    1
    """

    def __init__(
        self,
        images: ArrayLike,
        labels: ArrayLike,
        validation_images: ArrayLike,
        validation_labels: ArrayLike,
        *,
        encoder: Any = None,
        vote: Vote | None = None,
        threads: int | None = None,
        name: str = "val_knn_accuracy",
    ) -> None:
        super().__init__()
        self.images, self.labels = _check(images, labels)
        self.validation_images, self.validation_labels = _check(validation_images, validation_labels)
        self.encoder = encoder
        self.vote = vote or Vote(1)
        self.threads = threads
        self.name = name
        if len(self.validation_labels) == 0 or len(self.labels) < self.vote.k:
            raise ValueError(
                f"received {len(self.labels)} images and {len(self.validation_labels)} validation images, "
                f"expected at least {self.vote.k} and 1"
            )
        self._classes, self._class_numbers = np.unique(self.labels, return_inverse=True)
        # The model in training is not known yet.
        self._made = None if encoder is None or isinstance(encoder, str) else as_encoder(encoder)

    def on_train_begin(self, logs: dict[str, Any] | None = None) -> None:
        """Refuse what cannot be encoded, and classes too small for encodings under every class."""
        encoder = self._make_encoder()
        encoder.check_labelled(self.images, self.labels)
        encoder.check_queries(self.validation_images)
        query = encoder.encode_queries(self.validation_images[:1])
        smallest = int(np.bincount(self._class_numbers).min())
        if query.ndim == 3 and smallest < self.vote.k:
            raise ValueError(
                f"received {smallest} images of one of the classes; a model that encodes under every class "
                f"needs at least {self.vote.k} of each class that has images, for a vote of {self.vote.k}"
            )

    def on_epoch_end(self, epoch: int, logs: dict[str, Any] | None = None) -> None:
        """Add the accuracy to the logs; it is 0 if any code is not finite."""
        if logs is not None:
            logs[self.name] = self.evaluate()

    def evaluate(self) -> float:
        """Return the accuracy of the encoder in its present state, from 0 to 1."""
        encoder = self._make_encoder()
        codes = encoder.encode_labelled(self.images, self.labels)
        queries = encoder.encode_queries(self.validation_images)
        # The encoder encodes under every class that it knows, and some of them may have no images.
        if queries.ndim == 3:
            queries = queries[self._classes]
        if not (np.isfinite(codes).all() and np.isfinite(queries).all()):
            return 0.0
        index = CosineIndex.from_codes(codes, self._class_numbers, threads=self.threads)
        neighbours = find_neighbours(index, queries, self.vote.k, len(self._classes))
        predictions = self._classes[neighbours.predict(self.vote)]
        return float(np.mean(predictions == self.validation_labels))

    def _make_encoder(self) -> Encoder:
        if self._made is not None:
            return self._made
        return as_encoder(self.model if self.encoder is None else layer_output(self.model, str(self.encoder)))


def _check(images: ArrayLike, labels: ArrayLike) -> tuple[NDArray[Any], NDArray[Any]]:
    images, labels = np.asarray(images), np.asarray(labels)
    if labels.shape != images.shape[:1]:
        raise ValueError(f"received {len(images)} images and labels of shape {labels.shape}")
    return images, labels
