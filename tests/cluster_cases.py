"""What tests of faults have in common: codes, queries and their answer, and the workers of an index."""

from __future__ import annotations

import numpy as np

import latentknn as lk
from checking import assert_same_results
from ray_cluster import write_folder

ROWS = 4000


def draw_problem():
    """Return codes, queries, and the 20 nearest of each."""
    rng = np.random.default_rng(5)
    codes = rng.standard_normal((ROWS, 16)).astype(np.float32)
    queries = rng.standard_normal((3000, 16))
    one = lk.CosineIndex.from_codes(codes)
    return codes, queries, one.search(queries, 20, scores64=True)


def begin(ray_cluster, path, codes, replicas):
    """Return a started index of 4 shards on 2 nodes."""
    ray_cluster.have(max(2, len(ray_cluster.nodes)))
    write_folder(path, codes, [1000, 2000, 3000])
    return lk.distributed.start(path, address="auto", replicas=replicas)


def workers(index):
    return index.status().workers


def asked_first(index):
    """Return the worker that is the first to be asked for some shards: its replica has to be asked too."""
    serving = index._client.serving
    return workers(index)[serving.members.index(serving.members_of(0)[0])]


def node_of(cluster, status):
    (found,) = [node for node in cluster.nodes if node.node_id == status.node]
    return found


def assert_right(index, problem, **options):
    found = index.search(problem[1], 20, scores64=True, **options)
    assert_same_results(found, problem[2])
