"""The protocol of encoders."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from os import PathLike
from typing import Any, Protocol, runtime_checkable

from numpy.typing import ArrayLike, NDArray

from latentknn.progress import ProgressLike


@runtime_checkable
class Encoder(Protocol):
    """What turns items into codes.

    A subclass must implement ``encode`` alone; each other method then follows from it. An encoder whose codes
    depend on the class, as those of a conditional model do, also implements ``encode_labelled`` and
    ``encode_queries``. The models of ``latentknn.models`` are encoders, and ``as_encoder`` makes one of
    whatever else there is.

    Items are any array or list that the encoder takes: images, texts, rows of numbers. A method whose
    parameters include ``progress`` is told whom to tell of its progress, a function of two numbers.

    Examples
    --------
    >>> import numpy as np
    >>> from latentknn.encoders import Encoder
    >>> class RowMeans(Encoder):
    ...     def encode(self, x):
    ...         return np.mean(x, axis=2)
    >>> RowMeans().encode_queries(np.ones((2, 3, 3))).shape
    (2, 3)
    """

    def encode(self, x: Any) -> NDArray[Any]:
        """Turn N items into codes, an array of real numbers of shape (N, d)."""
        raise NotImplementedError(f"{type(self).__name__} must implement encode")

    def encode_labelled(self, x: Any, labels: ArrayLike) -> NDArray[Any]:
        """Turn N items whose classes are known into codes for a database, shape (N, d)."""
        return self.encode(x)

    def encode_queries(self, x: Any) -> NDArray[Any]:
        """Turn N items of unknown class into what is searched for among the codes of ``encode_labelled``.

        Returns
        -------
        ndarray of shape (N, d), or (C, N, d)
            The codes; an array of three dimensions holds those under each of the C classes that the encoder
            knows, which are numbered from 0.
        """
        return self.encode(x)

    def check_labelled(self, x: Any, labels: ArrayLike) -> None:
        """Raise what ``encode_labelled`` would raise for these items, as far as it is cheap to tell.

        By default the first item is encoded.
        """
        self.encode_labelled(x[:1], labels[:1])  # type: ignore[index]

    def check_queries(self, x: Any) -> None:
        """Raise what ``encode_queries`` would raise for these items, as far as it is cheap to tell.

        By default the first item is encoded.
        """
        self.encode_queries(x[:1])


@runtime_checkable
class TrainableEncoder(Encoder, Protocol):
    """An encoder that ``run_experiment`` can train, as it can the models of ``latentknn.models``.

    Examples
    --------
    >>> from latentknn.encoders import TrainableEncoder, as_encoder
    >>> isinstance(as_encoder(lambda batch: batch), TrainableEncoder)
    False
    """

    default_batch_size: int
    """Items of a training batch where the caller names no number."""

    capabilities: frozenset[str]
    """The operations that it has, of ``latentknn.models.OPERATIONS``."""

    def fit(
        self,
        x: Any,
        y: ArrayLike | None = None,
        batch_size: int | None = None,
        epochs: int = 1,
        verbose: str | int = "auto",
        callbacks: Any = None,
        validation_data: Any = None,
        checkpoint_dir: str | PathLike[str] | None = None,
        resume: bool = False,
    ) -> Any:
        """Train on items and labels; see ``latentknn.models.ImageEncoder.fit``."""

    def count_params(self) -> int:
        """Return the number of parameters, for reports."""

    def get_config(self) -> dict[str, Any]:
        """Return the settings as JSON values, for reports."""

    def save(self, filepath: str | PathLike[str], overwrite: bool = True) -> None:
        """Write the model to a file; see ``latentknn.models.ImageEncoder.save``."""


def name_of(encoder: Encoder) -> str:
    """Return the name of an encoder for reports: its ``registry_name``, otherwise the name of its class.

    Examples
    --------
    >>> from latentknn.encoders import as_encoder, name_of
    >>> name_of(as_encoder(lambda batch: batch))
    'function'
    """
    return str(getattr(encoder, "registry_name", type(encoder).__name__))


def operations_of(encoder: Encoder) -> frozenset[str]:
    """Return which of ``latentknn.models.OPERATIONS`` an encoder has; every one has ``encode``.

    Examples
    --------
    >>> from latentknn.encoders import as_encoder, operations_of
    >>> sorted(operations_of(as_encoder(lambda batch: batch)))
    ['encode']
    """
    return frozenset(getattr(encoder, "capabilities", ("encode",)))


def encode_by(method: Callable[..., NDArray[Any]], *arguments: Any, progress: ProgressLike) -> NDArray[Any]:
    """Call a method of an encoder, and tell it whom to tell of its progress if it takes that.

    Parameters
    ----------
    method : callable
        Such as the ``encode`` of an encoder, or its ``decode``.
    *arguments
        What it is called with.
    progress : bool, callable or None
        The argument ``progress`` of the method, if it has one.

    Returns
    -------
    ndarray
        What the method returns.

    Examples
    --------
    >>> from latentknn.encoders import encode_by
    >>> encode_by(lambda items: [2 * item for item in items], [1, 2], progress=True)
    [2, 4]
    """
    if "progress" in inspect.signature(method).parameters:
        return method(*arguments, progress=progress)
    return method(*arguments)
