"""The exact cosine index.

`cosine_index` searches and `contents` adds and removes; `labelled_rows` is what an index knows of its rows
beside their codes. `class_search` keeps the codes of every class apart, `storage` reads and writes files.
"""

from latentknn.index.cosine_index import CosineIndex, SearchResult, _restored, cosine_search
from latentknn.index.explanation import Consideration, Explanation

__all__ = ["Consideration", "CosineIndex", "Explanation", "SearchResult", "cosine_search"]

# Pickles name this module, so that files can move within the package.
for _pickled in (Consideration, CosineIndex, Explanation, SearchResult, _restored):
    _pickled.__module__ = __name__
