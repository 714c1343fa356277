"""What meshes are compared with: Draco, and byte planes through xz.

Positions and faces only, float32 and int32, with the same quality scale for all: bits of a grid
whose range is the largest side of the box, ``2^bits - 1`` steps.
"""

from __future__ import annotations

import lzma
import struct
from collections.abc import Mapping
from functools import partial
from importlib import import_module
from importlib.metadata import version
from types import MappingProxyType, ModuleType

import numpy as np
import numpy.typing as npt

from nacre.bench.peers import BITS, Candidate
from nacre.bench.triangles import Triangles
from nacre.errors import InputError
from nacre.transforms.lattice import quantize

GRIDS = (11.0, 14.0)
"""Bits that are measured when none are asked for."""


def _draco_encode(level: int, mesh: Triangles, quality: float | None, threads: int) -> bytes:
    data: bytes = _draco().encode(
        mesh.vertices,
        mesh.faces.astype(np.uint32),
        quantization_bits=whole_bits(quality),
        compression_level=level,
    )
    return data


def _draco_decode(data: bytes, threads: int) -> Triangles:
    mesh = _draco().decode(data)
    faces = np.asarray(mesh.faces).astype(np.int32)
    return Triangles(np.asarray(mesh.points, dtype=np.float32), faces)


def draco_expected(mesh: Triangles, quality: float | None) -> Triangles:
    """What Draco gives back, up to order: its quantiser and dequantiser, in float32.

    A test compares it with Draco's decoder, triangle by triangle and bit by bit. Faces that name
    a vertex twice are dropped, as its encoder does.
    """
    top = np.float32((1 << whole_bits(quality)) - 1)
    low = mesh.vertices.min(axis=0)
    side = np.float32((mesh.vertices.max(axis=0) - low).max()) or np.float32(1)
    steps = np.floor((mesh.vertices - low) * (top / side) + np.float32(0.5))
    kept = mesh.faces[(mesh.faces != np.roll(mesh.faces, 1, axis=1)).all(axis=1)]
    return Triangles((steps * (side / top) + low).astype(np.float32), kept)


def on_grid(mesh: Triangles, quality: float | None) -> Triangles:
    """What nacre's own codecs give back, up to order: the same grid as Draco's, in float64."""
    integers, grid = quantize(mesh.vertices, whole_bits(quality))
    return Triangles(grid.dequantize(integers), mesh.faces)


def whole_bits(quality: float | None) -> int:
    """The bits of a grid.

    Raises:
        InputError: not a whole number from 1 to 30.
    """
    if quality is None or quality != int(quality) or not 1 <= quality <= 30:
        raise InputError(f"{quality} bits: a whole number from 1 to 30 is expected")
    return int(quality)


def xz_size(values: npt.NDArray[np.uint32]) -> int:
    """Bytes of values ``[n, 3]`` as byte planes through xz, alone."""
    return len(_xz(values))


def _xz(values: npt.NDArray[np.uint32]) -> bytes:
    """A byte that says which, then planes of the values or of their differences, the shorter."""
    filters = [{"id": lzma.FILTER_LZMA2, "preset": 9 | lzma.PRESET_EXTREME, "lc": 0, "pb": 0}]
    planes = [np.ascontiguousarray(values), np.diff(values, axis=0, prepend=values[:1] * 0)]
    packed = [lzma.compress(_planes(one), lzma.FORMAT_XZ, filters=filters) for one in planes]
    kind = int(len(packed[1]) < len(packed[0]))
    return bytes([kind]) + packed[kind]


def _planes(values: npt.NDArray[np.uint32]) -> bytes:
    """All first bytes, column by column, then all second ones: what makes numbers fit for xz."""
    return np.ascontiguousarray(values.T).view(np.uint8).reshape(-1, 4).T.tobytes()


def _unplanes(data: bytes, count: int) -> npt.NDArray[np.uint32]:
    flat = np.frombuffer(data, np.uint8).reshape(4, 3 * count).T
    return np.ascontiguousarray(flat).view(np.uint32).reshape(3, count).T


def _xz_encode(mesh: Triangles, quality: float | None, threads: int) -> bytes:
    parts = [_xz(mesh.vertices.view(np.uint32)), _xz(mesh.faces.view(np.uint32))]
    head = struct.pack("<3I", len(mesh.vertices), len(mesh.faces), len(parts[0]))
    return head + parts[0] + parts[1]


def _xz_decode(data: bytes, threads: int) -> Triangles:
    vertices, faces, size = struct.unpack_from("<3I", data)
    found = []
    for part, count in ((data[12 : 12 + size], vertices), (data[12 + size :], faces)):
        values = _unplanes(lzma.decompress(part[1:]), count)
        found.append(np.cumsum(values, axis=0, dtype=np.uint32) if part[0] else values)
    positions, indices = map(np.ascontiguousarray, found)
    return Triangles(positions.view(np.float32), indices.view(np.int32))


def _draco() -> ModuleType:
    try:
        return import_module("DracoPy")
    except ModuleNotFoundError as error:
        raise InputError(
            "Draco needs DracoPy, which is not installed; pip install 'nacre[bench]'"
        ) from error


def _draco_version() -> str:
    _draco()
    return f"DracoPy {version('DracoPy')}"


def _draco_peer(level: int) -> Candidate:
    return Candidate(
        f"draco-{level}", "mesh", False, partial(_draco_encode, level), _draco_decode, GRIDS, BITS,
        f"level {level}, positions and faces", _draco_version, expected=draco_expected,
    )  # fmt: skip


_ALL = (
    _draco_peer(7),
    _draco_peer(10),
    Candidate(
        "xz-planes", "mesh", True, _xz_encode, _xz_decode, (), BITS,
        "byte planes of float32 positions and of indices, each plain or as differences, xz 9e",
        lambda: "liblzma of Python",
    ),
)  # fmt: skip

MESH_PEERS: Mapping[str, Candidate] = MappingProxyType({peer.name: peer for peer in _ALL})
"""Every peer of meshes, by name."""
