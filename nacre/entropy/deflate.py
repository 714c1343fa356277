"""Samples as they are, made a little smaller: a reversible filter and deflate, or neither.

This is the ceiling under which every lossless codec stays (its fallback when its model does worse),
and how an alpha plane is kept exactly beside lossy colours. docs/format.md, "Filtered samples", is
the specification.

Good at flat areas, masks and screens; on photos about as good as PNG. No model, no floats.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from nacre.errors import FormatError
from nacre.stream import Bytes, Reader, deflate, inflate

Samples = npt.NDArray[np.uint8] | npt.NDArray[np.uint16]

RAW, PLAIN, LEFT, UP, GRADIENT = range(5)
"""First byte: raw samples; or deflate of samples, or of their differences to a prediction."""

_AXES: dict[int, tuple[int, ...]] = {PLAIN: (), LEFT: (1,), UP: (0,), GRADIENT: (0, 1)}
"""Axes along which neighbours are subtracted; both in turn predict left + up - upper left."""

_TRIAL_BYTES = 1 << 18


def encode_samples(samples: Samples, *, level: int = 6) -> bytes:
    """Bytes from which :func:`decode_samples` gives ``samples`` back; at most one over their own.

    Args:
        samples: ``[H, W, C]``, uint8 or uint16.
        level: of deflate, 1 (fast) to 9 (small).

    >>> import numpy as np
    >>> data = encode_samples(np.zeros((100, 100, 3), np.uint8))
    >>> len(data) < 100
    True
    """
    rows = max(1, _TRIAL_BYTES // max(1, samples[0].nbytes))
    top = max(0, (len(samples) - rows) // 2)
    trial = samples[top : top + rows]
    sizes = {method: len(_deflated(trial, method, level)) for method in _AXES}
    method = min(sizes, key=lambda m: sizes[m])
    body = _deflated(samples, method, level)
    if len(body) < samples.nbytes:
        return bytes([method]) + body
    return bytes([RAW]) + _to_bytes(samples)


def decode_samples(
    data: Bytes,
    shape: tuple[int, int, int],
    dtype: npt.DTypeLike,
    *,
    rows: int | None = None,
    where: str = "samples",
) -> npt.NDArray[Any]:
    """The samples in ``data``.

    Args:
        data: as :func:`encode_samples` wrote it.
        shape: ``(H, W, C)``; memory grows with what ``data`` truly holds, not with this claim.
        dtype: uint8 or uint16.
        rows: decode the first so many rows only; all if None.
        where: how messages call the data.

    Returns:
        ``[rows or H, W, C]`` of ``dtype``.

    Raises:
        FormatError: ``data`` does not hold samples of that shape.
    """
    height, width, channels = shape
    kind = np.dtype(dtype)
    row_bytes = width * channels * kind.itemsize
    reader = Reader(data, where)
    method = reader.unsigned(1, "method")
    body = reader.rest()
    wanted = height if rows is None else rows
    if method == RAW:
        if len(body) != height * row_bytes:
            raise FormatError(
                f"{where}: {len(body):,} bytes of raw samples, {height * row_bytes:,} are expected"
            )
        raw = np.frombuffer(body[: wanted * row_bytes], kind.newbyteorder("<"))
        return raw.reshape(wanted, width, channels).astype(kind)
    if method not in _AXES:
        raise FormatError(f"{where}: method {method}; 0 to {GRADIENT} are known")
    inflated = inflate(body, wanted * row_bytes, where=where, whole=rows is None)
    planes = np.frombuffer(inflated, np.uint8).reshape(wanted, kind.itemsize, width * channels)
    joined = np.ascontiguousarray(planes.transpose(0, 2, 1)).view(kind.newbyteorder("<"))
    samples = joined.astype(kind).reshape(wanted, width, channels)
    for axis in _AXES[method]:
        np.cumsum(samples, axis=axis, dtype=kind, out=samples)
    return samples


def encode_plane(plane: npt.NDArray[np.uint8]) -> bytes:
    """Bytes from which :func:`decode_plane` gives ``plane`` (``[H, W]`` uint8) back exactly."""
    return encode_samples(plane[:, :, None])


def decode_plane(
    data: Bytes, height: int, width: int, *, rows: int | None = None, where: str = "plane"
) -> npt.NDArray[np.uint8]:
    """The plane ``[height, width]`` (uint8) in ``data``, or its first ``rows`` rows.

    Raises:
        FormatError: ``data`` does not hold a plane of that size.
    """
    plane: npt.NDArray[np.uint8] = decode_samples(
        data, (height, width, 1), np.uint8, rows=rows, where=where
    )
    return plane[:, :, 0]


def _to_bytes(samples: Samples) -> bytes:
    return samples.astype(samples.dtype.newbyteorder("<"), copy=False).tobytes()


def _deflated(samples: Samples, method: int, level: int) -> bytes:
    """Deflate of the filtered samples, each row's low bytes before its high bytes."""
    residuals: Samples = samples
    for axis in _AXES[method]:
        # NumPy's subtraction wraps around, and so does the sum that undoes it.
        first = np.zeros_like(residuals[:1] if axis == 0 else residuals[:, :1])
        residuals = np.diff(residuals, axis=axis, prepend=first)
    planes = np.frombuffer(_to_bytes(residuals), np.uint8)
    planes = planes.reshape(len(samples), -1, samples.dtype.itemsize).transpose(0, 2, 1)
    return deflate(planes.tobytes(), level=level)
