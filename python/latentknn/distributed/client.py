"""What a process knows of the workers, and the batches that it has under way."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from threading import BoundedSemaphore, Lock
from typing import TypeVar

import numpy as np
from numpy.typing import ArrayLike

from latentknn.arrays import as_flags
from latentknn.distributed.calls import Calls, Patience
from latentknn.distributed.errors import (
    AnswerTimeoutError,
    GenerationError,
    IncompleteAnswerError,
    UnknownMaskError,
)
from latentknn.distributed.masks import NamedMask, find_mask, forget_mask, send_again, set_mask
from latentknn.distributed.publishing import raise_generation, withdraw
from latentknn.distributed.ray_library import import_ray
from latentknn.distributed.records import forget
from latentknn.distributed.rounds import mask_bits
from latentknn.distributed.runtime import Attachment
from latentknn.distributed.serving import Serving, find_serving

HEDGE_AFTER = 1.0
"""Seconds after which a replica is asked too; an answer that comes later is worth the work of two."""

_BATCHES = 4
"""Batches that a client has under way at once; others wait."""

_Answer = TypeVar("_Answer")


class Client:
    """Asks the workers of the newest generation that it knows of.

    Parameters
    ----------
    serving : Serving
    attachment : Attachment
    name : str, optional
        By which other clients, and this one after a change, find the workers.
    """

    def __init__(self, serving: Serving, attachment: Attachment, name: str | None) -> None:
        self.serving = serving
        self.name = name
        self.hedge_after = HEDGE_AFTER
        self._attachment = attachment
        self._masks: dict[str, NamedMask] = {}
        self._batches = BoundedSemaphore(_BATCHES)
        self._lock = Lock()
        self._publishing = Lock()
        self._stopped = False

    def answered(
        self,
        timeout: float,
        answer: Callable[[Calls], _Answer],
        mask_name: str | None = None,
        only: Serving | None = None,
    ) -> _Answer:
        """Return an answer of one generation, which is asked for again where another client has published.

        Parameters
        ----------
        timeout : float
        answer : callable
            Asks by the `Calls` that it is given.
        mask_name : str, optional
            The mask that it uses, which a worker that has begun again is given again.
        only : Serving, optional
            The generation that may answer.

        Raises
        ------
        GenerationError
            Where another generation than `only` is served by now.
        """
        patience = Patience.of(seconds(timeout), self.hedge_after)
        while True:
            if only is not None and self.serving is not only:
                raise _other_generation(only)
            serving = only
            try:
                with self._calls(only, patience) as calls:
                    serving = calls.serving
                    return self._with_mask(calls, answer, mask_name)
            except (GenerationError, IncompleteAnswerError) as error:
                late = isinstance(error, AnswerTimeoutError)
                if late or serving is None or not self._moved(serving, patience):
                    raise

    def named_mask(self, calls: Calls, name: str) -> NamedMask:
        """Return a mask that is on the shards; UnknownMaskError where there is none of that name."""
        mask = self._masks.get(name) or find_mask(calls, name)
        self._masks[name] = mask
        return mask

    def set_mask(self, name: str, flags: ArrayLike, timeout: float) -> None:
        """Leave a mask on the shards."""
        serving = self.serving
        patience = Patience.of(seconds(timeout), self.hedge_after)
        chosen = as_flags(flags, "allowed", serving.manifest.rows).view(np.bool_)
        self._masks[name] = set_mask(serving, name, mask_bits(serving, chosen), patience)

    def forget_mask(self, name: str) -> None:
        """Free the memory of a mask."""
        self._masks.pop(name, None)
        forget_mask(self.serving, name)

    def publish(self, generation: int | None, timeout: float) -> None:
        """Serve the newest manifest of the folder; see `DistributedIndex.publish`."""
        with self._publishing:
            old = self.serving
            new = raise_generation(old, generation, self.name, seconds(timeout))
            if new is None:
                return
            with self._lock:
                self._masks, self.serving = {}, new
            withdraw(old)

    def end(self, *, workers: bool) -> None:
        """Ask no more, and end the workers too where that is said."""
        with self._lock:
            if self._stopped:
                return
            self._stopped = True
        # Workers without a head end by themselves, and asking them would have Ray begin another cluster.
        if workers and not self._attachment.watch.lost and import_ray().is_initialized():
            self.serving.end()
        if workers and self.name is not None and self._attachment.own:
            # Nothing of that name is served by the cluster of this process any more.
            forget(self.name)
        self._attachment.release()

    @contextmanager
    def _calls(self, only: Serving | None, patience: Patience) -> Iterator[Calls]:
        """Give what asks the workers, for the time of a batch."""
        if self._stopped:
            raise RuntimeError("the index has been stopped, or left; start it or connect again")
        if not self._batches.acquire(timeout=patience.left):
            raise AnswerTimeoutError(
                f"{_BATCHES} batches of this client were under way for {patience.seconds:g} s, and this one "
                "was not begun",
                range(len(self.serving.manifest.shards)),
            )
        try:
            self._attachment.watch.check()
            with self._lock:
                serving = self.serving if only is None else only
                serving.begin_batch()
            try:
                yield Calls(serving, self._attachment.watch, patience)
            finally:
                serving.end_batch()
        finally:
            self._batches.release()

    def _with_mask(self, calls: Calls, answer: Callable[[Calls], _Answer], mask_name: str | None) -> _Answer:
        try:
            return answer(calls)
        except UnknownMaskError:
            mask = None if mask_name is None else self._masks.get(mask_name)
            if mask is None:
                raise
            if not send_again(calls, mask):
                # Another client has replaced the mask: it is looked for as one that this client never set.
                self._masks.pop(mask.name.name, None)
            return answer(calls)

    def _moved(self, serving: Serving, patience: Patience) -> bool:
        """Look whether another generation is served by now, and go over to it."""
        if self.serving is not serving:
            return True
        # The lock is free meanwhile: other searches do not wait for workers that do not answer.
        newest = None if self.name is None else find_serving(self.name, patience.left)
        if newest is None or newest.manifest.generation <= serving.manifest.generation:
            return False
        with self._lock:
            if self.serving is serving:
                self._masks, self.serving = {}, newest
        return True


def seconds(timeout: float) -> float:
    """Return a number of seconds, or raise ValueError."""
    if isinstance(timeout, bool) or not isinstance(timeout, (int, float)) or not 0.0 < timeout < math.inf:
        raise ValueError(f"timeout must be a positive number of seconds, received {timeout!r}")
    return float(timeout)


def _other_generation(serving: Serving) -> GenerationError:
    return GenerationError(
        f"this is bound to generation {serving.manifest.generation}, and another one is served by now; make "
        "the classifier, the job or the pinned index again"
    )
