"""Exact, bit-reproducible cosine nearest-neighbour classification of learned codes."""

from typing import TYPE_CHECKING

from latentknn._core import __version__
from latentknn.engines import CudaEngine, FaissEngine
from latentknn.index import CosineIndex, Explanation, Groups, SearchResult, cosine_search
from latentknn.moved_modules import find_moved_modules
from latentknn.public_names import importing, listing

if TYPE_CHECKING:
    from latentknn import (
        classification,
        datasets,
        distributed,
        doctor,
        encoders,
        engines,
        evaluation,
        exporters,
        index,
        models,
        pages,
        report,
        shards,
    )
    from latentknn.classification import (
        ClassConditionalKNNClassifier,
        CosineKNNClassifier,
        CosineKNNRegressor,
        CosineNeighbors,
    )

__all__ = [
    "ClassConditionalKNNClassifier",
    "CosineIndex",
    "CosineKNNClassifier",
    "CosineKNNRegressor",
    "CosineNeighbors",
    "CudaEngine",
    "Explanation",
    "FaissEngine",
    "Groups",
    "SearchResult",
    "__version__",
    "classification",
    "cosine_search",
    "datasets",
    "distributed",
    "doctor",
    "encoders",
    "engines",
    "evaluation",
    "exporters",
    "index",
    "models",
    "pages",
    "report",
    "shards",
]

find_moved_modules()

# What needs more than NumPy is imported when it is first asked for.
_MODULES = {
    "classification",
    "datasets",
    "distributed",
    "doctor",
    "encoders",
    "evaluation",
    "exporters",
    "models",
    "pages",
    "report",
    "shards",
}
_CLASSES = {
    "ClassConditionalKNNClassifier",
    "CosineKNNClassifier",
    "CosineKNNRegressor",
    "CosineNeighbors",
}

__dir__ = listing(__all__)
__getattr__ = importing(
    __name__,
    {name: f"{__name__}.{name}" for name in _MODULES} | dict.fromkeys(_CLASSES, f"{__name__}.classification"),
)
