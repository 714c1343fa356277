"""Splats as integers: what each format stores, and what its integers mean.

A scheme is all numbers of a file beside the integers of its splats: steps, codebooks, ranges. It
turns integers into floats, and it says how a codec should see them: bits of each channel, places in
space. Channels are in one order everywhere: scales (3), opacity, colour (3), which component of the
quaternion is largest, the other three, harmonics (coefficient by coefficient, red, green, blue).
"""

from __future__ import annotations

import struct
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar, Protocol

import numpy as np
import numpy.typing as npt

from nacre.errors import FormatError
from nacre.stream import Reader

Int64s = npt.NDArray[np.int64]
Floats = npt.NDArray[np.float64]

HARMONICS = (0, 9, 24, 45, 72)
"""Values of a splat's harmonics by degree."""
SQRT_HALF = 0.7071067811865476
WXYZ, XYZW = (0, 1, 2, 3), (1, 2, 3, 0)
TINY = 1e-6
"""Opacities are kept this far from 0 and 1 where a logit is wanted."""


class Scheme(Protocol):
    """What the integers of a splat mean."""

    kind: ClassVar[str]

    @property
    def degree(self) -> int:
        """Of harmonics that each splat has channels for."""

    @property
    def point_bits(self) -> int:
        """Bits of a coordinate."""

    @property
    def bits(self) -> tuple[int, ...]:
        """Of each channel."""

    @property
    def order(self) -> tuple[int, int, int, int]:
        """In which the largest component is numbered, w being 0."""

    @property
    def component(self) -> tuple[float, float]:
        """Step of a quaternion's component, and what 0 stands for."""

    def coordinates(self, points: Int64s) -> Floats:
        """Places of integer coordinates in space, or in a space alike, by + - * / alone."""

    def floats(self, quantized: Quantized) -> dict[str, Any]:
        """The arrays of :class:`nacre.media.splat.Splats`."""

    def to_bytes(self) -> bytes:
        """The scheme; the inverse of :func:`read_scheme`."""

    def bounds(self) -> Mapping[str, float]:
        """Half a step of each attribute, where steps are even."""


@dataclass(frozen=True, eq=False)
class Quantized:
    """The exact integers of a file.

    Attributes:
        scheme: what they mean.
        points: coordinates from 0 on, int64 ``[N, 3]``.
        values: int64 ``[N, channels]``, see the head of this file.
        labels: row of the palette of each splat, int64 ``[N]``; SOG with harmonics alone.
        palette: harmonics that splats share, int64 ``[P, 3 K]``, in 0 .. 255.
    """

    scheme: Scheme
    points: Int64s
    values: Int64s
    labels: Int64s | None = None
    palette: Int64s | None = None


def quaternions(
    values: Int64s, order: tuple[int, int, int, int], component: tuple[float, float]
) -> npt.NDArray[np.float32]:
    """Unit quaternions (w, x, y, z) of channels 7 to 10, float32 ``[N, 4]``."""
    step, origin = component
    parts = values[:, 8:11] * step + origin
    whole = np.sqrt(np.maximum(0.0, 1.0 - (parts * parts).sum(axis=1)))
    found = np.empty((len(values), 4), np.float32)
    for number, largest in enumerate(order):
        rows = values[:, 7] == number
        others = [k for k in order if k != largest]
        found[rows, largest] = whole[rows]
        for column, k in enumerate(others):
            found[rows, k] = parts[rows, column]
    return found


def stored_rotations(
    rotations: npt.NDArray[Any], order: tuple[int, int, int, int], always: int | None = None
) -> tuple[Int64s, Floats]:
    """Which component of quaternions (w, x, y, z) is largest, and the three others.

    Args:
        rotations: ``[N, 4]``, not normalised.
        order: in which components are numbered.
        always: the component (w, x, y, z) that counts as the largest.

    Returns:
        Numbers in ``order``, int64 ``[N]``; the others, signs so that the largest is positive,
        float64 ``[N, 3]``.
    """
    q = np.nan_to_num(rotations.astype(np.float64), posinf=0.0, neginf=0.0)
    length = np.sqrt((q * q).sum(axis=1, keepdims=True))
    q = np.where(length > 0, q / np.where(length > 0, length, 1.0), [1.0, 0.0, 0.0, 0.0])
    q = q[:, order]
    largest = np.abs(q).argmax(axis=1)
    if always is not None:
        largest = np.full(len(q), order.index(always))
    rows = np.arange(len(q))
    q = np.where(q[rows, largest][:, None] < 0, -q, q)
    others = np.array([[j for j in range(4) if j != k] for k in range(4)])[largest]
    return largest.astype(np.int64), q[rows[:, None], others]


def logit(share: npt.NDArray[Any]) -> npt.NDArray[np.float32]:
    """ln(p / (1 - p)), p kept inside TINY .. 1 - TINY, float32."""
    p = np.clip(share.astype(np.float64), TINY, 1.0 - TINY)
    return np.log(p / (1.0 - p)).astype(np.float32)


def sigmoid(x: npt.NDArray[Any]) -> Floats:
    """1 / (1 + e^-x), float64."""
    bounded: Floats = 1.0 / (1.0 + np.exp(-np.clip(x.astype(np.float64), -60.0, 60.0)))
    return bounded


