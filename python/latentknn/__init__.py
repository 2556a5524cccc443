"""Exact, bit-reproducible cosine nearest-neighbour classification of learned codes."""

from importlib import import_module
from typing import TYPE_CHECKING, Any

from latentknn._core import __version__
from latentknn.engines import CudaEngine, FaissEngine
from latentknn.index import CosineIndex, Explanation, SearchResult, cosine_search
from latentknn.moved_modules import find_moved_modules

if TYPE_CHECKING:
    from latentknn import datasets, evaluation, exporters, models, pages, shards
    from latentknn.classification import ClassConditionalKNNClassifier, CosineKNNClassifier

__all__ = [
    "ClassConditionalKNNClassifier",
    "CosineIndex",
    "CosineKNNClassifier",
    "CudaEngine",
    "Explanation",
    "FaissEngine",
    "SearchResult",
    "__version__",
    "cosine_search",
    "datasets",
    "evaluation",
    "exporters",
    "models",
    "pages",
    "shards",
]

find_moved_modules()

# A name that needs more than NumPy is imported when it is first asked for.
_LAZY_CLASSES = {
    "ClassConditionalKNNClassifier": "latentknn.classification",
    "CosineKNNClassifier": "latentknn.classification",
}
_LAZY_MODULES = {"datasets", "evaluation", "exporters", "models", "pages", "shards"}


def __getattr__(name: str) -> Any:
    if name in _LAZY_CLASSES:
        return getattr(import_module(_LAZY_CLASSES[name]), name)
    if name in _LAZY_MODULES:
        return import_module(f"latentknn.{name}")
    raise AttributeError(f"module 'latentknn' has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted(__all__)
