"""SOG files (PlayCanvas), version 2, read to their exact integers and written from them.

A ZIP of ``meta.json`` and lossless WebP pictures, a pixel a splat: positions as two bytes of a
symmetric logarithm, scales and colours as indices of codebooks of 256 entries, three components of
a quaternion, opacity; harmonics as a palette that splats share.
Source: "The SOG format", developer.playcanvas.com.
"""

from __future__ import annotations

import io
import json
import struct
import zipfile
import zlib
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
import numpy.typing as npt
import PIL.Image

from nacre.errors import FormatError, InputError
from nacre.limits import Limits
from nacre.media.splat_schemes import (
    HARMONICS,
    SQRT_HALF,
    WXYZ,
    Floats,
    Int64s,
    Quantized,
    logit,
    quaternions,
    sigmoid,
    stored_rotations,
)
from nacre.stream import Reader, SplatShape, deflate, inflate

ENTRIES = 256
MOST_COLOURS = 1 << 16
_ROW = 64
"""Entries of the palette in a row of its picture."""
_META_BYTES = 1 << 22
_PICTURES = {"means": 2, "scales": 1, "quats": 1, "sh0": 1}
_FIXED = struct.Struct("<BB6d")


@dataclass(frozen=True, eq=False)
class SogScheme:
    """What the integers of a SOG file mean.

    Attributes:
        mins, maxs: of sign(x) ln(1 + abs(x)) of positions x.
        codebooks: of log-scales, colours and, with harmonics, those, float64 ``[2 or 3, 256]``.
        bands: degree of the palette's harmonics, 0 to 3.
        antialiased: as the file says.
    """

    kind: ClassVar[str] = "sog"
    mins: tuple[float, float, float]
    maxs: tuple[float, float, float]
    codebooks: Floats
    bands: int
    antialiased: bool
    degree: ClassVar[int] = 0
    point_bits: ClassVar[int] = 16
    bits: ClassVar[tuple[int, ...]] = (*[8] * 7, 2, 8, 8, 8)
    order: ClassVar[tuple[int, int, int, int]] = WXYZ
    component: ClassVar[tuple[float, float]] = (2.0 * SQRT_HALF / 255.0, -SQRT_HALF)

    def coordinates(self, points: Int64s) -> Floats:
        """Places in the space of logarithms, which are the same everywhere."""
        low, high = np.array(self.mins), np.array(self.maxs)
        places: Floats = low + (high - low) * (points / 65535.0)
        return places

    def floats(self, quantized: Quantized) -> dict[str, Any]:
        """The arrays of Splats."""
        values, logs = quantized.values, self.coordinates(quantized.points)
        count = len(values)
        rest = np.zeros((count, 0, 3), np.float32)
        if quantized.labels is not None and quantized.palette is not None:
            colours = self.codebooks[2][quantized.palette].reshape(len(quantized.palette), -1, 3)
            rest = colours[quantized.labels].astype(np.float32)
        with np.errstate(over="ignore"):
            positions = np.sign(logs) * np.expm1(np.abs(logs))
        return {
            "positions": np.nan_to_num(positions.astype(np.float32)),
            "log_scales": self.codebooks[0][values[:, :3]].astype(np.float32),
            "opacities": logit(values[:, 3] / 255.0),
            "sh0": self.codebooks[1][values[:, 4:7]].astype(np.float32),
            "rotations": quaternions(values, self.order, self.component),
            "shN": rest,
            "antialiased": self.antialiased,
        }

    def bounds(self) -> Mapping[str, float]:
        """Half a step of opacity and rotation; other steps are not even."""
        return {"opacity": 0.5 / 255, "rotation": self.component[0] / 2}

    def to_bytes(self) -> bytes:
        """The scheme as bytes, codebooks as float32 where that is exact."""
        single = self.codebooks.astype(np.float32)
        exact = bool((single == self.codebooks).all())
        table = single if exact else self.codebooks
        size = table.dtype.itemsize
        # Neighbours in a sorted codebook share their upper bytes: differences, byte by byte.
        whole = table.view(f"u{size}").reshape(-1)
        whole = np.diff(whole, prepend=whole[:1] * 0)
        planes = whole.astype(f"<u{size}").view(np.uint8).reshape(-1, size).T.tobytes()
        flags = self.bands | (4 if exact else 0) | (8 if self.antialiased else 0)
        return _FIXED.pack(len(self.codebooks), flags, *self.mins, *self.maxs) + deflate(planes)

    @staticmethod
    def from_bytes(data: bytes | memoryview) -> SogScheme:
        """The inverse of :meth:`to_bytes`.

        Raises:
            FormatError: the numbers are none that it writes.
        """
        reader = Reader(data, "SOG scheme")
        count, flags, *edges = _FIXED.unpack(reader.take(_FIXED.size, "numbers"))
        bands, size = flags & 3, 4 if flags & 4 else 8
        if flags > 15 or count != (3 if bands else 2):
            raise FormatError("SOG scheme: flags that no encoder writes")
        planes = inflate(reader.rest(), count * ENTRIES * size, where="SOG codebooks")
        rows = np.frombuffer(planes, np.uint8).reshape(size, -1).T
        whole = np.ascontiguousarray(rows).view(f"<u{size}")[:, 0].astype(f"u{size}")
        whole = np.cumsum(whole, dtype=whole.dtype)
        table = whole.view(f"f{size}").astype(np.float64).reshape(count, ENTRIES)
        if not np.isfinite(edges).all() or not np.isfinite(table).all():
            raise FormatError("SOG scheme: numbers that are not finite")
        low, high = (edges[0], edges[1], edges[2]), (edges[3], edges[4], edges[5])
        if max(map(abs, edges)) > 1e6:
            raise FormatError("SOG scheme: positions out of range")
        return SogScheme(low, high, table, bands, bool(flags & 8))


