"""What can go wrong where shards are searched by other processes."""

from __future__ import annotations

from collections.abc import Sequence


class IncompleteAnswerError(RuntimeError):
    """Not every shard has answered, so that there is no answer: none is given from some of the shards.

    Attributes
    ----------
    shards : tuple of int
        Numbers of the shards that did not answer, or whose answers are not those of the manifest.
    """

    def __init__(self, message: str, shards: Sequence[int] = ()) -> None:
        super().__init__(message)
        self.shards = tuple(shards)

    def __reduce__(self) -> tuple[type[IncompleteAnswerError], tuple[str, tuple[int, ...]]]:
        return type(self), (str(self), self.shards)


class AnswerTimeoutError(IncompleteAnswerError, TimeoutError):
    """Some shards did not answer in the time that the caller gave."""


class ClusterLostError(ConnectionError):
    """The head of the Ray cluster does not answer any more."""


class GenerationError(RuntimeError):
    """A worker was asked for another generation than it serves."""


class UnknownMaskError(LookupError):
    """A worker does not hold a mask of that name, or holds another of the same name."""
