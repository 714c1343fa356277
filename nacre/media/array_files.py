"""Files of one array: idx (the format of MNIST, plain or in gzip), npy and npz.

Every size is read from a header and checked before memory is taken; nothing is unpickled.
"""

from __future__ import annotations

import gzip
import io
import math
import zipfile
import zlib
from typing import IO, Any

import numpy as np
import numpy.typing as npt

from nacre.errors import InputError
from nacre.limits import Limits

Array = npt.NDArray[Any]

GZIP, NPY, ZIP, IDX = b"\x1f\x8b", b"\x93NUMPY", b"PK\x03\x04", b"\x00\x00\x08"
"""How the files begin; idx is known of bytes alone, the only samples that pictures have in it."""

_CHUNK_BYTES = 1 << 24


def is_array_file(head: bytes) -> bool:
    """Whether a file that begins with ``head`` (4 bytes or more) is one of these kinds."""
    return _is_idx(head) or head.startswith((GZIP, NPY[:4], ZIP))


def _is_idx(head: bytes) -> bool:
    return head.startswith(IDX) and head[3:4] in (b"\1", b"\2", b"\3", b"\4")


def read_array(file: IO[bytes], name: str, limits: Limits) -> Array:
    """The array in ``file``.

    Args:
        file: seekable, at its beginning.
        name: how messages call it.
        limits: ``limits.bytes`` bounds the array.

    Raises:
        InputError: it is none of these kinds, damaged, or holds objects.
        LimitExceeded: the array is too large; nothing was allocated for it.
    """
    head = file.read(4)
    file.seek(0)
    try:
        if head.startswith(GZIP):
            with gzip.open(file, "rb") as inner:
                return _read_idx(inner, name, limits)
        if head.startswith(ZIP):
            return _read_npz(file, name, limits)
        if head.startswith(NPY[:4]):
            return _read_npy(file, name, limits)
        return _read_idx(file, name, limits)
    except (OSError, EOFError, ValueError, zlib.error, zipfile.BadZipFile) as error:
        raise InputError(f"{name}: damaged or cut short ({error})") from None
    except (NotImplementedError, RuntimeError) as error:
        raise InputError(f"{name}: cannot be read ({error})") from None


def _read_idx(file: Any, name: str, limits: Limits) -> Array:
    head = file.read(4)
    if not _is_idx(head):
        raise InputError(
            f"{name}: no idx file of bytes: it begins with {head.hex(' ') or 'nothing'}, 00 00 08 "
            "and the number of dimensions are expected"
        )
    sizes = _read_exactly(file, 4 * head[3], name)
    shape = tuple(int(size) for size in np.frombuffer(sizes, ">u4"))
    limits.check("bytes", math.prod(shape), f"{name}: array of shape {shape}")
    samples = np.frombuffer(_read_exactly(file, math.prod(shape), name), np.uint8).reshape(shape)
    if file.read(1):
        raise InputError(f"{name}: bytes follow the end of an idx array of shape {shape}")
    return samples


def _read_npy(file: Any, name: str, limits: Limits) -> Array:
    shape, fortran, dtype = _npy_header(file, name)
    size = math.prod(shape) * dtype.itemsize
    limits.check("bytes", size, f"{name}: array of shape {shape}")
    samples = np.frombuffer(_read_exactly(file, size, name), dtype)
    return samples.reshape(shape, order="F" if fortran else "C")


def _npy_header(file: Any, name: str) -> tuple[tuple[int, ...], bool, np.dtype[Any]]:
    """Shape, whether columns come first, and dtype; never one of objects."""
    npy: Any = np.lib.format
    version = npy.read_magic(file)
    if version == (1, 0):
        shape, fortran, dtype = npy.read_array_header_1_0(file)
    elif version == (2, 0):
        shape, fortran, dtype = npy.read_array_header_2_0(file)
    else:
        raise InputError(f"{name}: npy of version {version}; 1.0 or 2.0 is expected")
    if dtype.hasobject or dtype.itemsize == 0:
        raise InputError(f"{name}: an array of {dtype}; numbers are expected")
    return shape, fortran, dtype


def _read_npz(file: IO[bytes], name: str, limits: Limits) -> Array:
    """The one array of three or four dimensions in an npz file."""
    with zipfile.ZipFile(file) as archive:
        members = [member for member in archive.namelist() if member.endswith(".npy")]
        found = []
        for member in members:
            with archive.open(member) as inner:
                if len(_npy_header(inner, f"{name}: {member}")[0]) in (3, 4):
                    found.append(member)
        if len(found) != 1:
            raise InputError(
                f"{name}: one array of pictures is expected, of three or four dimensions; it has "
                f"{len(found)} of them among {', '.join(members) or 'no arrays'}; hand in the "
                "array that is meant"
            )
        with archive.open(found[0]) as inner:
            return _read_npy(inner, f"{name}: {found[0]}", limits)


def _read_exactly(file: Any, size: int, name: str) -> bytearray:
    """The next ``size`` bytes; memory grows with what is there, not with what was claimed."""
    data = bytearray()
    while len(data) < size:
        chunk = file.read(min(_CHUNK_BYTES, size - len(data)))
        if not chunk:
            raise InputError(
                f"{name}: cut short: {len(data):,} bytes of {size:,} that its header declares"
            )
        data += chunk
    return data


def to_idx(array: npt.NDArray[np.uint8]) -> bytes:
    """An idx file of bytes.

    >>> to_idx(np.zeros((2, 3), np.uint8)).hex(" ", -4)
    '00000802 00000002 00000003 00000000 0000'
    """
    head = IDX + bytes([array.ndim]) + np.array(array.shape, ">u4").tobytes()
    return head + array.tobytes()


def to_gzip(data: bytes) -> bytes:
    """``data`` in gzip, the same whenever it is made."""
    return gzip.compress(data, 9, mtime=0)


def to_npy(array: Array) -> bytes:
    """A npy file."""
    out = io.BytesIO()
    np.save(out, array, allow_pickle=False)
    return out.getvalue()


def to_npz(array: Array) -> bytes:
    """A compressed npz file whose only array is called ``images``."""
    out = io.BytesIO()
    np.savez_compressed(out, images=array)
    return out.getvalue()