def read_sog(data: bytes, limits: Limits) -> Quantized:
    """The integers of a file.

    Raises:
        InputError: it is no SOG file, or a damaged one.
        LimitExceeded: it declares more splats than ``limits`` allow.
    """
    try:
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            return _read(archive, limits)
    except (
        zipfile.BadZipFile,
        zlib.error,
        NotImplementedError,
        RuntimeError,
        EOFError,
        OSError,
    ) as error:
        raise InputError(f"SOG: damaged ZIP ({error})") from None
    except (KeyError, TypeError, ValueError, OverflowError) as error:
        raise InputError(f"SOG: meta.json is not as the format says ({error!r})") from None


def _read(archive: zipfile.ZipFile, limits: Limits) -> Quantized:
    meta = json.loads(_entry(archive, "meta.json", _META_BYTES))
    if not isinstance(meta, dict) or meta.get("version") != 2:
        raise InputError("SOG: meta.json of version 2 is expected")
    count = int(meta["count"])
    if count < 0:
        raise InputError(f"SOG: {count} splats")
    SplatShape(count, 0).check(limits)
    pictures = {
        name: [_picture(archive, str(file), count, limits) for file in meta[name]["files"][:files]]
        for name, files in _PICTURES.items()
    }
    if len(pictures["means"]) != 2 or not all(pictures.values()):
        raise InputError("SOG: meta.json names too few pictures")
    low, high = (part.astype(np.int64) for part in pictures["means"])
    scales, turns, base = (
        pictures[name][0].astype(np.int64) for name in ("scales", "quats", "sh0")
    )
    values = np.concatenate(
        [scales[:, :3], base[:, 3:], base[:, :3], turns[:, 3:] - 252, turns[:, :3]], axis=1
    )
    if count and values[:, 7].min() < 0:
        raise InputError("SOG: a quaternion without the number of its largest component")
    books = [_codebook(meta["scales"]), _codebook(meta["sh0"])]
    labels, palette, bands = None, None, 0
    if meta.get("shN"):
        labels, palette, bands = _harmonics(archive, meta["shN"], count, limits)
        books.append(_codebook(meta["shN"]))
    edges = [[float(x) for x in meta["means"][name]] for name in ("mins", "maxs")]
    if (
        any(len(row) != 3 for row in edges)
        or not np.isfinite(edges).all()
        or np.abs(edges).max() > 1e6
    ):
        raise InputError(f"SOG: positions between {edges[0]} and {edges[1]}")
    corners = [(row[0], row[1], row[2]) for row in edges]
    scheme = SogScheme(corners[0], corners[1], np.stack(books), bands, bool(meta.get("antialias")))
    return Quantized(scheme, (low + 256 * high)[:, :3], values, labels, palette)


