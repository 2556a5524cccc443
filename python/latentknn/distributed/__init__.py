"""Shards on the nodes of a Ray cluster: exact answers from more than one machine.

docs/distributed.md says what is promised.

`starting` starts an index and connects to one, and `index` is what users ask. `client` knows the workers of
a generation, which `serving` begins where `placement` says; `calls` asks them, by `rounds`, and `messages`
is what they send. `filtering` says which codes a search may find, and `range_searches` find all within a
similarity. A `worker` is the process of a node; its shards are `heeding` whether somebody waits still.
`publishing` goes over to the next generation, `masks` stay on the shards, `columns` are fetched from them,
and `status` says how they are. `runtime` is the connection to Ray, `head_watch` tells when it is lost,
`orphans` ends what would outlive this process, and `records` says where this user's clusters are. `jobs`
encode and classify the files of `tables`, and join an index with itself by `joining`, as `tasks` of Ray.
`head` begins a cluster that outlives a command, and `stopping` ends what was started under a name.
"""

from latentknn.distributed.errors import (
    AnswerTimeoutError,
    ClusterLostError,
    GenerationError,
    IncompleteAnswerError,
    UnknownMaskError,
)
from latentknn.distributed.head import start_apart
from latentknn.distributed.index import DistributedIndex
from latentknn.distributed.jobs import classify, encode, self_join
from latentknn.distributed.starting import connect, start
from latentknn.distributed.status import ClusterStatus, WorkerStatus
from latentknn.distributed.stopping import stop, stop_apart
from latentknn.distributed.tasks import Progress
from latentknn.public_names import listing

__all__ = [
    "AnswerTimeoutError",
    "ClusterLostError",
    "ClusterStatus",
    "DistributedIndex",
    "GenerationError",
    "IncompleteAnswerError",
    "Progress",
    "UnknownMaskError",
    "WorkerStatus",
    "classify",
    "connect",
    "encode",
    "self_join",
    "start",
    "start_apart",
    "stop",
    "stop_apart",
]

__dir__ = listing(__all__)
