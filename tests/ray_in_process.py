"""The part of Ray that asks workers, over futures that a test completes; no cluster is begun for it."""

from __future__ import annotations

from concurrent import futures
from types import SimpleNamespace

from latentknn.distributed import calls, masks, serving, worker
from latentknn.distributed.calls import Patience
from latentknn.distributed.client import Client
from latentknn.distributed.index import DistributedIndex
from latentknn.distributed.placement import group_shards
from latentknn.distributed.runtime import NAMESPACE
from latentknn.distributed.serving import Member, Serving, member_name
from latentknn.distributed.worker import ShardWorker


class Ray:
    """What `import_ray` returns to `use`."""

    def __init__(self):
        from ray import exceptions

        self.exceptions = exceptions
        self.reconstructed = False
        self.canceled = False
        self.given_up = []
        self.actors = {}
        self.util = SimpleNamespace(list_named_actors=self._listed)

    def wait(self, references, *, num_returns, timeout):
        futures.wait(references, timeout, futures.FIRST_COMPLETED)
        ready = [each for each in references if each.done()][:num_returns]
        return ready, [each for each in references if each not in ready]

    def get(self, reference, *, timeout):
        try:
            return reference.result(timeout)
        except (TimeoutError, futures.TimeoutError):
            raise self.exceptions.GetTimeoutError("late") from None

    def cancel(self, reference):
        self.given_up.append(reference)

    def get_actor(self, name, *, namespace):
        assert namespace == NAMESPACE
        if name not in self.actors:
            raise ValueError(name)
        return self.actors[name]

    def kill(self, handle, *, no_restart):
        assert no_restart
        handle.dead = True
        self.actors = {name: each for name, each in self.actors.items() if each is not handle}

    def get_runtime_context(self):
        return SimpleNamespace(
            was_current_actor_reconstructed=self.reconstructed, is_canceled=lambda: self.canceled
        )

    def _listed(self, *, all_namespaces):
        assert all_namespaces
        return [{"name": name, "namespace": NAMESPACE} for name in self.actors]


def use(monkeypatch):
    """Have the modules that ask workers ask by this Ray, and return it."""
    ray = Ray()
    for module in (calls, masks, serving, worker):
        monkeypatch.setattr(module, "import_ray", lambda: ray)
    return ray


class Handle:
    """A worker in this process; one that is silent leaves its calls without an answer, a dead one fails."""

    def __init__(self, worker):
        self.worker = worker
        self.silent = False
        self.dead = False

    def __getattr__(self, method):
        called = SimpleNamespace(remote=lambda *arguments: self._called(method, arguments))
        called.options = lambda **_: called
        return called

    def _called(self, method, arguments):
        from ray.exceptions import RayActorError, RayTaskError

        reference = futures.Future()
        if self.dead:
            reference.set_exception(RayActorError())
        elif not self.silent:
            try:
                reference.set_result(getattr(self.worker, method)(*arguments))
            except Exception as error:
                reference.set_exception(RayTaskError(method, "trace", error))
        return reference


def local_serving(folder, manifest, groups=2, replicas=1):
    """Return the workers of a folder, each replica of all groups in a worker of its own."""
    grouped = group_shards(manifest, groups)
    numbers = tuple(range(len(grouped)))
    members = [
        Member(Handle(ShardWorker(str(folder), manifest, dict(enumerate(grouped)), replicas)), numbers)
        for _ in range(replicas)
    ]
    return Serving(str(folder), manifest, grouped, members, replicas)


def have_names(ray, name, members):
    """Let Ray know workers by name, as those of the generation that they serve."""
    for number, member in enumerate(members):
        generation = member.handle.worker._manifest.generation
        ray.actors[member_name(name, generation, number)] = member.handle


def begun_again(handle):
    """Let the process of a worker begin again, without what it held."""
    worker = handle.worker
    handle.worker = ShardWorker(worker._folder, worker._manifest, worker._numbers, worker._replicas)


def local_index(serving, name=None):
    """Return an index that asks these workers."""
    attachment = SimpleNamespace(
        watch=SimpleNamespace(check=lambda: None, lost=False), release=lambda: None, own=False
    )
    return DistributedIndex(Client(serving, attachment, name))


def patience(seconds=30.0, hedge_after=0.0):
    return Patience.of(seconds, hedge_after)
