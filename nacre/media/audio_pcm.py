"""Samples as bytes and back: integers and floats of every width and order that files use.

>>> form = RawFormat(sample_rate_hz=8000, channels=1, depth=8, kind="unsigned")
>>> from_bytes(b"\\x80\\xff", form)
array([[  0, 127]], dtype=int32)
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np
import numpy.typing as npt

from nacre.errors import InputError

Samples = npt.NDArray[np.int32] | npt.NDArray[np.float32]
"""``[C, N]``: integers of a stated depth, or floats, full scale from -1 to 1."""

MAX_CHANNELS = 255
MAX_RATE_HZ = (1 << 32) - 1


@dataclass(frozen=True)
class RawFormat:
    """How samples lie in a file without a header: frames of one sample a channel.

    Attributes:
        sample_rate_hz: samples of one channel in a second.
        channels: 1 to 255.
        depth: bits of a sample: 8, 16, 24 or 32.
        kind: ``signed`` or ``unsigned`` integers, or ``float`` (32 bits).
        endian: ``little`` or ``big``: which byte comes first.

    Raises:
        InputError: a value that is none of these.
    """

    sample_rate_hz: int
    channels: int = 1
    depth: int = 16
    kind: Literal["signed", "unsigned", "float"] = "signed"
    endian: Literal["little", "big"] = "little"

    def __post_init__(self) -> None:
        check_format(self.channels, self.sample_rate_hz, self.depth, floating=self.kind == "float")
        if self.kind not in ("signed", "unsigned", "float"):
            raise InputError(f"samples {self.kind!r}; signed, unsigned or float are expected")
        if self.endian not in ("little", "big"):
            raise InputError(f"byte order {self.endian!r}; little or big are expected")

    @property
    def frame_bytes(self) -> int:
        """Bytes of one sample of each channel."""
        return self.channels * self.depth // 8


def check_format(channels: int, sample_rate_hz: int, depth: int, *, floating: bool) -> None:
    """Refuse what a stream cannot declare.

    Raises:
        InputError: a value out of range.
    """
    if not 1 <= channels <= MAX_CHANNELS:
        raise InputError(f"{channels} channels; 1 to {MAX_CHANNELS} can be kept")
    if not 1 <= sample_rate_hz <= MAX_RATE_HZ:
        raise InputError(f"a sample rate of {sample_rate_hz} Hz; 1 to {MAX_RATE_HZ:,} can be kept")
    if depth not in (8, 16, 24, 32):
        raise InputError(f"samples of {depth} bits; 8, 16, 24 or 32 can be kept")
    if floating and depth != 32:
        raise InputError(f"floats of {depth} bits; 32 can be kept")


def check_range(samples: Samples, depth: int) -> None:
    """Refuse integers that ``depth`` bits cannot hold.

    Raises:
        InputError: there are some.
    """
    low, high = -(1 << (depth - 1)), (1 << (depth - 1)) - 1
    if samples.size and depth < 32:
        least, greatest = int(samples.min()), int(samples.max())
        if least < low or greatest > high:
            raise InputError(
                f"samples from {least:,} to {greatest:,}; {depth} bits hold {low:,} to {high:,}"
            )


def from_bytes(data: bytes | memoryview, form: RawFormat) -> Samples:
    """The samples ``[C, n]`` of whole frames: int32 values of ``form.depth`` bits, or float32."""
    order = "<" if form.endian == "little" else ">"
    if form.kind == "float":
        floats = np.frombuffer(data, f"{order}f4").astype(np.float32)
        return np.ascontiguousarray(floats.reshape(-1, form.channels).T)
    flat = _signed(data, form.depth // 8, order)
    if form.kind == "unsigned":
        # The same bits, read as signed so far; the middle of the range becomes 0.
        half = 1 << (form.depth - 1)
        flat = _flipped(flat) if form.depth == 32 else (flat & (2 * half - 1)) - half
    return np.ascontiguousarray(flat.reshape(-1, form.channels).T)


def to_bytes(samples: Samples, form: RawFormat) -> bytes:
    """Undo :func:`from_bytes`: ``samples`` ``[C, n]`` as frames."""
    width, order = form.depth // 8, "<" if form.endian == "little" else ">"
    if form.kind == "float":
        return samples.T.astype(f"{order}f4", order="C").tobytes()
    flat: npt.NDArray[np.int32] = samples.T.astype(np.int32, order="C").reshape(-1)
    if form.kind == "unsigned":
        flat = _flipped(flat) if form.depth == 32 else flat + (1 << (form.depth - 1))
    octets = flat.astype("<i4").view(np.uint8).reshape(-1, 4)[:, :width]
    return (octets if order == "<" else octets[:, ::-1]).tobytes()


def _signed(data: bytes | memoryview, width: int, order: str) -> npt.NDArray[np.int32]:
    if width == 3:
        return _from_24(np.frombuffer(data, np.uint8).reshape(-1, 3), order)
    return np.frombuffer(data, f"{order}i{width}").astype(np.int32)


def _flipped(values: npt.NDArray[np.int32]) -> npt.NDArray[np.int32]:
    """The top bit turned over: signed and unsigned numbers of 32 bits into each other."""
    flipped: npt.NDArray[np.int32] = values ^ np.int32(-(1 << 31))
    return flipped


def _from_24(octets: npt.NDArray[np.uint8], order: str) -> npt.NDArray[np.int32]:
    """Rows of three bytes as int32; they become the upper three of four, which keeps the sign."""
    wide = np.zeros((len(octets), 4), np.uint8)
    if order == "<":
        wide[:, 1:] = octets
    else:
        wide[:, :3] = octets
    values: npt.NDArray[np.int32] = wide.reshape(-1).view(f"{order}i4").astype(np.int32) >> 8
    return values
