"""Labelled images, codes and texts for training and measuring encoders.

``load`` returns a ``Dataset``; ``fetch`` gets Fashion-MNIST from Debian's package archive without root.
``from_folder``, ``from_table`` and ``from_arrays`` read data of your own: pictures in folders of their
classes, tables, arrays. ``from_ann_benchmarks`` reads codes, queries and true neighbours from a file of
ann-benchmarks. ``choose_per_class`` chooses as many rows of every class, and ``ClassBalancedBatches`` makes
batches of them for training; Keras is imported when that is first asked for.
"""

from typing import TYPE_CHECKING

from latentknn.datasets.ann_benchmarks import SearchProblem, from_ann_benchmarks
from latentknn.datasets.choosing import choose_per_class
from latentknn.datasets.dataset import Dataset, LabelledData, LabelledItems, describe_rare_classes
from latentknn.datasets.errors import DatasetCorruptError, DatasetNotFoundError
from latentknn.datasets.fetching import fetch
from latentknn.datasets.folders import from_folder
from latentknn.datasets.loading import NAMES, load
from latentknn.datasets.own_arrays import from_arrays
from latentknn.datasets.sources import cache_folder
from latentknn.datasets.tables import from_table
from latentknn.public_names import importing, listing

if TYPE_CHECKING:
    from latentknn.datasets.class_balanced import ClassBalancedBatches

__all__ = [
    "NAMES",
    "ClassBalancedBatches",
    "Dataset",
    "DatasetCorruptError",
    "DatasetNotFoundError",
    "LabelledData",
    "LabelledItems",
    "SearchProblem",
    "cache_folder",
    "choose_per_class",
    "describe_rare_classes",
    "fetch",
    "from_ann_benchmarks",
    "from_arrays",
    "from_folder",
    "from_table",
    "load",
]

__dir__ = listing(__all__)
__getattr__ = importing(__name__, {"ClassBalancedBatches": f"{__name__}.class_balanced"})
