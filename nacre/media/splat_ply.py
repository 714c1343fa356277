"""PLY files of splats: the INRIA layout of floats, and PlayCanvas's compressed one.

INRIA: a float each for x y z, f_dc_0..2, f_rest_* (all red coefficients, then green, then blue),
opacity as a logit, log scales, a quaternion w x y z. Compressed: splats in chunks of 256, whose
ranges stand before them; position and scale 11-10-11 bits, rotation 2-10-10-10, colour and opacity
8-8-8-8, harmonics bytes.
Sources: Kerbl et al., "3D Gaussian splatting", SIGGRAPH 2023 (its reference implementation's
files); "Compressed PLY", developer.playcanvas.com.
"""

from __future__ import annotations

import struct
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
    Floats,
    Int64s,
    Quantized,
    bundle,
    logit,
    quaternions,
    sigmoid,
    stored_rotations,
)
from nacre.stream import Reader, SplatShape, deflate, inflate

CHUNK = 256
BASE_COLOUR = 0.28209479177387814
_TYPES = {
    "char": "i1", "uchar": "u1", "short": "<i2", "ushort": "<u2", "int": "<i4", "uint": "<u4",
    "float": "<f4", "double": "<f8", "int8": "i1", "uint8": "u1", "int16": "<i2",
    "uint16": "<u2", "int32": "<i4", "uint32": "<u4", "float32": "<f4", "float64": "<f8",
}  # fmt: skip
_SPACE = [f"{end}_{axis}" for end in ("min", "max") for axis in "xyz"]
_SIZE = [f"{end}_scale_{axis}" for end in ("min", "max") for axis in "xyz"]
_COLOUR = [f"{end}_{axis}" for end in ("min", "max") for axis in "rgb"]
_PACKED = ("packed_position", "packed_rotation", "packed_scale", "packed_color")
_HEADER_BYTES = 1 << 16
_FIXED = struct.Struct("<BBI")
Element = tuple[int, np.dtype[Any]]


