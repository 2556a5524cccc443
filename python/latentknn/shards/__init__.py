"""Several indexes that answer as one, to the bit.

`sharded_index` is the index over shards. `shard` is what it knows of each, `rounds` and `class_rounds` ask
them, and `homes` guesses which to ask first. `asking` holds what was found so far, by `merging`; both need no
shards, only their answers, and serve those who ask shards elsewhere.
"""

from latentknn.shards.shard import Searchable
from latentknn.shards.sharded_index import ShardedIndex

__all__ = ["Searchable", "ShardedIndex"]

# Messages and pickles name this module, so that files can move within the package.
for _public in (Searchable, ShardedIndex):
    _public.__module__ = __name__
