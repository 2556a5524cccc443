"""The exact cosine index.

`cosine_index` searches, among the codes that `filters` leaves; `range_index` finds all codes within a
similarity, by `range_searching`. `changes` adds and removes, `contents` builds, copies and gives `items`;
`labelled_rows` is what an index knows of its rows beside their codes, by `growing_array` and `known_ids`.
`class_search` keeps the codes of every class apart. `saved_index` saves and loads, and `storage` turns an
index into files.
"""

from latentknn.index.contents import _restored
from latentknn.index.cosine_index import CosineIndex
from latentknn.index.explanation import Consideration, Explanation
from latentknn.index.filters import Groups
from latentknn.index.items import Item, Items
from latentknn.index.one_shot import cosine_search
from latentknn.index.range_results import RadiusResult, SimilarPairs
from latentknn.index.search_result import SearchResult, _LookedUp
from latentknn.public_names import listing

__all__ = [
    "Consideration",
    "CosineIndex",
    "Explanation",
    "Groups",
    "Item",
    "Items",
    "RadiusResult",
    "SearchResult",
    "SimilarPairs",
    "cosine_search",
]

__dir__ = listing(__all__)

# Pickles name this module, so that files can move within the package.
for _pickled in (
    Consideration,
    CosineIndex,
    Explanation,
    Groups,
    Item,
    Items,
    RadiusResult,
    SearchResult,
    SimilarPairs,
    _LookedUp,
    _restored,
):
    _pickled.__module__ = __name__
