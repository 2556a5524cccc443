"""Labelled images for training and measuring encoders.

``load`` returns a ``Dataset``; ``fetch`` gets Fashion-MNIST from Debian's package archive without root.
"""

from latentknn.datasets.dataset import Dataset
from latentknn.datasets.errors import DatasetCorruptError, DatasetNotFoundError
from latentknn.datasets.fetching import fetch
from latentknn.datasets.loading import NAMES, load
from latentknn.datasets.sources import cache_folder

__all__ = ["NAMES", "Dataset", "DatasetCorruptError", "DatasetNotFoundError", "cache_folder", "fetch", "load"]
