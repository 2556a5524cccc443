"""Arrays, ``tf.data.Dataset`` and ``PyDataset`` objects become the batches that ``fit`` trains on."""

from itertools import count
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from latentknn.models.images import ImageShape
from latentknn.models.training.batches import batches_per_epoch, training_batches
from latentknn.models.training.passes import batches_of_epochs
from latentknn.models.training.prepared import prepare_dataset
from latentknn.models.training.sequences import batches_of


class TrainingData(Protocol):
    """What ``fit`` trains on."""

    batch_size: int | None
    """Images of a batch; None if the data come in batches of their own."""

    steps_per_epoch: int | None
    """Batches of an epoch; None if that is not known before the first has passed."""

    weighted: bool
    """Whether the last part of every batch is the weights of its images."""

    description: str
    """What must be the same where a training is resumed."""

    def batches(self, first_epoch: int, epochs: int) -> Any:
        """Return the batches of the epochs from ``first_epoch`` to ``epochs`` as a ``tf.data.Dataset``."""


class ArrayData:
    """Arrays, shuffled anew for every pass over them.

    Parameters
    ----------
    arrays : tuple of ndarray, each of shape (N, ...)
        Images, or images and labels, and their weights if ``weighted``.
    batch_size : int
        Images of a batch.
    seed : int
        Seed of the order.
    weighted : bool
        Whether the last array holds weights.
    shuffle : bool
        Whether the order is shuffled.
    steps_per_epoch : int or None
        Batches of an epoch; None: as many as a pass over the arrays has.
    """

    def __init__(
        self,
        arrays: tuple[NDArray[Any], ...],
        batch_size: int,
        seed: int,
        *,
        weighted: bool = False,
        shuffle: bool = True,
        steps_per_epoch: int | None = None,
    ) -> None:
        self._arrays = arrays
        self._seed = seed
        self._shuffle = shuffle
        self._per_pass = batches_per_epoch(len(arrays[0]), batch_size)
        self.batch_size: int | None = batch_size
        self.steps_per_epoch: int | None = steps_per_epoch or self._per_pass
        self.weighted = weighted
        self.description = str(arrays[0].shape)

    def batches(self, first_epoch: int, epochs: int) -> Any:
        """Return the batches of the epochs from ``first_epoch`` to ``epochs``, one after the other."""

        def passes(first: int, last: int) -> Any:
            assert self.batch_size is not None
            return training_batches(self._arrays, self.batch_size, self._seed, first, last, self._shuffle)

        assert self.steps_per_epoch is not None
        return batches_of_epochs(passes, self._per_pass, self.steps_per_epoch, first_epoch, epochs)


class DatasetData:
    """A dataset, which gives each epoch what it gives.

    Parameters
    ----------
    dataset : tf.data.Dataset
        Dataset as ``prepare_dataset`` takes it; it may have no end if ``steps_per_epoch`` is given.
    input_shape, num_classes, class_weight
        As ``prepare_dataset`` takes them.
    steps_per_epoch : int or None
        Batches of an epoch, which then goes on where the one before it ended; None: all of them.
    """

    def __init__(
        self,
        dataset: Any,
        input_shape: ImageShape,
        num_classes: int | None,
        class_weight: dict[int, float] | None = None,
        steps_per_epoch: int | None = None,
    ) -> None:
        endless = steps_per_epoch is not None
        self._dataset, self.weighted = prepare_dataset(
            dataset, input_shape, num_classes, class_weight, endless=endless
        )
        cardinality = int(dataset.cardinality())
        self._continued = endless
        self.batch_size: int | None = None
        self.steps_per_epoch = steps_per_epoch or (cardinality if cardinality >= 0 else None)
        self.description = str(dataset.element_spec)

    def batches(self, first_epoch: int, epochs: int) -> Any:
        """Return the batches of one epoch, which Keras takes again for every epoch.

        If the length of an epoch was given, return those of all epochs.
        """
        if not self._continued:
            return self._dataset
        assert self.steps_per_epoch is not None
        return self._dataset.repeat().skip(first_epoch * self.steps_per_epoch)


class SequenceData:
    """A ``keras.utils.PyDataset``, whose batches come in an order of their own in every pass.

    Parameters
    ----------
    sequence : keras.utils.PyDataset
        Batches of images, of (images, labels) or of (images, labels, weights).
    input_shape, num_classes, class_weight
        As ``prepare_dataset`` takes them.
    seed : int
        Seed of the order.
    shuffle : bool
        Whether the order of the batches is shuffled, as Keras does.
    steps_per_epoch : int or None
        Batches of an epoch; None: as many as there are.

    Raises
    ------
    ValueError
        If there is no end and no length of an epoch.
    """

    def __init__(
        self,
        sequence: Any,
        input_shape: ImageShape,
        num_classes: int | None,
        class_weight: dict[int, float] | None,
        *,
        seed: int,
        shuffle: bool,
        steps_per_epoch: int | None,
    ) -> None:
        self._per_pass = sequence.num_batches
        if self._per_pass is None and steps_per_epoch is None:
            raise ValueError(
                "received a PyDataset without an end; give an epoch its length by steps_per_epoch"
            )
        if self._per_pass == 0:
            raise ValueError("received a PyDataset without batches")
        self._sequence = sequence
        self._preparation = (input_shape, num_classes, class_weight)
        self._seed = seed
        self._shuffle = shuffle
        self.batch_size: int | None = None
        self.steps_per_epoch: int | None = steps_per_epoch or self._per_pass
        # A pass of no batches tells whether batches are as they must be.
        _, self.weighted = prepare_dataset(batches_of(sequence, list), *self._preparation)
        self.description = str(batches_of(sequence, list).element_spec)

    def batches(self, first_epoch: int, epochs: int) -> Any:
        """Return the batches of the epochs from ``first_epoch`` to ``epochs``, one after the other."""
        assert self.steps_per_epoch is not None
        if self._per_pass is None:
            first = first_epoch * self.steps_per_epoch
            return self._prepared(batches_of(self._sequence, lambda: [count(first)]))
        return batches_of_epochs(
            lambda first, last: self._prepared(
                batches_of(self._sequence, lambda: map(self._order, range(first, last)))
            ),
            self._per_pass,
            self.steps_per_epoch,
            first_epoch,
            epochs,
        )

    def _prepared(self, batches: Any) -> Any:
        return prepare_dataset(batches, *self._preparation)[0]

    def _order(self, number: int) -> NDArray[np.intp]:
        order = np.arange(self._per_pass)
        return (
            np.random.default_rng((self._seed % 2**32, number)).permutation(order) if self._shuffle else order
        )
