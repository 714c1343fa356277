"""SPZ files (Niantic), versions 1 to 4, read to their exact integers and written from them.

Versions 1 to 3 are one gzip stream: a header of 16 bytes, then positions, opacities, colours,
scales, rotations and harmonics, each of all splats. Version 4 has a header of 32 bytes, records of
extensions, a table of sizes and a ZSTD stream for each attribute. Positions are 24 bits of fixed
point (halves in version 1), rotations three components of which the largest is left out (three
bytes x, y, z before version 3); all else is bytes.
Source: README.md and extensions/README.md of nianticlabs/spz.
"""

from __future__ import annotations

import itertools
import struct
import zlib
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
import numpy.typing as npt

from nacre.errors import FormatError, InputError
from nacre.limits import Limits
from nacre.media.splat_schemes import (
    HARMONICS,
    SQRT_HALF,
    WXYZ,
    XYZW,
    Floats,
    Int64s,
    Quantized,
    bundle,
    logit,
    quaternions,
    sigmoid,
    stored_rotations,
)
from nacre.stream import Reader, SplatShape

MAGIC = b"NGSP"
COLOUR = 0.15
_HEAD = struct.Struct("<4sIIBBBB")
_SIZES = struct.Struct("<QQ")
_TABLE_AT = 32
_ANTIALIASED, _EXTENDED = 1, 2
_ZERO = 511.5
"""Between -0 and +0: a component is a sign and nine bits, and both zeros are kept."""
_HALF_BIAS = 1 << 15


@dataclass(frozen=True)
class SpzScheme:
    """What the integers of an SPZ file mean.

    Attributes:
        version: 1 to 4.
        degree: of the harmonics.
        fraction: bits after the point of a coordinate.
        flags: as in the header.
        least: the file's lowest coordinates; points count from there.
        point_bits: of a coordinate so counted.
        extensions: records of version 4, as they are.
    """

    kind: ClassVar[str] = "spz"
    version: int
    degree: int
    fraction: int
    flags: int
    least: tuple[int, int, int]
    point_bits: int
    extensions: bytes = b""

    @property
    def order(self) -> tuple[int, int, int, int]:
        """In which the largest component is numbered; before version 3 it always is w."""
        return XYZW if self.version >= 3 else WXYZ

    @property
    def bits(self) -> tuple[int, ...]:
        """Of each channel."""
        turn = (2, 10, 10, 10) if self.version >= 3 else (0, 8, 8, 8)
        return (*[8] * 7, *turn, *[8] * HARMONICS[self.degree])

    @property
    def component(self) -> tuple[float, float]:
        """Step of a quaternion's component, and what 0 stands for."""
        if self.version < 3:
            return 1.0 / 127.5, -1.0
        return SQRT_HALF / 511.0, -_ZERO * SQRT_HALF / 511.0

    def coordinates(self, points: Int64s) -> Floats:
        """Places of integer coordinates."""
        whole = points + np.array(self.least, np.int64)
        if self.version == 1:
            return _from_ordered(whole).astype(np.float64)
        places: Floats = whole / float(1 << self.fraction)
        return places

    def floats(self, quantized: Quantized) -> dict[str, Any]:
        """The arrays of Splats."""
        values = quantized.values
        return {
            "positions": self.coordinates(quantized.points).astype(np.float32),
            "log_scales": (values[:, :3] / 16.0 - 10.0).astype(np.float32),
            "opacities": logit(values[:, 3] / 255.0),
            "sh0": ((values[:, 4:7] / 255.0 - 0.5) / COLOUR).astype(np.float32),
            "rotations": self._rotations(values),
            "shN": bundle((values[:, 11:] - 128.0) / 128.0),
            "antialiased": bool(self.flags & _ANTIALIASED),
        }

    def _rotations(self, values: Int64s) -> npt.NDArray[np.float32]:
        if self.version >= 3:
            signed = values.copy()
            parts = values[:, 8:11]
            signed[:, 8:11] = np.where(parts >= 512, parts - 512, parts - 511)
            return quaternions(signed, XYZW, (SQRT_HALF / 511.0, 0.0))
        return quaternions(values, self.order, self.component)

    def bounds(self) -> Mapping[str, float]:
        """Half a step of each attribute, where steps are even."""
        return {
            "position": 0.5 / (1 << self.fraction),
            "scale": 1 / 32,
            "opacity": 0.5 / 255,
            "colour": 0.5 / 255 / COLOUR,
            "rotation": self.component[0] / 2,
        }

    def to_bytes(self) -> bytes:
        """The scheme as bytes."""
        head = struct.pack(
            "<BBBBB3i", self.version, self.degree, self.fraction, self.flags, self.point_bits,
            *self.least,
        )  # fmt: skip
        return head + self.extensions

    @staticmethod
    def from_bytes(data: bytes | memoryview) -> SpzScheme:
        """The inverse of :meth:`to_bytes`.

        Raises:
            FormatError: the numbers are none that it writes.
        """
        reader = Reader(data, "SPZ scheme")
        version, degree, fraction, flags, bits, *least = struct.unpack(
            "<BBBBB3i", reader.take(17, "numbers")
        )
        fine = 1 <= version <= 4 and degree < 5 and fraction <= 24 and 1 <= bits <= 24
        if not fine or max(map(abs, least)) > 1 << 24:
            raise FormatError("SPZ scheme: numbers that no encoder writes")
        place = (least[0], least[1], least[2])
        return SpzScheme(version, degree, fraction, flags, place, bits, bytes(reader.rest()))


