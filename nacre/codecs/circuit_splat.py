"""Codec 9, ``circuit-splat``: scenes of 3D Gaussians, exactly at a file's own integers or rounded.

Positions are a tree of cells under mixed contexts; attributes follow along it, each predicted from
the splats nearby: their means, the surface that their flat sides lie in, and the sibling of which
a splat may be a copy. Probabilities are mixtures of distributions whose weights learn within the
file (sums over products of factors: a circuit), so there are no weights to ship.

Good at: SPZ and SOG files (kept exactly, and written back as such), PLY files of floats. Bad at:
scenes of a few hundred splats, which learn little. Splats come back in another order.

Sections: PAYLOAD, a version byte and segments: scheme, positions, attributes, then palette and
labels where there are some. docs/splats.md has the rest.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

import numpy as np

from nacre.codecs.base import Region
from nacre.entropy.octree import decode_octree, encode_octree, morton_order
from nacre.entropy.splats.attributes import Layout, decode_attributes, encode_attributes
from nacre.entropy.splats.palette import decode_table, encode_table
from nacre.errors import FormatError, InputError, ModelError, UnsupportedVersion
from nacre.media.splat import SCHEMES, Splats, from_quantized, read_scheme
from nacre.media.splat_grid import PRECISIONS, to_grid
from nacre.media.splat_schemes import HARMONICS, Quantized, Scheme
from nacre.stream import (
    Reader,
    Section,
    SectionKind,
    SplatShape,
    Stream,
    pack_segments,
    unpack_segments,
    write_varint,
)

VERSION = 1
_LABEL_BITS, _COLOUR_BITS = 16, 8


@dataclass(frozen=True)
class CircuitSplatSettings:
    """What a user may choose.

    Attributes:
        precision: ``source``: a file's own integers, or ``medium`` where it has floats; ``low``,
            ``medium``, ``high``: rounded so far.
        bits: of positions along the longest side, 8 to 24; 0: as the precision says.
        lossless: refuse what would have to be rounded.

    Raises:
        InputError: a value outside its range.
    """

    precision: str = "source"
    bits: int = 0
    lossless: bool = False

    def __post_init__(self) -> None:
        if self.precision != "source" and self.precision not in PRECISIONS:
            raise InputError(
                f"precision {self.precision!r}; source, {', '.join(PRECISIONS)} are possible"
            )
        if self.bits and not 8 <= self.bits <= 24:
            raise InputError(f"{self.bits} bits of positions are outside 8..24")
        if self.lossless and (self.precision != "source" or self.bits):
            raise InputError("lossless keeps the source's integers; leave precision and bits out")


class CircuitSplat:
    """The codec; see :class:`nacre.codecs.base.Codec` for what its methods promise.

    Raises:
        ModelError: a model is given; there is none to use.
    """

    name: ClassVar[str] = "circuit-splat"
    number: ClassVar[int] = 9
    medium: ClassVar[str] = "splat"
    lossless: ClassVar[bool] = False
    models: ClassVar[tuple[str, ...]] = ()
    settings: ClassVar[type] = CircuitSplatSettings

    def __init__(self, device: str = "cpu", model: str | Path | None = None) -> None:
        if model is not None:
            raise ModelError(f"codec circuit-splat uses no model, {model} was given")

    def encode(self, item: Splats, settings: CircuitSplatSettings) -> Stream:
        """A stream of the splats; their order is not kept.

        Raises:
            InputError: ``lossless`` is asked for, but they are floats without integers.
        """
        quantized = _quantized(item, settings)
        payload = Section(SectionKind.PAYLOAD, encode_quantized(quantized))
        return Stream(self.number, None, item.shape, (payload,))

    def decode(self, stream: Stream, *, region: Region | None = None) -> Splats:
        """The splats in Morton order, with the integers that were coded.

        Raises:
            FormatError: the sections do not hold what :meth:`encode` writes.
            InputError: a region is asked for.
        """
        if region is not None:
            raise InputError("circuit-splat decodes a whole scene; a region is for pictures")
        shape = stream.shape
        if stream.items is not None or not isinstance(shape, SplatShape):
            raise FormatError(f"codec circuit-splat holds one scene of splats, not {shape}")
        splats = from_quantized(decode_quantized(stream.payload, shape.splats))
        if splats.degree != shape.degree:
            raise FormatError(
                f"PAYLOAD has harmonics of degree {splats.degree}, the header says {shape.degree}"
            )
        return splats


def _quantized(item: Splats, settings: CircuitSplatSettings) -> Quantized:
    if settings.precision == "source" and not settings.bits and item.quantized is not None:
        return item.quantized
    if settings.lossless:
        raise InputError(
            "lossless needs integers (SPZ, SOG or compressed PLY); these splats are floats. "
            "Use precision high, or save them as .spz or .sog first"
        )
    precision = "medium" if settings.precision == "source" else settings.precision
    return to_grid(item.arrays(), precision, settings.bits)


def _layout(scheme: Scheme) -> Layout:
    return Layout(scheme.bits, scheme.order, *scheme.component)


def encode_quantized(quantized: Quantized, *, spent: dict[str, float] | None = None) -> bytes:
    """A payload.

    Args:
        quantized: the integers.
        spent: the bits that each part took are written to it.
    """
    scheme = quantized.scheme
    order = morton_order(quantized.points, scheme.point_bits)
    points = quantized.points[order]
    channels = np.zeros(len(scheme.bits))
    segments = [
        scheme.to_bytes(),
        encode_octree(points, scheme.point_bits),
        encode_attributes(
            scheme.coordinates(points), quantized.values[order], _layout(scheme), spent=channels
        ),
    ]
    if quantized.labels is not None and quantized.palette is not None:
        palette = quantized.palette
        head = bytearray()
        write_varint(head, len(palette))
        write_varint(head, HARMONICS.index(palette.shape[1]))
        segments.append(bytes(head) + encode_table(palette, _COLOUR_BITS))
        segments.append(encode_table(quantized.labels[order][:, None], _LABEL_BITS))
    if spent is not None:
        names = ("scale", "opacity", "colour", "rotation", "harmonics")
        ends = (0, 3, 4, 7, 11, len(channels))
        spent["position"] = 8.0 * len(segments[1])
        spent |= {n: channels[a:b].sum() for n, a, b in zip(names, ends, ends[1:], strict=False)}
        spent["harmonics"] += 8.0 * sum(map(len, segments[3:]))
        spent["scheme"] = 8.0 * len(segments[0])
    number = SCHEMES.index(type(scheme))
    return bytes([VERSION, number]) + pack_segments(segments)


def decode_quantized(payload: bytes | memoryview, count: int) -> Quantized:
    """The integers of a payload of ``count`` splats, in Morton order.

    Raises:
        FormatError: it is damaged.
    """
    reader = Reader(payload, "PAYLOAD")
    if (version := reader.unsigned(1, "version")) != VERSION:
        raise UnsupportedVersion(f"PAYLOAD: version {version} is not known here; upgrade nacre")
    number = reader.unsigned(1, "scheme")
    segments = unpack_segments(reader.rest(), where="PAYLOAD")
    if len(segments) not in (3, 5):
        raise FormatError(f"PAYLOAD has {len(segments)} segments; 3 or 5 are expected")
    scheme = read_scheme(number, segments[0])
    points = decode_octree(segments[1], scheme.point_bits, most=count)
    if len(points) != count:
        raise FormatError(f"PAYLOAD has {len(points):,} splats, the header says {count:,}")
    places = scheme.coordinates(points)
    if not np.isfinite(places).all():
        raise FormatError("PAYLOAD: positions that are not finite")
    values = decode_attributes(segments[2], places, _layout(scheme))
    if len(segments) == 3:
        return Quantized(scheme, points, values)
    head = Reader(segments[3], "palette")
    entries = head.varint("entries", 1 << _LABEL_BITS)
    degree = head.varint("degree", 3)
    if not entries or not degree or degree != getattr(scheme, "bands", 0):
        raise FormatError(f"a palette of {entries:,} entries of degree {degree}")
    palette = decode_table(head.rest(), entries, HARMONICS[degree], _COLOUR_BITS)
    labels = decode_table(segments[4], count, 1, _LABEL_BITS)[:, 0]
    if count and labels.max() >= entries:
        raise FormatError(f"a splat names entry {labels.max():,} of {entries:,}")
    return Quantized(scheme, points, values, labels, palette)
