"""Arrays in the memory of CUDA devices, as other libraries hand them over by DLPack."""

from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from latentknn.arrays import as_rows, check_shape, is_on_device
from latentknn.engines.cuda_engine import CudaEngine, import_cuda
from latentknn.engines.database import Answer


def on_host(values: ArrayLike, engine: Any) -> ArrayLike:
    """Return values for an engine, copied to the host if they are on a device and so is the engine."""
    if not is_on_device(values) or not _is_cuda(engine):
        return values
    return import_cuda()[0].DeviceArray.of(values).to_host()  # type: ignore[no-any-return]


def taken(values: ArrayLike, name: str, dim: int) -> Any:
    """Return values that are on a device, where they are.

    Parameters
    ----------
    values : array of shape (n, dim)
        In C order, on a CUDA device.
    name : str
        What the values are, for messages.
    dim : int
        The number of columns that is needed.

    Returns
    -------
    DeviceArray or ndarray
        The array itself if it is of float32, else a copy on the host.

    Raises
    ------
    TypeError
        For a type that NumPy does not have.
    ValueError
        For another shape, or an array that is not in C order.
    """
    array = import_cuda()[0].DeviceArray.of(values)
    check_shape(array.shape, name, dim)
    return array if array.dtype == np.float32 else as_rows(array.to_host(), name, dim)


def copied_to(device: int, answer: Answer) -> Any:
    """Return an answer whose arrays are copies in a device's memory."""
    copy = import_cuda()[0].DeviceArray.copy_of
    return tuple(None if array is None else copy(array, device) for array in answer)


def _is_cuda(engine: Any) -> bool:
    return engine == "cuda" or isinstance(engine, CudaEngine)
