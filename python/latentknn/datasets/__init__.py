"""Labelled images, codes and texts for training and measuring encoders.

``load`` returns a ``Dataset``; ``fetch`` gets Fashion-MNIST from Debian's package archive without root.
"""

from latentknn.datasets.dataset import Dataset, LabelledData, LabelledItems, describe_rare_classes
from latentknn.datasets.errors import DatasetCorruptError, DatasetNotFoundError
from latentknn.datasets.fetching import fetch
from latentknn.datasets.loading import NAMES, load
from latentknn.datasets.sources import cache_folder

__all__ = [
    "NAMES",
    "Dataset",
    "DatasetCorruptError",
    "DatasetNotFoundError",
    "LabelledData",
    "LabelledItems",
    "cache_folder",
    "describe_rare_classes",
    "fetch",
    "load",
]
