"""What can go wrong where shards are searched by other processes."""

from __future__ import annotations

from collections.abc import Sequence


class IncompleteAnswerError(RuntimeError):
    """Not every shard has answered, so that there is no answer: none is given from some of the shards.

    Attributes
    ----------
    shards : tuple of int
        Numbers of the shards that did not answer, or whose answers are not those of the manifest.

    Examples
    --------
    >>> from latentknn.distributed import IncompleteAnswerError
    >>> IncompleteAnswerError("shard 3 has not answered", [3]).shards
    (3,)
    """

    def __init__(self, message: str, shards: Sequence[int] = ()) -> None:
        super().__init__(message)
        self.shards = tuple(shards)

    def __reduce__(self) -> tuple[type[IncompleteAnswerError], tuple[str, tuple[int, ...]]]:
        return type(self), (str(self), self.shards)


class AnswerTimeoutError(IncompleteAnswerError, TimeoutError):
    """Some shards did not answer in the time that the caller gave.

    Examples
    --------
    >>> from latentknn.distributed import AnswerTimeoutError
    >>> error = AnswerTimeoutError("shard 3 has not answered in 5 s", [3])
    >>> isinstance(error, TimeoutError), error.shards
    (True, (3,))
    """


class ClusterLostError(ConnectionError):
    """The head of the Ray cluster does not answer any more.

    Examples
    --------
    >>> from latentknn.distributed import ClusterLostError
    >>> issubclass(ClusterLostError, ConnectionError)
    True
    """


class GenerationError(RuntimeError):
    """A worker was asked for another generation than it serves.

    Examples
    --------
    >>> from latentknn.distributed import GenerationError
    >>> issubclass(GenerationError, RuntimeError)
    True
    """


class UnknownMaskError(LookupError):
    """A worker does not hold a mask of that name, or holds another of the same name.

    Examples
    --------
    >>> import tempfile
    >>> import latentknn as lk
    >>> folder = tempfile.mkdtemp()
    >>> with lk.shards.Writer(folder, dim=2) as writer:
    ...     writer.add([[1.0, 0.0], [1.0, 1.0], [0.0, 2.0]])
    >>> with lk.distributed.start(folder) as index:
    ...     try:
    ...         index.search([[3.0, 4.0]], k=1, allowed="recent")
    ...     except lk.distributed.UnknownMaskError as error:
    ...         print(error)
    there is no mask 'recent' on all shards of generation 1; set it by set_mask()
    """