def _entry(archive: zipfile.ZipFile, name: str, most: int) -> bytes:
    """A file of the archive, of at most so many bytes whatever its header says."""
    with archive.open(name) as file:
        data = file.read(most + 1)
    if len(data) > most:
        raise InputError(f"SOG: {name} has over {most:,} bytes")
    return data


def _pixels(archive: zipfile.ZipFile, name: str, limits: Limits) -> npt.NDArray[np.uint8]:
    """A picture, ``[H, W, 4]``."""
    data = _entry(archive, name, min(limits.bytes, 1 << 30))
    try:
        with PIL.Image.open(io.BytesIO(data), formats=("WEBP", "PNG")) as picture:
            limits.check("pixels", picture.width * picture.height, f"SOG picture {name}")
            return np.array(picture.convert("RGBA"))
    except (OSError, SyntaxError, PIL.Image.DecompressionBombError) as error:
        raise InputError(f"SOG: picture {name} cannot be read ({error})") from None


def _picture(
    archive: zipfile.ZipFile, name: str, count: int, limits: Limits
) -> npt.NDArray[np.uint8]:
    """The pixels of ``count`` splats, ``[count, 4]``."""
    pixels = _pixels(archive, name, limits).reshape(-1, 4)
    if len(pixels) < count:
        raise InputError(f"SOG: {name} has {len(pixels):,} pixels for {count:,} splats")
    return pixels[:count]


def _codebook(section: Mapping[str, Any]) -> Floats:
    book = np.array(section["codebook"], np.float64)
    if book.ndim != 1 or not 1 <= len(book) <= ENTRIES or not np.isfinite(book).all():
        raise InputError(f"SOG: a codebook of shape {book.shape}; 256 numbers are expected")
    return np.pad(book, (0, ENTRIES - len(book)), mode="edge")


def _harmonics(
    archive: zipfile.ZipFile, section: Mapping[str, Any], count: int, limits: Limits
) -> tuple[Int64s, Int64s, int]:
    bands, entries = int(section["bands"]), int(section["count"])
    if not 1 <= bands <= 3 or not 1 <= entries <= MOST_COLOURS:
        raise InputError(f"SOG: a palette of {entries:,} entries, {bands} bands")
    centroids, labels = (str(name) for name in section["files"][:2])
    width = HARMONICS[bands] // 3
    pixels = _pixels(archive, centroids, limits)
    if pixels.shape[1] < _ROW * width or pixels.shape[0] * _ROW < entries:
        raise InputError(f"SOG: {centroids} is too small for {entries:,} entries")
    table = pixels[:, : _ROW * width, :3].reshape(-1, width * 3)[:entries].astype(np.int64)
    found = _picture(archive, labels, count, limits).astype(np.int64)
    numbers = found[:, 0] + 256 * found[:, 1]
    if count and numbers.max() >= entries:
        raise InputError(f"SOG: a splat names entry {numbers.max():,} of {entries:,}")
    return numbers, table, bands