def _to_ordered(halves: npt.NDArray[np.uint16]) -> Int64s:
    """Bit patterns of halves as numbers in their order, 0 .. 65535."""
    whole = halves.astype(np.int64)
    return np.where(whole >= _HALF_BIAS, 65535 - whole, whole + _HALF_BIAS)


def _from_ordered(numbers: Int64s) -> npt.NDArray[np.float16]:
    whole = np.where(numbers < _HALF_BIAS, 65535 - numbers, numbers - _HALF_BIAS)
    return whole.astype(np.uint16).view(np.float16)


def _sizes(version: int, count: int, degree: int) -> list[int]:
    """Bytes of each attribute in file order; harmonics only where there are some."""
    place, turn = (6 if version == 1 else 9), (4 if version >= 3 else 3)
    sizes = [place, 1, 3, 3, turn, HARMONICS[degree]]
    return [count * size for size in sizes if size]


def read_spz(data: bytes, limits: Limits) -> Quantized:
    """The integers of a file.

    Raises:
        InputError: it is no SPZ file, or a damaged one.
        LimitExceeded: it declares more splats than ``limits`` allow.
    """
    if data[:2] == b"\x1f\x8b":
        inflater = zlib.decompressobj(31)
        head = _inflate(inflater, data, _HEAD.size)
        version, count, degree, fraction, flags = _head(head, limits)
        if version > 3:
            raise InputError(f"SPZ: version {version} inside gzip, 1 to 3 are expected")
        sizes = _sizes(version, count, degree)
        body = _inflate(inflater, inflater.unconsumed_tail, sum(sizes))
        ends = np.cumsum([0, *sizes])
        parts = [body[a:b] for a, b in itertools.pairwise(ends)]
        return _gather(parts, SpzScheme(version, degree, fraction, flags, (0, 0, 0), 1), count)
    version, count, degree, fraction, flags = _head(data[: _HEAD.size], limits)
    if version != 4:
        raise InputError(f"SPZ: version {version} without gzip, 4 is expected")
    parts, extensions = _streams(data, _sizes(version, count, degree))
    scheme = SpzScheme(version, degree, fraction, flags, (0, 0, 0), 1, extensions)
    return _gather(parts, scheme, count)


def _inflate(inflater: Any, data: bytes, size: int) -> bytes:
    """The next ``size`` bytes; no more are ever made."""
    if not size:
        return b""
    try:
        found: bytes = inflater.decompress(data, size)
    except zlib.error as error:
        raise InputError(f"SPZ: damaged gzip data ({error})") from None
    if len(found) < size:
        raise InputError(f"SPZ: {len(found):,} bytes of {size:,}; the file is cut short or lies")
    return found


