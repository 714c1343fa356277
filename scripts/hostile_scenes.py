"""Streams of meshes that a decoder must refuse, made on purpose; ``hostile.py`` lists them."""

from __future__ import annotations

import struct
from dataclasses import replace

from golden_scenes import HILL, decorated, hill
from hostile import Hostile, varint
from nacre.codecs.circuit_mesh import CircuitMesh, CircuitMeshSettings
from nacre.media.mesh import Scene
from nacre.stream import (
    MeshShape,
    Section,
    SectionKind,
    Stream,
    deflate,
    pack_segments,
    unpack_segments,
)

CODEC = CircuitMesh()
SMALL = CODEC.encode(Scene((hill(4),)), CircuitMeshSettings(effort=1, bits=9))
RICH = CODEC.encode(Scene((decorated(hill(4)),)), CircuitMeshSettings(effort=1, bits=9))
SEVERAL = CODEC.encode(Scene((hill(3), HILL)), CircuitMeshSettings(effort=1, bits=9))


def with_payload(payload: bytes, shape: MeshShape | None = None, stream: Stream = SMALL) -> bytes:
    """A mesh with another payload, its checksum right."""
    section = Section(SectionKind.PAYLOAD, payload)
    return replace(stream, shape=shape or stream.shape, sections=(section,)).to_bytes()


def with_segments(change: dict[int, bytes | None], stream: Stream = SMALL) -> bytes:
    """A mesh whose segments of those numbers are others; None: left out."""
    segments = [bytes(each) for each in unpack_segments(stream.payload[3:])]
    changed = [change.get(n, each) for n, each in enumerate(segments)]
    body = pack_segments([each for each in changed if each is not None])
    return with_payload(stream.payload[:3] + body, stream=stream)


def with_head(place: int, value: bytes, stream: Stream = SMALL) -> bytes:
    """A mesh whose head has ``value`` at byte ``place``."""
    head = bytearray(bytes(unpack_segments(stream.payload[3:])[0]))
    head[place : place + len(value)] = value
    return with_segments({0: bytes(head)}, stream)


def with_scene(body: bytes) -> bytes:
    """A mesh with that SCENE section."""
    sections = (Section(SectionKind.SCENE, body), *SMALL.sections)
    return replace(SMALL, sections=sections).to_bytes()


def hostile_scenes() -> list[Hostile]:
    """All of them."""
    payload, shape = SMALL.payload, SMALL.shape
    assert isinstance(shape, MeshShape)
    faces, vertices = shape.faces, shape.vertices
    # The head: number of meshes, grid (kind, bits, four float32), flags, attributes, segments.
    grid_bits, origin, flags = 2, 3, 19
    rows = [
        ("empty", "an empty payload", "Truncated", with_payload(b"")),
        ("version", "version 2 of a payload", "UnsupportedVersion",
         with_payload(b"\x02" + payload[1:])),
        ("flags", "a flag that is not known", "UnsupportedVersion",
         with_payload(payload[:1] + bytes([payload[1] | 16]) + payload[2:])),
        ("bits", "no bits, yet not lossless", "FormatError",
         with_payload(payload[:2] + b"\x00" + payload[3:])),
        ("tight", "2^26 vertices in a few bytes", "Truncated",
         with_payload(payload, MeshShape(1 << 26, faces))),
        ("limit", "2^32 - 1 faces", "LimitExceeded",
         with_payload(payload, MeshShape(vertices, (1 << 32) - 1))),
        ("faces", "forty faces more than there are", "FormatError",
         with_payload(payload, MeshShape(vertices, faces + 40))),
        ("vertices", "a vertex less than there are", "FormatError",
         with_payload(payload, MeshShape(vertices - 1, faces))),
        ("no-segments", "no segments", "FormatError", with_payload(payload[:3] + b"\x00")),
        ("segment-missing", "positions are missing", "Truncated", with_segments({2: None})),
        ("segment-more", "a segment of no mesh", "FormatError",
         with_payload(payload[:3] + pack_segments(
             [*unpack_segments(payload[3:]), b"more", b"and more"]))),
        ("connectivity", "connectivity of no bytes", "FormatError", with_segments({1: b""})),
        ("positions", "positions of a kind that is not known", "FormatError",
         with_segments({2: b"\x09"})),
        ("grid-bits", "a grid of 0 bits", "FormatError", with_head(grid_bits, b"\x00")),
        ("grid-origin", "a grid that begins at infinity", "FormatError",
         with_head(origin, struct.pack("<f", float("inf")))),
        ("kind", "positions of kind 3", "FormatError", with_head(flags, b"\x03")),
        ("meshes", "2^20 meshes", "Truncated", with_segments({0: varint(1 << 20) + bytes(9)})),
        ("sizes", "meshes that have less than the header says", "FormatError",
         with_payload(SEVERAL.payload, MeshShape(200, 300), SEVERAL)),
        ("attribute", "an attribute left out", "Truncated",
         with_segments({len(unpack_segments(RICH.payload[3:])) - 1: None}, RICH)),
        ("scene-method", "a part of SCENE of method 7", "FormatError",
         with_scene(b"\x01\x07\x02{}")),
        ("scene-json", "a document that is no object", "FormatError",
         with_scene(b"\x01\x00\x02[]")),
        ("scene-bomb", "a part of SCENE of 2^40 bytes", "LimitExceeded",
         with_scene(b"\x01\x01" + varint(1 << 40) + varint(5) + deflate(b"{}"))),
        ("scene-short", "SCENE ends early", "Truncated", with_scene(b"\x02\x00\x02\x00\x09{}abc")),
    ]  # fmt: skip
    return [Hostile(f"mesh-{name}", what, error, data) for name, what, error, data in rows]
