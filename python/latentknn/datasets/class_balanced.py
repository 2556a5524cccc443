"""Batches of some classes and as many items of each, as losses that compare items of a batch want them."""

from __future__ import annotations

import numbers
from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from latentknn.array_likes import as_array
from latentknn.datasets.balancing import plan_batches
from latentknn.datasets.choosing import as_seed, rows_of_classes
from latentknn.labels import as_labels

try:
    import keras
except ImportError as error:
    raise ModuleNotFoundError(
        f'ClassBalancedBatches needs Keras ({error}); install it with: pip install "latentknn[tensorflow]"'
    ) from error


class ClassBalancedBatches(keras.utils.PyDataset):  # type: ignore[misc]  # Keras is untyped
    """Batches of P classes and K items of each, for ``fit`` of Keras models and of `latentknn.models`.

    Losses that compare the items of a batch with each other want several items of a class in it, such as
    `latentknn.models.MultiSimilarityLoss`. In an epoch all classes come equally often, up to one, and so do
    the items of a class. Their order depends on the seed and the number of the epoch alone: on no worker, and
    not on which batch is read first.

    Parameters
    ----------
    items : array-like of shape (n, ...)
        What batches are made of, such as images or paths of files; a memory-mapped array stays one.
    labels : array-like of shape (n,)
        The class of every item: integers, which batches have as they are, or strings, for which they have the
        numbers of `classes`.
    classes_per_batch : int
        Classes of a batch, P.
    items_per_class : int
        Items of each of them, K. A class of fewer items has some of them more than once in a batch.
    classes : array-like of shape (C,), optional
        The classes to learn from, each once; by default all.
    batches : int, optional
        Batches of an epoch; by default as many as have about n items, those of other classes not counted.
    prepare : callable, optional
        Function of a batch of items, which returns what the model is given: it reads files, for instance.
    seed : int
        Seed of the order.
    workers, use_multiprocessing, max_queue_size
        How ``fit`` of Keras reads ahead; see ``keras.utils.PyDataset``. Models of latentknn read by one
        thread.

    Attributes
    ----------
    classes : ndarray of shape (C,)
        The classes to learn from; by default ascending.

    Raises
    ------
    ModuleNotFoundError
        If Keras is not installed; the message names the extra to install.
    TypeError
        If labels are neither integers nor strings.
    ValueError
        If there is not a label for every item, a class has no items or is given twice, or there are fewer
        classes than `classes_per_batch`; or if a number is below 1, or a label beyond 64 bits.

    Notes
    -----
    ``fit`` of Keras changes the order of the batches by Python's ``random`` unless ``shuffle=False``; it is
    random already. Leave its ``steps_per_epoch`` out, so that an epoch of Keras is one of the batches.

    References
    ----------
    A. Hermans, L. Beyer, B. Leibe, "In Defense of the Triplet Loss for Person Re-Identification", 2017.

    Examples
    --------
    >>> import latentknn as lk
    >>> digits = lk.datasets.load("digits")
    >>> x, y = digits.train_images, digits.train_labels
    >>> batches = lk.datasets.ClassBalancedBatches(
    ...     x, y, classes_per_batch=3, items_per_class=4, classes=[1, 4, 7]
    ... )
    >>> images, labels = batches[0]
    >>> images.shape, sorted(labels.tolist()), len(batches)
    ((12, 8, 8), [1, 1, 1, 1, 4, 4, 4, 4, 7, 7, 7, 7], 32)
    """

    _epoch: int
    _plan: tuple[NDArray[np.intp], NDArray[np.intp]]

    def __init__(
        self,
        items: ArrayLike,
        labels: ArrayLike,
        *,
        classes_per_batch: int,
        items_per_class: int,
        classes: ArrayLike | None = None,
        batches: int | None = None,
        prepare: Callable[[NDArray[Any]], Any] | None = None,
        seed: int = 0,
        workers: int = 1,
        use_multiprocessing: bool = False,
        max_queue_size: int = 10,
    ) -> None:
        super().__init__(workers, use_multiprocessing, max_queue_size)
        self._items = as_array(items, "items")
        self.classes_per_batch = _positive(classes_per_batch, "classes_per_batch")
        self.items_per_class = _positive(items_per_class, "items_per_class")
        self.prepare = prepare
        self.seed = as_seed(seed)
        if self._items.ndim == 0:
            raise ValueError("items must have a first axis, an item each; received a single one")
        known = as_labels(labels, len(self._items))
        if known.dtype.kind not in "biuU":
            raise TypeError(f"labels must be integers or strings, received dtype {known.dtype}")
        by_class = rows_of_classes(known, classes)
        self.classes = np.array([name for name, _ in by_class], known.dtype)
        self._rows = [rows for _, rows in by_class]
        if len(self.classes) < self.classes_per_batch:
            raise ValueError(
                f"received items of {len(self.classes)} classes, fewer than classes_per_batch="
                f"{self.classes_per_batch}"
            )
        self._targets = _targets(self.classes)
        size = self.classes_per_batch * self.items_per_class
        self._batches = (
            max(1, sum(map(len, self._rows)) // size) if batches is None else _positive(batches, "batches")
        )
        self._within_epoch = False
        self.epoch = 0

    @property
    def epoch(self) -> int:
        """Number of the epoch whose batches are given, from 0; a training that goes on later sets it.

        Keras counts it up after each epoch, and perhaps once where it looks at a batch before it trains; the
        same program gets the same batches.
        """
        return self._epoch

    @epoch.setter
    def epoch(self, epoch: int) -> None:
        if not isinstance(epoch, numbers.Integral) or isinstance(epoch, bool) or epoch < 0:
            raise ValueError(f"epoch must be an integer of at least 0, received {epoch!r}")
        self._epoch = int(epoch)
        rng = np.random.default_rng((self.seed, self._epoch))
        self._plan = plan_batches(
            self._rows, self.classes_per_batch, self.items_per_class, self._batches, rng
        )

    def __len__(self) -> int:
        return self._batches

    def __getitem__(self, index: int) -> tuple[Any, NDArray[np.int64]]:
        """Return a batch: items, those of a class together, and the class of each."""
        classes, rows = self._plan
        items = self._items[rows[index].ravel()]
        labels = np.repeat(self._targets[classes[index]], self.items_per_class)
        return (items if self.prepare is None else self.prepare(items)), labels

    def on_epoch_begin(self) -> None:
        """Note that batches of the epoch are read."""
        self._within_epoch = True

    def on_epoch_end(self) -> None:
        """Go on to the next epoch, if this one has begun."""
        # Keras also ends epochs that have not.
        if self._within_epoch:
            self._within_epoch = False
            self.epoch += 1


def _targets(classes: NDArray[Any]) -> NDArray[np.int64]:
    """Return what batches have as labels of the classes, which Keras wants to be numbers."""
    if classes.dtype.kind == "U":
        return np.arange(len(classes), dtype=np.int64)
    if classes.dtype.kind == "u" and int(classes.max()) > np.iinfo(np.int64).max:
        raise ValueError(f"labels must fit int64, received {int(classes.max())}")
    return classes.astype(np.int64)


def _positive(value: int, name: str) -> int:
    if not isinstance(value, numbers.Integral) or isinstance(value, bool) or value < 1:
        raise ValueError(f"{name} must be an integer of at least 1, received {value!r}")
    return int(value)
