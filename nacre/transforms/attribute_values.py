"""Attributes of meshes as integers, and back: on a grid, or every bit kept.

A grid has one step for all channels of an attribute, so that shapes in texture space stay what they
are. What was decoded gives the same integers again. Without a grid, floats become the integers of
their order: neighbours differ by one, and -0, infinities and NaN come back as they were.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from nacre.errors import InputError

Integers = npt.NDArray[np.int64]

BITS = range(1, 25)
"""Bits of a grid's coordinates."""
_SIGN = np.int64(1) << 63
_LOW = 32


@dataclass(frozen=True)
class Box:
    """A grid over an attribute's values.

    Attributes:
        origin: the value of integer 0 of each channel; float32 numbers.
        step: distance of neighbours, the same in all channels; 0 where all values are equal.
    """

    origin: tuple[float, ...]
    step: float


def quantize_values(
    values: npt.NDArray[np.floating[Any]], bits: int, box: Box | None = None
) -> tuple[Integers, Box]:
    """Integers in ``0 .. 2^bits - 1`` and the grid they lie on.

    Args:
        values: floats ``[n, K]``.
        bits: 1 to 24.
        box: a grid that is given, such as one for several meshes; integers may then lie outside.

    Raises:
        InputError: NaN or infinite values, or a number of bits that is out of range.
    """
    if bits not in BITS:
        raise InputError(f"{bits} bits; {BITS.start} to {BITS.stop - 1} are possible")
    wide = values.astype(np.float32).astype(np.float64)
    if not np.isfinite(wide).all():
        raise InputError("NaN or infinite values have no place on a grid; keep them losslessly")
    if box is None:
        low = wide.min(axis=0) if len(wide) else np.zeros(wide.shape[1])
        side = float((wide.max(axis=0) - low).max()) if wide.size else 0.0
        box = Box(tuple(low.tolist()), side / ((1 << bits) - 1))
    if not box.step:
        return np.zeros(wide.shape, np.int64), box
    return np.rint((wide - np.array(box.origin)) / box.step).astype(np.int64), box


def dequantize_values(integers: Integers, box: Box) -> npt.NDArray[np.float32]:
    """The values of integers ``[n, K]`` on a grid, float32."""
    found: npt.NDArray[np.float32] = (np.array(box.origin) + box.step * integers).astype(np.float32)
    return found


def ordered_integers(values: npt.NDArray[Any]) -> Integers:
    """Numbers as integers in the same order, every bit kept.

    Args:
        values: ``[n, K]`` of float32, float64 or integers of up to 32 bits.

    Returns:
        int64 ``[n, K]``; of float64 ``[n, 2 K]``, the upper halves first.

    Raises:
        InputError: another type.
    """
    if values.dtype.kind in "iub" and values.dtype.itemsize <= 4:
        return values.astype(np.int64)
    if values.dtype == np.float32:
        bits = np.ascontiguousarray(values).view(np.int32).astype(np.int64)
        return np.where(bits < 0, -(bits + (1 << 31)) - 1, bits)
    if values.dtype == np.float64:
        bits = np.ascontiguousarray(values).view(np.int64)
        ordered = np.where(bits < 0, ~(bits ^ _SIGN), bits)
        return np.hstack([ordered >> _LOW, ordered & ((1 << _LOW) - 1)])
    raise InputError(f"values of type {values.dtype}; floats or integers of 32 bits are expected")


def from_ordered_integers(integers: Integers, dtype: npt.DTypeLike) -> npt.NDArray[Any]:
    """Undo :func:`ordered_integers`; integers out of the type's range wrap."""
    wanted = np.dtype(dtype)
    if wanted.kind in "iub":
        return integers.astype(wanted)
    if wanted == np.float32:
        bits = np.where(integers < 0, -integers - 1 - (1 << 31), integers)
        found: npt.NDArray[Any] = bits.astype(np.int32).view(np.float32)
        return found
    if wanted != np.float64:
        raise InputError(f"values of type {wanted}; floats or integers of 32 bits are expected")
    half = integers.shape[1] // 2
    ordered = (integers[:, :half] << _LOW) | (integers[:, half:] & ((1 << _LOW) - 1))
    wide: npt.NDArray[Any] = np.where(ordered < 0, ~ordered ^ _SIGN, ordered).view(np.float64)
    return wide
