"""Calls of every group of shards at once, each of which is answered whole or not at all."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

from latentknn.distributed.errors import AnswerTimeoutError, IncompleteAnswerError
from latentknn.distributed.head_watch import HeadWatch
from latentknn.distributed.messages import Reply
from latentknn.distributed.ray_library import import_ray
from latentknn.distributed.serving import Member, Serving

TIMEOUT = 60.0
"""Seconds that an answer is waited for where the caller names none."""

SLICE_SECONDS = 0.25
"""How often somebody who waits looks whether the head of the cluster is alive."""


@dataclass(frozen=True)
class Patience:
    """How long answers are waited for.

    Parameters
    ----------
    seconds : float
        What the caller gave, for messages.
    deadline : float
        When it ends, by `time.monotonic`.
    hedge_after : float
        Seconds after which another replica is asked too.
    """

    seconds: float
    deadline: float
    hedge_after: float

    @classmethod
    def of(cls, seconds: float, hedge_after: float) -> Patience:
        """Begin now."""
        return cls(seconds, time.monotonic() + seconds, hedge_after)

    @property
    def left(self) -> float:
        """Seconds until the deadline, at least 0."""
        return max(0.0, self.deadline - time.monotonic())


@dataclass(eq=False)
class _Group:
    """What has been asked of a group so far."""

    number: int
    untried: list[Member]
    waiting: int = 0
    error: BaseException | None = None


@dataclass(eq=False)
class Calls:
    """Asks workers for groups, and hedges.

    Parameters
    ----------
    serving : Serving
    watch : HeadWatch
    patience : Patience
    """

    serving: Serving
    watch: HeadWatch
    patience: Patience

    def ask(self, method: str, arguments: Mapping[int, tuple[Any, ...]]) -> dict[int, Reply]:
        """Ask for some groups at once, and return the reply of each.

        Parameters
        ----------
        method : str
            A method of `ShardWorker`, whose first arguments are the group and the generation.
        arguments : mapping of int to tuple
            What follows those, by group.

        Raises
        ------
        AnswerTimeoutError, IncompleteAnswerError
            Where a group has not answered; its shards are named.
        ClusterLostError
            Where the head is gone.
        Exception
            What a worker raises, as it was raised; nothing is asked again then.
        """
        groups = {number: _Group(number, self.serving.members_of(number)) for number in arguments}
        replies: dict[int, Reply] = {}
        # What is under way belongs to this question alone: a replica that answers late answers nothing else.
        under_way: dict[Any, tuple[_Group, Member]] = {}

        def send(group: _Group) -> None:
            member = group.untried.pop(0)
            call = getattr(member.handle, method)
            reference = call.remote(group.number, self.serving.manifest.generation, *arguments[group.number])
            group.waiting += 1
            under_way[reference] = group, member

        try:
            for group in groups.values():
                send(group)
            hedge_at = time.monotonic() + self.patience.hedge_after
            while len(replies) < len(groups):
                self._wait(under_way, replies, send, hedge_at)
                if time.monotonic() >= hedge_at:
                    hedge_at = time.monotonic() + self.patience.hedge_after
                    for group in groups.values():
                        if group.number not in replies and group.untried:
                            send(group)
                missing = [group for group in groups.values() if group.number not in replies]
                if missing and self.patience.left == 0.0:
                    raise AnswerTimeoutError(
                        f"{self._named(missing)} did not answer within {self.patience.seconds:g} s; "
                        f"of {len(groups)} groups of shards {len(replies)} did, and no answer is given from "
                        "those",
                        self._shards(missing),
                    )
            return replies
        finally:
            _give_up(under_way)

    def _wait(
        self,
        under_way: dict[Any, tuple[_Group, Member]],
        replies: dict[int, Reply],
        send: Callable[[_Group], None],
        hedge_at: float,
    ) -> None:
        """Wait for the next answer, and sort it in."""
        ray = import_ray()
        self.watch.check()
        now = time.monotonic()
        seconds = max(0.0, min(SLICE_SECONDS, self.patience.deadline - now, hedge_at - now))
        try:
            ready, _ = ray.wait(list(under_way), num_returns=1, timeout=seconds)
        except Exception:
            # Disconnected: the watch knows why.
            self.watch.check()
            raise
        for reference in ready:
            group, member = under_way.pop(reference)
            group.waiting -= 1
            try:
                reply = ray.get(reference, timeout=self.patience.left + SLICE_SECONDS)
            except ray.exceptions.RayTaskError as error:
                if group.number in replies:
                    continue
                raise _cause(error) from None
            except ray.exceptions.RayError as error:
                self._failed(group, error, group.number in replies, send)
                continue
            if group.number not in replies:
                self.serving.check(group.number, reply.receipts)
                replies[group.number] = reply
                self.serving.prefer(group.number, member)

    def _failed(
        self, group: _Group, error: BaseException, answered: bool, send: Callable[[_Group], None]
    ) -> None:
        """Ask another replica of a worker that is gone for good, or raise where there is none."""
        if answered:
            return
        if group.untried:
            send(group)
        elif group.waiting == 0:
            self.watch.check()
            raise IncompleteAnswerError(
                f"{self._named([group])} cannot answer: {error}", self._shards([group])
            ) from error

    def _shards(self, groups: list[_Group]) -> tuple[int, ...]:
        return tuple(sorted(number for group in groups for number in self.serving.groups[group.number]))

    def _named(self, groups: list[_Group]) -> str:
        numbers = self._shards(groups)
        files = [self.serving.manifest.shards[number].file for number in numbers[:3]]
        more = ", …" if len(numbers) > 3 else ""
        listed = ", ".join(map(str, numbers[:20])) + (", …" if len(numbers) > 20 else "")
        return f"shard{'s' if len(numbers) > 1 else ''} {listed} ({', '.join(files)}{more})"


def _give_up(references: Iterable[Any]) -> None:
    """Tell the workers that nobody waits for some calls: they drop them, or end them soon."""
    ray = import_ray()
    for reference in references:
        # Where the connection is lost, so is whoever could be told.
        with suppress(Exception):
            ray.cancel(reference)


def _cause(error: Any) -> BaseException:
    cause: BaseException = error.cause
    return cause if isinstance(cause, BaseException) else error