def _head(head: bytes, limits: Limits) -> tuple[int, int, int, int, int]:
    if len(head) < _HEAD.size or head[:4] != MAGIC:
        raise InputError("SPZ: the header is not there")
    _, version, count, degree, fraction, flags, _ = _HEAD.unpack(head)
    if not 1 <= version <= 4 or degree > 4 or fraction > 24:
        raise InputError(f"SPZ: version {version}, degree {degree}, {fraction} bits of fraction")
    SplatShape(count, degree).check(limits)
    return version, count, degree, fraction, flags


def _zstandard() -> Any:
    try:
        import zstandard
    except ImportError:
        raise InputError(
            "SPZ version 4 needs ZSTD: `pip install zstandard`, or save as version 3"
        ) from None
    return zstandard


def _streams(data: bytes, sizes: list[int]) -> tuple[list[bytes], bytes]:
    """The attributes of version 4, and its extensions."""
    zstandard = _zstandard()
    reader = Reader(data, "SPZ")
    try:
        head = reader.take(_TABLE_AT, "header")
        streams, table = head[15], int.from_bytes(head[16:20], "little")
        if table < _TABLE_AT or streams < len(sizes):
            raise InputError(f"SPZ: {streams} streams from byte {table} on")
        extensions = bytes(reader.take(table - _TABLE_AT, "extensions"))
        rows = [_SIZES.unpack(reader.take(_SIZES.size, "sizes")) for _ in range(streams)]
        packed = [bytes(reader.take(row[0], "stream")) for row in rows]
    except FormatError as error:
        raise InputError(str(error)) from None
    parts = []
    for body, (_, size), expected in zip(packed, rows, sizes, strict=False):
        if size != expected:
            raise InputError(f"SPZ: a stream of {size:,} bytes, {expected:,} are expected")
        try:
            with zstandard.ZstdDecompressor(max_window_size=1 << 27).stream_reader(body) as stream:
                parts.append(stream.read(expected))
        except zstandard.ZstdError as error:
            raise InputError(f"SPZ: damaged ZSTD data ({error})") from None
        if len(parts[-1]) != expected:
            raise InputError(f"SPZ: a stream ends after {len(parts[-1]):,} of {expected:,} bytes")
    return parts, extensions


def _gather(parts: list[bytes], scheme: SpzScheme, count: int) -> Quantized:
    raw = [np.frombuffer(part, np.uint8).reshape(count, -1) if count else None for part in parts]
    channels = len(scheme.bits)
    if not count:
        return Quantized(scheme, np.empty((0, 3), np.int64), np.empty((0, channels), np.int64))
    place, opacity, colour, scale, turn, *rest = (part for part in raw if part is not None)
    if scheme.version == 1:
        points = _to_ordered(place.copy().view(np.uint16))
    else:
        bytes_ = place.reshape(count, 3, 3).astype(np.int64)
        points = bytes_[:, :, 0] | bytes_[:, :, 1] << 8 | bytes_[:, :, 2] << 16
        points = (points ^ 1 << 23) - (1 << 23)
    values = np.empty((count, channels), np.int64)
    values[:, :3], values[:, 3:4], values[:, 4:7] = scale, opacity, colour
    if scheme.version >= 3:
        word = turn.copy().view("<u4")[:, 0].astype(np.int64)
        values[:, 7] = word >> 30
        for k in range(3):
            part = word >> (20 - 10 * k) & 1023
            size = part & 511
            values[:, 8 + k] = np.where(part & 512, 511 - size, 512 + size)
    else:
        values[:, 7], values[:, 8:11] = 0, turn
    if rest:
        values[:, 11:] = rest[0]
    least = points.min(axis=0)
    points = points - least
    place_bits = max(int(points.max()).bit_length(), 1)
    corner = (int(least[0]), int(least[1]), int(least[2]))
    found = SpzScheme(
        scheme.version, scheme.degree, scheme.fraction, scheme.flags, corner, place_bits,
        scheme.extensions,
    )  # fmt: skip
    return Quantized(found, points, values)


