"""Arrays in the memory of CUDA devices, as other libraries hand them over by DLPack."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from latentknn.arrays import as_rows, check_shape

if TYPE_CHECKING:
    from latentknn._cuda import DeviceArray


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
    return array if in_place else as_rows(copied(array), name, dim), array.device


def copied(array: DeviceArray) -> NDArray[Any]:
    """Return a copy of an array in the memory of the host; bfloat16 as float32."""
    host = array.to_host()
    # The bits of bfloat16 are the upper 16 of float32.
    return (host.astype(np.uint32) << 16).view(np.float32) if array.is_bfloat16 else host
