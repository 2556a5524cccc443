"""Arrays in the memory of CUDA devices, as other libraries hand them over by DLPack."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from latentknn.array_likes import is_on_device
from latentknn.arrays import as_rows, check_shape
from latentknn.engines.cuda_engine import CudaEngine, import_cuda

if TYPE_CHECKING:
    from latentknn._cuda import DeviceArray


def on_host(values: ArrayLike, engine: Any) -> ArrayLike:
    """Return values for an engine, copied to the host if they are on a device and so is the engine."""
    if not (engine == "cuda" or isinstance(engine, CudaEngine)) or not is_on_device(values):
        return values
    return _copied(import_cuda()[0].DeviceArray.of(values))


def as_device_rows(array: DeviceArray, name: str, dim: int) -> tuple[DeviceArray | NDArray[Any], int]:
    """Return queries that are on a device, and the number of the device.

    Parameters
    ----------
    array : DeviceArray of shape (n, dim)
    name : str
        What the values are, for messages.
    dim : int
        The number of columns that is needed.

    Returns
    -------
    rows : DeviceArray or ndarray
        The array itself if it is of float32 and in C order, else a copy on the host.
    device : int

    Raises
    ------
    TypeError
        For a type that is not of real numbers.
    ValueError
        For another shape.
    """
    check_shape(array.shape, name, dim)
    in_place = array.is_float32 and array.in_c_order
    return array if in_place else as_rows(_copied(array), name, dim), array.device


def _copied(array: DeviceArray) -> NDArray[Any]:
    host = array.to_host()
    # bfloat16 is the upper half of float32.
    return (host.astype(np.uint32) << 16).view(np.float32) if array.is_bfloat16 else host