@dataclass(frozen=True, eq=False)
class ChunkScheme:
    """What the integers of a compressed PLY mean.

    Attributes:
        degree: of the harmonics, 0 to 3.
        count: splats; all chunks but the last have 256.
        ranges: least and largest x, y, z, log-scales and, in newer files, colours of each chunk,
            float32 ``[chunks, 12 or 18]``.
    """

    kind: ClassVar[str] = "ply"
    degree: int
    count: int
    ranges: npt.NDArray[np.float32]
    order: ClassVar[tuple[int, int, int, int]] = WXYZ
    component: ClassVar[tuple[float, float]] = (2.0 * SQRT_HALF / 1023.0, -SQRT_HALF)

    @property
    def bits(self) -> tuple[int, ...]:
        """Of each channel."""
        return (11, 10, 11, *[8] * 4, 2, 10, 10, 10, *[8] * HARMONICS[self.degree])

    @property
    def point_bits(self) -> int:
        """Bits of a coordinate: above those of x are those of the chunk's number."""
        return 11 + max(len(self.ranges) - 1, 0).bit_length()

    def _lerp(self, shares: Floats, first: int, chunk: Int64s) -> Floats:
        low = self.ranges[chunk, first : first + 3].astype(np.float64)
        high = self.ranges[chunk, first + 3 : first + 6].astype(np.float64)
        placed: Floats = low * (1.0 - shares) + high * shares
        return placed

    def coordinates(self, points: Int64s) -> Floats:
        """Places of integer coordinates."""
        chunk = (points[:, 0] >> 11).clip(0, max(len(self.ranges) - 1, 0))
        inside = np.stack([points[:, 0] & 2047, points[:, 1], points[:, 2]], axis=1)
        return self._lerp(inside / np.array([2047.0, 1023.0, 2047.0]), 0, chunk)

    def floats(self, quantized: Quantized) -> dict[str, Any]:
        """The arrays of Splats."""
        values, chunk = quantized.values, quantized.points[:, 0] >> 11
        colours = values[:, 4:7] / 255.0
        if self.ranges.shape[1] == 18:
            colours = self._lerp(colours, 12, chunk)
        rest = values[:, 11:]
        shares = np.where(rest == 0, 0.0, np.where(rest == 255, 1.0, (rest + 0.5) / 256.0))
        return {
            "positions": self.coordinates(quantized.points).astype(np.float32),
            "log_scales": self._lerp(
                values[:, :3] / np.array([2047.0, 1023.0, 2047.0]), 6, chunk
            ).astype(np.float32),
            "opacities": logit(values[:, 3] / 255.0),
            "sh0": ((colours - 0.5) / BASE_COLOUR).astype(np.float32),
            "rotations": quaternions(values, self.order, self.component),
            "shN": bundle((shares - 0.5) * 8.0),
            "antialiased": False,
        }

    def bounds(self) -> Mapping[str, float]:
        """Half a step of opacity and rotation; other steps depend on the chunk."""
        return {"opacity": 0.5 / 255, "rotation": self.component[0] / 2}

    def to_bytes(self) -> bytes:
        """The scheme as bytes."""
        whole = np.ascontiguousarray(self.ranges.T).astype("<f4").view(np.uint8)
        planes = whole.reshape(-1, 4).T.tobytes()
        head = _FIXED.pack(self.degree, self.ranges.shape[1], self.count)
        return head + deflate(planes)

    @staticmethod
    def from_bytes(data: bytes | memoryview) -> ChunkScheme:
        """The inverse of :meth:`to_bytes`.

        Raises:
            FormatError: the numbers are none that it writes.
        """
        reader = Reader(data, "PLY scheme")
        degree, columns, count = _FIXED.unpack(reader.take(_FIXED.size, "numbers"))
        # A byte of deflate holds at most 1032 bytes, so a lying count is no great array.
        chunks = -(-count // CHUNK)
        if degree > 3 or columns not in (12, 18) or chunks * columns * 4 > 1100 * len(data) + 4096:
            raise FormatError("PLY scheme: numbers that no encoder writes")
        planes = inflate(reader.rest(), 4 * chunks * columns, where="PLY ranges")
        rows = np.ascontiguousarray(np.frombuffer(planes, np.uint8).reshape(4, -1).T)
        ranges = rows.view("<f4").astype(np.float32).reshape(columns, chunks).T
        if not np.isfinite(ranges).all():
            raise FormatError("PLY scheme: ranges that are not finite")
        return ChunkScheme(degree, count, np.ascontiguousarray(ranges))


def read_ply(data: bytes, limits: Limits) -> dict[str, Any] | Quantized:
    """The arrays of Splats, or the integers of a compressed file.

    Raises:
        InputError: it is no PLY file of splats, or a damaged one.
        LimitExceeded: it declares more splats than ``limits`` allow.
    """
    elements, start = _header(data)
    vertices = elements.get("vertex")
    if vertices is None or not is_splat_ply(data):
        raise InputError("PLY: no splats in it (x y z, f_dc_0, opacity, scale_0, rot_0)")
    SplatShape(vertices[0], 0).check(limits)
    tables = {}
    for name, (count, dtype) in elements.items():
        end = start + count * dtype.itemsize
        if end > len(data):
            raise InputError(f"PLY: {count:,} of {name} are declared, the file ends before them")
        tables[name] = np.frombuffer(data, dtype, count, start)
        start = end
    if "chunk" in tables:
        return _compressed(tables)
    return _inria(tables["vertex"])


def is_splat_ply(head: bytes) -> bool:
    """Whether a PLY file, of which the first bytes are given, holds splats rather than a mesh."""
    if not head.startswith(b"ply"):
        return False
    names = head[:_HEADER_BYTES].partition(b"end_header")[0].split()
    return b"packed_rotation" in names or (b"f_dc_0" in names and b"rot_0" in names)


def _header(data: bytes) -> tuple[dict[str, Element], int]:
    """Elements by name, and where their data begin."""
    end = data.find(b"end_header\n", 0, _HEADER_BYTES)
    if not data.startswith(b"ply\n") or end < 0:
        raise InputError("PLY: the header is not there or has no end")
    try:
        lines = [line.split() for line in data[:end].decode("ascii").splitlines()[1:]]
    except UnicodeDecodeError:
        raise InputError("PLY: the header is not text") from None
    elements: dict[str, Element] = {}
    fields: dict[str, list[tuple[str, str]]] = {}
    counts: dict[str, int] = {}
    for line in lines:
        if line[:1] == ["format"] and line[1:2] != ["binary_little_endian"]:
            raise InputError(f"PLY: format {' '.join(line[1:])}; binary_little_endian is expected")
        if line[:1] == ["element"] and len(line) == 3 and line[2].isdecimal():
            counts[line[1]], fields[line[1]] = int(line[2][:12]), []
        elif line[:1] == ["property"]:
            if len(line) != 3 or line[1] not in _TYPES or not fields:
                raise InputError(f"PLY: {' '.join(line)!r} is no property of splats")
            fields[[*fields][-1]].append((line[2], _TYPES[line[1]]))
    for name, columns in fields.items():
        if len({column for column, _ in columns}) != len(columns):
            raise InputError(f"PLY: a property of {name} occurs twice")
        elements[name] = (counts[name], np.dtype(columns))
    return elements, end + len(b"end_header\n")


def _columns(table: npt.NDArray[Any], names: list[str]) -> npt.NDArray[np.float32]:
    if missing := [name for name in names if name not in (table.dtype.names or ())]:
        raise InputError(f"PLY: property {missing[0]} is missing")
    return np.stack([table[name].astype(np.float32) for name in names], axis=1)


def _inria(table: npt.NDArray[Any]) -> dict[str, Any]:
    rest = sum(name.startswith("f_rest_") for name in table.dtype.names or ())
    if rest not in HARMONICS:
        raise InputError(f"PLY: {rest} values of f_rest; 0, 9, 24, 45 or 72 are expected")
    count = len(table)
    harmonics = np.zeros((count, 0, 3), np.float32)
    if rest:
        flat = _columns(table, [f"f_rest_{k}" for k in range(rest)])
        harmonics = np.ascontiguousarray(flat.reshape(count, 3, rest // 3).transpose(0, 2, 1))
    return {
        "positions": _columns(table, ["x", "y", "z"]),
        "log_scales": _columns(table, [f"scale_{k}" for k in range(3)]),
        "rotations": _columns(table, [f"rot_{k}" for k in range(4)]),
        "opacities": _columns(table, ["opacity"])[:, 0],
        "sh0": _columns(table, [f"f_dc_{k}" for k in range(3)]),
        "shN": harmonics,
        "antialiased": False,
    }


def write_ply(floats: dict[str, Any]) -> bytes:
    """An INRIA file of the arrays of Splats."""
    rest = floats["shN"]
    count = len(rest)
    blocks = {
        "x y z": floats["positions"],
        "nx ny nz": np.zeros((count, 3), np.float32),
        "f_dc_0 f_dc_1 f_dc_2": floats["sh0"],
        " ".join(f"f_rest_{k}" for k in range(rest.shape[1] * 3)): rest.transpose(0, 2, 1),
        "opacity": floats["opacities"],
        "scale_0 scale_1 scale_2": floats["log_scales"],
        "rot_0 rot_1 rot_2 rot_3": floats["rotations"],
    }
    names = " ".join(blocks).split()
    table = np.concatenate(
        [block.reshape(count, len(key.split())).astype("<f4") for key, block in blocks.items()],
        axis=1,
    )
    head = _head_of([("vertex", count, [("float", name) for name in names])])
    return head + bytes(table.tobytes())


def _head_of(elements: list[tuple[str, int, list[tuple[str, str]]]]) -> bytes:
    lines = ["ply", "format binary_little_endian 1.0"]
    for name, count, properties in elements:
        lines.append(f"element {name} {count}")
        lines += [f"property {kind} {column}" for kind, column in properties]
    return "\n".join([*lines, "end_header", ""]).encode()


def _compressed(tables: Mapping[str, npt.NDArray[Any]]) -> Quantized:
    chunks, table = tables["chunk"], tables["vertex"]
    count = len(table)
    names = chunks.dtype.names or ()
    edges = [*_SPACE, *_SIZE, *(_COLOUR if "min_r" in names else [])]
    ranges = _columns(chunks, edges)
    if len(chunks) != -(-count // CHUNK) or not np.isfinite(ranges).all():
        raise InputError(f"PLY: {len(chunks):,} chunks of {count:,} splats, or ranges not finite")
    if any(table.dtype.fields is None or name not in table.dtype.fields for name in _PACKED):
        raise InputError("PLY: a packed property is missing")
    place, turn, scale, colour = (table[name].astype(np.int64) for name in _PACKED)
    rest = tables.get("sh")
    columns = len(rest.dtype.names or ()) if rest is not None else 0
    if columns not in HARMONICS[:4] or (rest is not None and len(rest) != count):
        raise InputError(f"PLY: harmonics of {columns} values; 9, 24 or 45 are expected")
    values = np.empty((count, 11 + columns), np.int64)
    points = _split(place, (21, 11, 0), (2047, 1023, 2047))
    points[:, 0] |= np.arange(count) // CHUNK << 11
    values[:, :3] = _split(scale, (21, 11, 0), (2047, 1023, 2047))
    values[:, 4:7] = _split(colour, (24, 16, 8), (255, 255, 255))
    values[:, 3], values[:, 7] = colour & 255, turn >> 30
    values[:, 8:11] = _split(turn, (20, 10, 0), (1023, 1023, 1023))
    if rest is not None:
        for k in range(columns):
            name = f"f_rest_{k}"
            if rest.dtype.fields is None or name not in rest.dtype.fields:
                raise InputError(f"PLY: property {name} is missing")
            values[:, 11 + _place(k, columns)] = rest[name].astype(np.int64) & 255
    return Quantized(ChunkScheme(HARMONICS.index(columns), count, ranges), points, values)


def _place(k: int, columns: int) -> int:
    """Where f_rest_k is among channels: files have all red ones first, then green, then blue."""
    coefficients = columns // 3
    return 3 * (k % coefficients) + k // coefficients


def _split(words: Int64s, shifts: tuple[int, ...], masks: tuple[int, ...]) -> Int64s:
    return np.stack([words >> s & m for s, m in zip(shifts, masks, strict=True)], axis=1)


def write_compressed(quantized: Quantized) -> bytes:
    """A compressed file of these integers, which must be of this scheme, chunk after chunk."""
    scheme = quantized.scheme
    assert isinstance(scheme, ChunkScheme)
    values, points, count = quantized.values, quantized.points, len(quantized.values)
    words = np.stack(
        [
            (points[:, 0] & 2047) << 21 | points[:, 1] << 11 | points[:, 2],
            values[:, 7] << 30 | values[:, 8] << 20 | values[:, 9] << 10 | values[:, 10],
            values[:, 0] << 21 | values[:, 1] << 11 | values[:, 2],
            values[:, 4] << 24 | values[:, 5] << 16 | values[:, 6] << 8 | values[:, 3],
        ],
        axis=1,
    )
    edges = [*_SPACE, *_SIZE, *_COLOUR][: scheme.ranges.shape[1]]
    elements = [
        ("chunk", len(scheme.ranges), [("float", name) for name in edges]),
        ("vertex", count, [("uint", name) for name in _PACKED]),
    ]
    body = bytes(scheme.ranges.astype("<f4").tobytes() + words.astype("<u4").tobytes())
    if scheme.degree:
        columns = range(HARMONICS[scheme.degree])
        elements.append(("sh", count, [("uchar", f"f_rest_{k}") for k in columns]))
        places = [11 + _place(k, HARMONICS[scheme.degree]) for k in columns]
        body += values[:, places].astype(np.uint8).tobytes()
    return _head_of(elements) + body


def to_compressed(floats: dict[str, Any], order: Int64s) -> Quantized:
    """Integers of floats (the arrays of Splats), rounded as a compressed PLY stores them.

    Args:
        floats: the arrays; harmonics of degree 4 lose their last coefficients.
        order: the order of the splats in the file; a chunk is 256 after one another.
    """
    rest = floats["shN"][order][:, :15].astype(np.float64)
    count = len(order)
    space, size = (
        np.nan_to_num(floats[k][order].astype(np.float64)) for k in ("positions", "log_scales")
    )
    colour = np.nan_to_num(floats["sh0"][order].astype(np.float64)) * BASE_COLOUR + 0.5
    starts = np.arange(0, count, CHUNK)
    chunk = np.arange(count) // CHUNK
    ranges, parts = [], []
    for block, masks in (
        (space, (2047, 1023, 2047)), (size.clip(-20, 20), (2047, 1023, 2047)), (colour, (255,) * 3),
    ):  # fmt: skip
        low = np.minimum.reduceat(block, starts, axis=0) if count else np.zeros((0, 3))
        high = np.maximum.reduceat(block, starts, axis=0) if count else np.zeros((0, 3))
        low, high = low.astype(np.float32), high.astype(np.float32)
        span = np.where(high > low, high - low, 1.0)
        shares = (block - low[chunk]) / span[chunk]
        parts.append(np.rint(shares * np.array(masks)).clip(0, masks).astype(np.int64))
        ranges += [low, high]
    largest, others = stored_rotations(floats["rotations"][order], WXYZ)
    turn = np.rint((others / SQRT_HALF + 1.0) * 511.5).clip(0, 1023).astype(np.int64)
    opacity = np.rint(sigmoid(floats["opacities"][order]) * 255.0).astype(np.int64)
    flat = np.nan_to_num(rest.reshape(count, 3 * rest.shape[1]))
    harmonics = np.floor((flat / 8.0 + 0.5) * 256.0).clip(0, 255).astype(np.int64)
    values = np.concatenate(
        [parts[1], opacity[:, None], parts[2], largest[:, None], turn, harmonics], axis=1
    )
    points = parts[0]
    points[:, 0] |= chunk << 11
    degree = HARMONICS.index(harmonics.shape[1])
    return Quantized(ChunkScheme(degree, count, np.concatenate(ranges, axis=1)), points, values)