def write_sog(quantized: Quantized) -> bytes:
    """A file of these integers, which must be of this scheme."""
    scheme = quantized.scheme
    assert isinstance(scheme, SogScheme)
    values, points, count = quantized.values, quantized.points, len(quantized.values)
    width = max(4 * -(-int(np.ceil(np.sqrt(count))) // 4), 4)
    height = max(-(-count // width), 1)

    def picture(columns: Int64s) -> bytes:
        pixels = np.zeros((height * width, 4), np.uint8)
        pixels[:, 3] = 255
        pixels[:count, : columns.shape[1]] = columns
        return _webp(pixels.reshape(height, width, 4))

    files = {
        "means_l.webp": picture(points & 255),
        "means_u.webp": picture(points >> 8),
        "quats.webp": picture(np.concatenate([values[:, 8:11], values[:, 7:8] + 252], axis=1)),
        "scales.webp": picture(values[:, :3]),
        "sh0.webp": picture(np.concatenate([values[:, 4:7], values[:, 3:4]], axis=1)),
    }
    books = scheme.codebooks.tolist()
    meta: dict[str, Any] = {
        "version": 2,
        "count": count,
        "antialias": scheme.antialiased,
        "means": {
            "mins": scheme.mins, "maxs": scheme.maxs, "files": ["means_l.webp", "means_u.webp"],
        },
        "scales": {"codebook": books[0], "files": ["scales.webp"]},
        "quats": {"files": ["quats.webp"]},
        "sh0": {"codebook": books[1], "files": ["sh0.webp"]},
    }  # fmt: skip
    if quantized.labels is not None and quantized.palette is not None:
        palette, labels = quantized.palette, quantized.labels
        rows, coefficients = -(-len(palette) // _ROW), palette.shape[1] // 3
        pixels = np.zeros((rows * _ROW, coefficients, 4), np.uint8)
        pixels[..., 3] = 255
        pixels[: len(palette), :, :3] = palette.reshape(len(palette), -1, 3)
        files["shN_centroids.webp"] = _webp(pixels.reshape(rows, -1, 4))
        files["shN_labels.webp"] = picture(np.stack([labels & 255, labels >> 8], axis=1))
        meta["shN"] = {
            "count": len(palette), "bands": scheme.bands, "codebook": books[2],
            "files": ["shN_centroids.webp", "shN_labels.webp"],
        }  # fmt: skip
    files["meta.json"] = json.dumps(meta, separators=(",", ":")).encode()
    return _zip(files)


def _webp(pixels: npt.NDArray[np.uint8]) -> bytes:
    out = io.BytesIO()
    picture = PIL.Image.fromarray(np.ascontiguousarray(pixels))
    picture.save(out, "WEBP", lossless=True, exact=True, quality=100, method=6)
    return out.getvalue()


def _zip(files: Mapping[str, bytes]) -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_STORED) as archive:
        for name, data in files.items():
            archive.writestr(zipfile.ZipInfo(name, (1980, 1, 1, 0, 0, 0)), data)
    return out.getvalue()


def to_sog(floats: dict[str, Any]) -> Quantized:
    """Integers of floats (the arrays of Splats), rounded as SOG stores them.

    Raises:
        InputError: they have harmonics, whose palette would have to be searched for.
    """
    if floats["shN"].shape[1]:
        raise InputError(
            "SOG of floats with harmonics is not written here, for their palette would have to be "
            "searched for; save as .spz or .ply, or drop the harmonics"
        )
    positions = np.nan_to_num(floats["positions"].astype(np.float64))
    logs = np.sign(positions) * np.log1p(np.abs(positions))
    low = logs.min(axis=0) if len(logs) else np.zeros(3)
    high = logs.max(axis=0) if len(logs) else np.ones(3)
    high = np.where(high > low, high, low + 1.0)
    points = np.rint((logs - low) / (high - low) * 65535.0).clip(0, 65535).astype(np.int64)
    scale_book, scales = _nearest(floats["log_scales"])
    colour_book, colours = _nearest(floats["sh0"])
    largest, others = stored_rotations(floats["rotations"], WXYZ)
    turn = np.rint((others / SQRT_HALF + 1.0) * 127.5).clip(0, 255).astype(np.int64)
    opacity = np.rint(sigmoid(floats["opacities"]) * 255.0).astype(np.int64)
    values = np.concatenate([scales, opacity[:, None], colours, largest[:, None], turn], axis=1)
    corners = [(float(row[0]), float(row[1]), float(row[2])) for row in (low, high)]
    books = np.stack([scale_book, colour_book])
    flag = bool(floats.get("antialiased"))
    return Quantized(SogScheme(corners[0], corners[1], books, 0, flag), points, values)


def _nearest(values: npt.NDArray[Any]) -> tuple[Floats, Int64s]:
    """A codebook of 256 float32 numbers for values, and the nearest entry of each.

    Quantiles to begin with, then the means of what is nearest to each (Lloyd).
    """
    flat = np.nan_to_num(values.astype(np.float64)).clip(-1e30, 1e30)
    if not flat.size:
        return np.zeros(ENTRIES), np.zeros(values.shape, np.int64)
    ordered = np.sort(flat.reshape(-1))
    book = ordered[np.linspace(0, len(ordered) - 1, ENTRIES).round().astype(np.int64)]
    sums = np.concatenate([[0.0], np.cumsum(ordered)])
    for _ in range(20):
        ends = np.searchsorted(ordered, (book[1:] + book[:-1]) / 2)
        starts, stops = np.concatenate([[0], ends]), np.concatenate([ends, [len(ordered)]])
        counts = stops - starts
        means = (sums[stops] - sums[starts]) / np.maximum(counts, 1)
        book = np.where(counts > 0, means, book)
    book = np.sort(book).astype(np.float32).astype(np.float64)
    indices = np.searchsorted((book[1:] + book[:-1]) / 2, flat)
    return book, indices.astype(np.int64)
