"""What is asked of workers that are late, silent or gone, with workers that do as the test says."""

from __future__ import annotations

from concurrent import futures
from types import SimpleNamespace

import pytest

import ray_in_process
from latentknn.distributed.calls import Calls, Patience
from latentknn.distributed.errors import AnswerTimeoutError, UnknownMaskError
from latentknn.distributed.messages import Receipt, Reply
from latentknn.distributed.serving import Member, Serving
from latentknn.files.manifest import Manifest, ShardEntry

GENERATION = 4


class Worker:
    """Answers each call by the next of some functions, which is given the future."""

    def __init__(self, *answers):
        self.answers = list(answers)
        self.asked = []
        self.search = SimpleNamespace(remote=self._called)

    def _called(self, group, generation, *arguments):
        assert generation == GENERATION
        reference = futures.Future()
        self.asked.append(reference)
        self.answers.pop(0)(reference)
        return reference


def silent(reference):
    """Leave a call without an answer."""


def says(group, content):
    return lambda reference: reference.set_result(reply(group, content))


def reply(group, content):
    return Reply((Receipt(GENERATION, group, "digest", 10),), content)


@pytest.fixture
def ray(monkeypatch):
    return ray_in_process.use(monkeypatch)


def asking(*groups, hedge_after=0.0, seconds=30.0):
    """Return calls of groups of one shard each, and the replicas of each."""
    shards = tuple(
        ShardEntry(f"shard-{group}", 10, 10 * group, 100, "digest") for group in range(len(groups))
    )
    manifest = Manifest(3, shards, 10 * len(groups), generation=GENERATION)
    members = [Member(worker, (group,)) for group, workers in enumerate(groups) for worker in workers]
    serving = Serving("folder", manifest, [(group,) for group in range(len(groups))], members, 1)
    return Calls(serving, SimpleNamespace(check=lambda: None), Patience.of(seconds, hedge_after))


def contents(replies):
    return {group: each.content for group, each in replies.items()}


def test_an_answer_that_comes_late_is_none_of_the_next_question(ray):
    late = Worker(silent, silent)
    replica = Worker(says(0, "first"), says(0, "second"))
    call = asking([late, replica])
    assert contents(call.ask("search", {0: ()})) == {0: "first"}
    late.asked[0].set_result(reply(0, "first, late"))
    assert contents(call.ask("search", {0: ()})) == {0: "second"}


def test_a_late_answer_of_a_group_is_not_counted_where_others_are_asked(ray):
    late = Worker(silent)
    other = Worker(says(1, "first"), silent)
    second = Worker(says(1, "second"))
    call = asking([late, Worker(says(0, "first"))], [other, second])
    assert contents(call.ask("search", {0: (), 1: ()})) == {0: "first", 1: "first"}
    late.asked[0].set_result(reply(0, "first, late"))
    assert contents(call.ask("search", {1: ()})) == {1: "second"}


def test_answers_under_way_when_a_worker_refuses_are_none_of_the_next_question(ray):
    slow = Worker(silent, says(0, "second"))
    refusing = Worker(lambda reference: reference.set_exception(task_error()), says(1, "second"))
    call = asking([slow], [refusing])
    with pytest.raises(UnknownMaskError, match="mine"):
        call.ask("search", {0: (), 1: ()})
    slow.asked[0].set_result(reply(0, "first, late"))
    assert contents(call.ask("search", {0: (), 1: ()})) == {0: "second", 1: "second"}


def test_calls_that_nobody_waits_for_are_given_up(ray):
    late, silent_too = Worker(silent), Worker(silent)
    call = asking([late, Worker(says(0, "first"))], [Worker(says(1, "first"))])
    assert contents(call.ask("search", {0: (), 1: ()})) == {0: "first", 1: "first"}
    assert ray.given_up == late.asked
    ray.given_up.clear()
    call = asking([silent_too], [Worker(says(1, "first"))], seconds=0.1)
    with pytest.raises(AnswerTimeoutError, match="shard 0"):
        call.ask("search", {0: (), 1: ()})
    assert ray.given_up == silent_too.asked
    ray.given_up.clear()
    # One worker's error ends the question, and with it what the others are asked.
    slow, refusing = Worker(silent), Worker(lambda reference: reference.set_exception(task_error()))
    with pytest.raises(UnknownMaskError):
        asking([slow], [refusing]).ask("search", {0: (), 1: ()})
    assert ray.given_up == slow.asked


def task_error():
    from ray.exceptions import RayTaskError

    return RayTaskError("search", "trace", UnknownMaskError("mine"))
