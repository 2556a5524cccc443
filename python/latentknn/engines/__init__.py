"""The engines that search: the core on the processor, CUDA, and FAISS.

`engine` is the protocol and `table` the list of them. Each stands in a file of its own, with its `Database`;
those that search elsewhere than in the core share `stored_database`. `automatic` is what "auto" stands for.
"""

from latentknn.engines.cuda_engine import CudaDatabase, CudaEngine
from latentknn.engines.database import Database
from latentknn.engines.engine import Availability, Engine, EngineRequestError
from latentknn.engines.faiss_engine import FaissEngine, FaissRequestError
from latentknn.engines.table import ENGINES, NAMES, EngineLike, availability, find_engine, make_database
from latentknn.public_names import listing

__all__ = [
    "ENGINES",
    "NAMES",
    "Availability",
    "CudaDatabase",
    "CudaEngine",
    "Database",
    "Engine",
    "EngineLike",
    "EngineRequestError",
    "FaissEngine",
    "FaissRequestError",
    "availability",
    "find_engine",
    "make_database",
]

__dir__ = listing(__all__)
