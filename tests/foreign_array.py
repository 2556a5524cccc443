"""An array in a device's memory that poses as another library's, made of DLPack's C structures."""

import ctypes
from collections.abc import Callable, Sequence
from typing import Any


class _Device(ctypes.Structure):
    _fields_ = (("type", ctypes.c_int32), ("number", ctypes.c_int32))


class _Type(ctypes.Structure):
    _fields_ = (("code", ctypes.c_uint8), ("bits", ctypes.c_uint8), ("lanes", ctypes.c_uint16))


class _Tensor(ctypes.Structure):
    _fields_ = (
        ("data", ctypes.c_void_p),
        ("device", _Device),
        ("dimensions", ctypes.c_int32),
        ("type", _Type),
        ("shape", ctypes.POINTER(ctypes.c_int64)),
        ("strides", ctypes.POINTER(ctypes.c_int64)),
        ("offset", ctypes.c_uint64),
    )


class _ManagedTensor(ctypes.Structure):
    _fields_ = (
        ("tensor", _Tensor),
        ("context", ctypes.c_void_p),
        ("release", ctypes.CFUNCTYPE(None, ctypes.c_void_p)),
    )


_new_capsule = ctypes.pythonapi.PyCapsule_New
_new_capsule.restype = ctypes.py_object
_new_capsule.argtypes = (ctypes.c_void_p, ctypes.c_char_p, ctypes.c_void_p)
_pointer = ctypes.pythonapi.PyCapsule_GetPointer
_pointer.restype = ctypes.c_void_p
_pointer.argtypes = (ctypes.py_object, ctypes.c_char_p)


class ForeignArray:
    """A view of a ``DeviceArray`` as another library might make it, which records its release.

    Parameters
    ----------
    array : DeviceArray
        Array whose memory is viewed.
    shape, strides : sequence of int, optional
        By default the shape of the array, and no strides.
    offset : int
        Bytes before the first element.
    code, bits : int, optional
        DLPack's numbers for another type.
    device_type : int
        DLPack's number for the kind of memory.
    device : int, optional
        Device that the view names; by default the device of the array.
    current_device : callable, optional
        Returns the current device. If that is another device, the view refuses DLPack, as PyTorch does.
    """

    def __init__(
        self,
        array: Any,
        shape: Sequence[int] | None = None,
        strides: Sequence[int] | None = None,
        offset: int = 0,
        code: int | None = None,
        bits: int | None = None,
        device_type: int = 2,
        device: int | None = None,
        current_device: Callable[[], int] | None = None,
    ) -> None:
        self._array = array
        self._capsule = array.__dlpack__()  # never consumed, so that its structures remain
        tensor = _ManagedTensor.from_address(_pointer(self._capsule, b"dltensor")).tensor
        extents = tuple(array.shape if shape is None else shape)
        self._shape = (ctypes.c_int64 * len(extents))(*extents)
        self._strides = None if strides is None else (ctypes.c_int64 * len(strides))(*strides)
        self._managed = _ManagedTensor()
        own = self._managed.tensor
        own.data, own.device, own.offset = (
            tensor.data,
            _Device(device_type, array.device if device is None else device),
            offset,
        )
        own.dimensions = len(extents)
        own.type = _Type(
            tensor.type.code if code is None else code, tensor.type.bits if bits is None else bits, 1
        )
        own.shape = ctypes.cast(self._shape, ctypes.POINTER(ctypes.c_int64))
        if self._strides is not None:
            own.strides = ctypes.cast(self._strides, ctypes.POINTER(ctypes.c_int64))
        self._current_device = current_device
        self.given_back = 0
        self._release = ctypes.CFUNCTYPE(None, ctypes.c_void_p)(self._count)
        self._managed.release = self._release

    def __dlpack__(self) -> Any:
        if self._current_device is not None and self._current_device() != self.__dlpack_device__()[1]:
            raise BufferError("the array is not on the current device")
        return _new_capsule(ctypes.addressof(self._managed), b"dltensor", None)

    def __dlpack_device__(self) -> tuple[int, int]:
        return self._managed.tensor.device.type, self._managed.tensor.device.number

    def _count(self, managed: int) -> None:
        self.given_back += 1
