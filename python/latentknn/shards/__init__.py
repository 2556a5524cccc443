"""Several indexes that answer as one, to the bit: in memory, or in the files of a folder.

`sharded_index` is the index over shards, and `stored_index` the one over those of a folder. `shard` and
`stored_shard` are what they know of each; `rounds` and `class_rounds` ask them, and `homes` guesses which to
ask first. `range_shards` searches ranges, by `range_rounds`, and `known_rows` is what filters ask of codes.
`asking` holds what was found so far, by `merging`; both need no shards, only their answers, and serve those
who ask shards elsewhere. `writer` writes a folder, from `sources`, with `distinct_ids`;
`importing` writes files of codes, and `verifying` reads a folder to see that it is whole.
"""

from latentknn.public_names import listing
from latentknn.shards.importing import write_files
from latentknn.shards.shard import Searchable
from latentknn.shards.sharded_index import ShardedIndex
from latentknn.shards.stored_index import StoredIndex
from latentknn.shards.stored_index import open_index as open  # noqa: A004 - users write lk.shards.open
from latentknn.shards.verifying import verify
from latentknn.shards.writer import Writer

__all__ = ["Searchable", "ShardedIndex", "StoredIndex", "Writer", "open", "verify", "write_files"]

__dir__ = listing(__all__)

# Messages and pickles name this module, so that files can move within the package.
for _public in (Searchable, ShardedIndex, StoredIndex, Writer, open, verify, write_files):
    _public.__module__ = __name__