def write_spz(quantized: Quantized) -> bytes:
    """A file of these integers, which must be of this scheme."""
    scheme = quantized.scheme
    assert isinstance(scheme, SpzScheme)
    values, count = quantized.values, len(quantized.values)
    points = quantized.points + np.array(scheme.least, np.int64)
    if scheme.version == 1:
        halves = np.where(points < _HALF_BIAS, 65535 - points, points - _HALF_BIAS)
        place = halves.astype("<u2").tobytes()
    else:
        place = np.stack([points & 255, points >> 8 & 255, points >> 16 & 255], axis=2)
        place = place.astype(np.uint8).tobytes()
    if scheme.version >= 3:
        word = values[:, 7] << 30
        for k in range(3):
            part = values[:, 8 + k]
            coded = np.where(part >= 512, part - 512, 512 | (511 - part))
            word = word | coded << (20 - 10 * k)
        turn = word.astype("<u4").tobytes()
    else:
        turn = values[:, 8:11].astype(np.uint8).tobytes()
    attributes = (values[:, 3], values[:, 4:7], values[:, :3])
    parts = [place, *(part.astype(np.uint8).tobytes() for part in attributes), turn]
    if scheme.degree:
        parts.append(values[:, 11:].astype(np.uint8).tobytes())
    streams = len(parts) if scheme.version == 4 else 0
    head = _HEAD.pack(
        MAGIC, scheme.version, count, scheme.degree, scheme.fraction, scheme.flags, streams
    )
    if scheme.version < 4:
        packer = zlib.compressobj(9, zlib.DEFLATED, 31)
        return packer.compress(head + b"".join(parts)) + packer.flush()
    packed = [_zstandard().ZstdCompressor(level=19).compress(part) for part in parts]
    table = b"".join(_SIZES.pack(len(a), len(b)) for a, b in zip(packed, parts, strict=True))
    start = struct.pack("<I12x", _TABLE_AT + len(scheme.extensions))
    return head + start + scheme.extensions + table + b"".join(packed)


def to_spz(floats: dict[str, Any], *, version: int = 3, fraction: int = 12) -> Quantized:
    """Integers of floats (the arrays of Splats), rounded as SPZ stores them."""
    points = np.rint(np.nan_to_num(floats["positions"].astype(np.float64)) * (1 << fraction))
    points = points.clip(-(1 << 23), (1 << 23) - 1).astype(np.int64)
    largest, others = stored_rotations(floats["rotations"], XYZW)
    size = np.rint(np.abs(others) / SQRT_HALF * 511.0).clip(0, 511).astype(np.int64)
    turn = np.where(others < 0, 511 - size, 512 + size)
    rest = floats["shN"]
    degree = HARMONICS.index(rest.shape[1] * 3)
    columns = (
        (floats["log_scales"].astype(np.float64) + 10.0) * 16.0,
        sigmoid(floats["opacities"])[:, None] * 255.0,
        (floats["sh0"].astype(np.float64) * COLOUR + 0.5) * 255.0,
        rest.reshape(len(rest), HARMONICS[degree]).astype(np.float64) * 128.0 + 128.0,
    )
    scale, opacity, colour, harmonics = (
        np.rint(np.nan_to_num(c)).clip(0, 255).astype(np.int64) for c in columns
    )
    values = np.concatenate([scale, opacity, colour, largest[:, None], turn, harmonics], axis=1)
    least = points.min(axis=0) if len(points) else np.zeros(3, np.int64)
    points = points - least
    bits = max(int(points.max()).bit_length(), 1) if len(points) else 1
    flags = _ANTIALIASED if floats.get("antialiased") else 0
    corner = (int(least[0]), int(least[1]), int(least[2]))
    scheme = SpzScheme(version, degree, fraction, flags, corner, bits)
    return Quantized(scheme, points, values)