def bundle(values: npt.NDArray[Any]) -> npt.NDArray[np.float32]:
    """Harmonics of channels ``[N, 3 K]`` as float32 ``[N, K, 3]``."""
    return single(values.reshape(len(values), values.shape[1] // 3, 3))


def single(values: npt.NDArray[Any]) -> npt.NDArray[np.float32]:
    """As float32; what is too large for that, as in a damaged scheme, becomes infinite."""
    with np.errstate(over="ignore"):
        return values.astype(np.float32)


@dataclass(frozen=True)
class Even:
    """A channel of even steps: ``value = origin + step * integer``."""

    bits: int
    step: float
    origin: float

    @staticmethod
    def covering(values: npt.NDArray[Any], step: float, most_bits: int = 16) -> Even:
        """Steps of this size around zero that reach all finite values, as far as bits do."""
        finite = values[np.isfinite(values)]
        low = float(np.floor(finite.min() / step)) if finite.size else 0.0
        high = float(np.ceil(finite.max() / step)) if finite.size else 0.0
        low, high = max(low, -1e12), min(high, 1e12)
        bits = min(max(int(high - low).bit_length(), 1), most_bits)
        return Even(bits, step, low * step)

    def quantize(self, values: npt.NDArray[Any]) -> Int64s:
        """The nearest integers, NaN becoming the lowest."""
        with np.errstate(invalid="ignore", over="ignore"):
            steps = np.rint((values.astype(np.float64) - self.origin) / self.step)
        clipped: Int64s = np.nan_to_num(steps.clip(0, (1 << self.bits) - 1)).astype(np.int64)
        return clipped

    def dequantize(self, integers: Int64s) -> Floats:
        """Floats of integers."""
        found: Floats = integers * self.step + self.origin
        return found


_EVEN = struct.Struct("<Bdd")
CLASSES = ("scale", "opacity", "colour", "harmonic")


@dataclass(frozen=True)
class Grid:
    """nacre's own scheme: even steps of positions, log-scales, opacity, colour and harmonics.

    Attributes:
        degree: of the harmonics.
        point_bits: bits of a coordinate.
        origin: where coordinates are 0.
        step: of all coordinates.
        channels: scale, opacity (as a share of 1), colour, harmonic.
        turn_bits: of a quaternion's component.
        antialiased: as the source said.
    """

    kind: ClassVar[str] = "grid"
    degree: int
    point_bits: int
    origin: tuple[float, float, float]
    step: float
    channels: tuple[Even, Even, Even, Even]
    turn_bits: int
    antialiased: bool = False
    order: ClassVar[tuple[int, int, int, int]] = WXYZ

    @property
    def bits(self) -> tuple[int, ...]:
        """Of each channel."""
        scale, opacity, colour, harmonic = (channel.bits for channel in self.channels)
        turn = (2, self.turn_bits, self.turn_bits, self.turn_bits)
        return (*[scale] * 3, opacity, *[colour] * 3, *turn, *[harmonic] * HARMONICS[self.degree])

    @property
    def component(self) -> tuple[float, float]:
        """Step of a quaternion's component, and what 0 stands for."""
        return 2.0 * SQRT_HALF / ((1 << self.turn_bits) - 1), -SQRT_HALF

    def coordinates(self, points: Int64s) -> Floats:
        """Places of integer coordinates."""
        places: Floats = points * self.step + np.array(self.origin)
        return places

    def floats(self, quantized: Quantized) -> dict[str, Any]:
        """The arrays of Splats."""
        scale, opacity, colour, harmonic = self.channels
        values = quantized.values
        return {
            "positions": single(self.coordinates(quantized.points)),
            "log_scales": single(scale.dequantize(values[:, :3])),
            "opacities": logit(opacity.dequantize(values[:, 3])),
            "sh0": single(colour.dequantize(values[:, 4:7])),
            "rotations": quaternions(values, self.order, self.component),
            "shN": bundle(harmonic.dequantize(values[:, 11:])),
            "antialiased": self.antialiased,
        }

    def bounds(self) -> Mapping[str, float]:
        """Half a step of each attribute."""
        named = {name: c.step / 2 for name, c in zip(CLASSES, self.channels, strict=True)}
        return {"position": self.step / 2, **named, "rotation": self.component[0] / 2}

    def to_bytes(self) -> bytes:
        """The scheme as bytes."""
        head = struct.pack(
            "<BBBB4d", self.degree, self.point_bits, self.turn_bits, self.antialiased,
            *self.origin, self.step,
        )  # fmt: skip
        return head + b"".join(_EVEN.pack(c.bits, c.step, c.origin) for c in self.channels)

    @staticmethod
    def from_bytes(data: bytes | memoryview) -> Grid:
        """The inverse of :meth:`to_bytes`.

        Raises:
            FormatError: the numbers are none that it writes.
        """
        reader = Reader(data, "splat grid")
        degree, bits, turn, flag, *places = struct.unpack("<BBBB4d", reader.take(36, "grid"))
        rows = [_EVEN.unpack(reader.take(_EVEN.size, "channel")) for _ in CLASSES]
        reader.expect_end()
        steps = [places[3], *(row[1] for row in rows)]
        fine = degree < 5 and 1 <= bits <= 24 and 2 <= turn <= 16 and flag < 2
        fine &= all(1 <= row[0] <= 16 for row in rows) and all(1e-30 < s < 1e30 for s in steps)
        if not fine or not np.isfinite([*places, *(row[2] for row in rows)]).all():
            raise FormatError("splat grid: numbers that no encoder writes")
        channels = tuple(Even(*row) for row in rows)
        origin = (places[0], places[1], places[2])
        return Grid(degree, bits, origin, places[3], channels, turn, bool(flag))  # type: ignore[arg-type]
