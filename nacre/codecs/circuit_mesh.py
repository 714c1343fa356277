"""Codec 8, ``circuit-mesh``: triangle meshes and point clouds, connectivity exact.

Connectivity is grown face by face and coded under mixed contexts; positions follow along it, by a
mixture of distributions around many predictions, whose weights adapt (a sum node over product
nodes: the circuit), with a small network as its prior; then attributes along both. Positions and
other floats are rounded to grids of so many bits, or kept to the last bit. Vertices and faces come
back in an order of the codec's own, or, if asked, in theirs.

Good at: meshes of any topology, a fifth smaller than Draco's; exact floats; scenes that keep their
materials, nodes and textures. Bad at: speed (Draco is ten times as fast).

Sections: PAYLOAD, a head and segments for each mesh (docs/format.md, "Codec 8"); SCENE, what a
scene carries beside its meshes. ``nacre/mesh_payload.py`` and ``nacre/entropy/mesh/`` do the work.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import numpy.typing as npt

from nacre.codecs.base import Region
from nacre.entropy.mesh.payload import EXACT, FREE, KEEPS, LOSSLESS, ROOM, SHARED, VERSION
from nacre.errors import FormatError, InputError, ModelError, Truncated, UnsupportedVersion
from nacre.media.mesh import Scene
from nacre.media.mesh_carried import pack_scene, unpack_scene
from nacre.media.mesh_symbols import read_grid, write_grid
from nacre.mesh_attributes import Manner
from nacre.mesh_decoding import decode_mesh, read_head
from nacre.mesh_models import MeshModel, load_model, shipped_model
from nacre.mesh_payload import Packed, encode_mesh
from nacre.models import find_model
from nacre.stream import (
    Bytes,
    MeshShape,
    Reader,
    Section,
    SectionKind,
    Stream,
    pack_segments,
    unpack_segments,
    write_varint,
)
from nacre.transforms.lattice import Grid, find_lattice, quantize, split_zeros

POSITION_BITS = range(8, 25)
ATTRIBUTE_BITS = range(2, 25)
NETWORK_EFFORT, LARGE_EFFORT = 3, 4


@dataclass(frozen=True)
class CircuitMeshSettings:
    """What a user may choose.

    Attributes:
        bits: of a position's coordinate, 8 to 24: the longest side of the scene's box has
            2^bits - 1 steps, and an error is at most half a step per axis. 14 as glTF's tools.
        normal_bits: of a normal's octahedral coordinates, 2 to 20.
        uv_bits: of texture coordinates, 2 to 24.
        color_bits: of colours that are floats, 2 to 24; whole numbers are kept.
        generic_bits: of other floats, 2 to 24.
        effort: 1 (tables), 2 (a mixture that learns within the file), 3 (and a network of 24
            thousand parameters), 4 (one of 79 thousand). What needs a model that is not there is
            as the next lower one.
        lossless: every bit of every number comes back, NaN and -0 included.
        keep_order: vertices and faces come back in their order.
        grid: ``scene``, one for all meshes, so that what met still meets; or ``mesh``, finer.

    Raises:
        InputError: a value outside its range.
    """

    bits: int = 14
    normal_bits: int = 10
    uv_bits: int = 12
    color_bits: int = 8
    generic_bits: int = 12
    effort: int = 3
    lossless: bool = False
    keep_order: bool = False
    grid: str = "scene"

    def __post_init__(self) -> None:
        for name, value in vars(self).items():
            allowed = POSITION_BITS if name == "bits" else ATTRIBUTE_BITS
            if name == "normal_bits":
                allowed = range(2, 21)
            if name.endswith("bits") and value not in allowed:
                raise InputError(f"{name} {value} is outside {allowed.start}..{allowed.stop - 1}")
        if not 1 <= self.effort <= LARGE_EFFORT:
            raise InputError(f"effort {self.effort} is outside 1..{LARGE_EFFORT}")
        if self.grid not in ("scene", "mesh"):
            raise InputError(f"grid {self.grid!r} is not one of scene, mesh")


@dataclass(frozen=True, eq=False)
class Mapped:
    """A stream, and where what it holds came from.

    Attributes:
        stream: the stream.
        vertex_maps: of each mesh, the input's vertex of each decoded one, int32 ``[V]``.
        face_maps: of each mesh, the input's face of each decoded one, int32 ``[F]``.
    """

    stream: Stream
    vertex_maps: tuple[npt.NDArray[np.int32], ...]
    face_maps: tuple[npt.NDArray[np.int32], ...]


class CircuitMesh:
    """The codec; see :class:`nacre.codecs.base.Codec` for what its methods promise.

    Raises:
        ModelError: the model is missing or damaged.
    """

    name: ClassVar[str] = "circuit-mesh"
    number: ClassVar[int] = 8
    medium: ClassVar[str] = "mesh"
    lossless: ClassVar[bool] = False
    models: ClassVar[tuple[str, ...]] = ("circuit-mesh", "circuit-mesh-large")
    picks_model: ClassVar[bool] = True
    settings: ClassVar[type] = CircuitMeshSettings

    def __init__(self, device: str = "cpu", model: str | Path | None = None) -> None:
        self.model: MeshModel | None = None if model is None else load_model(Path(model))

    def encode(self, item: Scene, settings: CircuitMeshSettings) -> Stream:
        """A stream that holds ``item``.

        Raises:
            InputError: a vertex that no grid has, such as NaN, or no vertices at all.
        """
        return self.encode_mapped(item, settings).stream

    def encode_mapped(self, item: Scene, settings: CircuitMeshSettings) -> Mapped:
        """As :meth:`encode`, with the order that vertices and faces come back in."""
        if not item.shape.vertices:
            raise InputError("the scene has no vertices; there is nothing to encode")
        model = self._model(settings.effort)
        grids, shared = _grids(item, settings)
        manner = _manner(settings, model)
        packed = [
            encode_mesh(mesh, manner, grid) for mesh, grid in zip(item.meshes, grids, strict=True)
        ]
        payload = _payload(item, settings, grids, shared, packed)
        sections = [Section(SectionKind.PAYLOAD, payload)]
        if item.document or item.blobs:
            sections.insert(0, Section(SectionKind.SCENE, pack_scene(item.document, item.blobs)))
        identity = model.id if model is not None else None
        stream = Stream(self.number, identity, item.shape, tuple(sections))
        return Mapped(
            stream, tuple(p.vertex_map for p in packed), tuple(p.face_map for p in packed)
        )

    def decode(self, stream: Stream, *, region: Region | None = None) -> Scene:
        """The scene in ``stream``.

        Raises:
            FormatError: the sections do not hold what :meth:`encode` writes.
            LimitExceeded: what it carries takes more bytes than the limits allow.
            ModelError: it names a model other than the one that this codec was made with, or one
                that is not there.
        """
        shape = stream.shape
        if stream.items is not None or not isinstance(shape, MeshShape):
            raise FormatError(f"codec circuit-mesh holds a scene of meshes, not {shape}")
        model = self._named(stream.model)
        try:
            carried = stream.find(SectionKind.SCENE)
            document, blobs = ({}, ()) if carried is None else unpack_scene(carried, stream.limits)
            meshes = _decode_payload(stream, shape, model)
            return Scene(meshes, document, blobs)
        except (InputError, ModelError) as error:
            # Of a mesh that damaged data made, or of a part that asks for a model of its own.
            raise FormatError(f"PAYLOAD: {error}") from None

    def _model(self, effort: int) -> MeshModel | None:
        """The model to encode with, if there is one."""
        if effort < NETWORK_EFFORT:
            return None
        large = shipped_model(large=True) if effort == LARGE_EFFORT else None
        return self.model or large or shipped_model()

    def _named(self, identity: bytes | None) -> MeshModel | None:
        """The model that a stream names: this codec's, or else one that can be found."""
        if identity is None:
            return None
        if self.model is None:
            return load_model(find_model(identity, codec=self.name).path)
        if self.model.id != identity:
            raise ModelError(
                f"the stream was made with model {identity.hex()}, "
                f"the codec with model {self.model.id.hex()}"
            )
        return self.model


def _manner(settings: CircuitMeshSettings, model: MeshModel | None) -> Manner:
    return Manner(
        bits={
            "normal": settings.normal_bits,
            "uv": settings.uv_bits,
            "color": settings.color_bits,
            "generic": settings.generic_bits,
        },
        effort=settings.effort if model is not None else min(settings.effort, 2),
        lossless=settings.lossless,
        keep="all" if settings.keep_order else "none",
        network=model.network if model is not None else None,
        primed=model.primed if model is not None else None,
    )


def _grids(item: Scene, settings: CircuitMeshSettings) -> tuple[list[Grid | None], bool]:
    """The grid of each mesh, None where positions are exact; and whether they are one."""
    if settings.lossless:
        return [None] * len(item.meshes), False
    for mesh in item.meshes:
        odd = np.argwhere(~np.isfinite(mesh.vertices))
        if len(odd):
            row, axis = odd[0].tolist()
            raise InputError(
                f"vertex {row:,} is {mesh.vertices[row, axis]} in {'xyz'[axis]}, which no grid "
                "has; repair the mesh, or keep such values with --lossless"
            )
    if all(_fits(mesh.vertices, settings.bits) for mesh in item.meshes):
        return [None] * len(item.meshes), False
    if settings.grid == "mesh" and len(item.meshes) > 1:
        return [_grid(mesh.vertices, settings.bits) for mesh in item.meshes], False
    everything = np.concatenate([mesh.vertices for mesh in item.meshes])
    return [_grid(everything, settings.bits)] * len(item.meshes), True


def _grid(vertices: npt.NDArray[Any], bits: int) -> Grid:
    """The grid of vertices; its origin has no -0, which what is decoded would not have either."""
    grid = quantize(vertices, bits)[1]
    x, y, z = grid.origin
    return replace(grid, origin=(x + 0.0, y + 0.0, z + 0.0))


def _fits(vertices: npt.NDArray[Any], bits: int) -> bool:
    """Whether vertices lie on a lattice of theirs that is no finer than the grid would be."""
    if vertices.dtype != np.float32:
        return False
    plain, _ = split_zeros(vertices)
    lattice = find_lattice(plain)
    if lattice is None:
        return False
    integers = lattice.quantize(plain)
    spans = [int(axis.max()) - int(axis.min()) for axis in integers.T if len(axis)]
    return max(spans, default=0) < 1 << bits


def _payload(
    item: Scene,
    settings: CircuitMeshSettings,
    grids: list[Grid | None],
    shared: bool,
    packed: list[Packed],
) -> bytes:
    flags = LOSSLESS * settings.lossless | SHARED * shared | KEEPS * settings.keep_order
    flags |= EXACT * all(grid is None for grid in grids)
    head = bytearray()
    write_varint(head, len(item.meshes))
    if shared and grids[0] is not None:
        write_grid(head, grids[0])
    for mesh, grid, part in zip(item.meshes, grids, packed, strict=True):
        if len(item.meshes) > 1:
            write_varint(head, len(mesh.vertices))
            write_varint(head, len(mesh.faces))
        if grid is not None and not shared:
            write_grid(head, grid)
        head += part.head
    segments = [bytes(head), *(segment for part in packed for segment in part.segments)]
    body = bytes([VERSION, flags, 0 if settings.lossless else settings.bits])
    body += pack_segments(segments)
    wanted = -(-(item.shape.vertices + item.shape.faces - FREE) // ROOM)
    if len(body) < wanted:  # so that a few bytes can never ask for much memory
        body = body[:3] + pack_segments([*segments, bytes(wanted - len(body))])
    return body


def _decode_payload(stream: Stream, shape: MeshShape, model: MeshModel | None) -> Any:
    """The meshes of a payload."""
    reader = Reader(stream.payload, "PAYLOAD")
    version, flags = reader.unsigned(1, "version"), reader.unsigned(1, "flags")
    bits = reader.unsigned(1, "bits")
    if version != VERSION or flags & ~(EXACT | SHARED | KEEPS | LOSSLESS):
        raise UnsupportedVersion(
            f"PAYLOAD: version {version} of meshes (flags {flags}) is not known here; "
            "upgrade with `pip install -U nacre`"
        )
    if shape.vertices + shape.faces > FREE + ROOM * len(stream.payload):
        raise Truncated(
            f"PAYLOAD: {shape.vertices:,} vertices and {shape.faces:,} faces in "
            f"{len(stream.payload):,} bytes; no writer packs them so tightly"
        )
    segments: list[Bytes] = list(unpack_segments(reader.rest(), where="PAYLOAD"))
    exact = bool(flags & EXACT)
    if flags & LOSSLESS and not exact:
        raise FormatError("PAYLOAD: lossless, but positions on a grid")
    if not segments or (bits == 0) != bool(flags & LOSSLESS):
        raise FormatError("PAYLOAD: no segments, or bits that do not go with the flags")
    head = Reader(segments.pop(0), "head of PAYLOAD")
    count = head.varint("number of meshes")
    if count > head.remaining:
        raise Truncated(f"PAYLOAD: {count:,} meshes in {head.remaining:,} bytes")
    grid = read_grid(head) if flags & SHARED and not exact else None
    left = {"vertices": shape.vertices, "faces": shape.faces}
    plans = []
    for _ in range(count):
        sizes = (left["vertices"], left["faces"])
        if count > 1:
            sizes = (head.varint("vertices", sizes[0]), head.varint("faces", sizes[1]))
        left = {"vertices": left["vertices"] - sizes[0], "faces": left["faces"] - sizes[1]}
        own = grid if exact or flags & SHARED else read_grid(head)
        plans.append((read_head(head, sizes[0]), sizes, own))
    head.expect_end()
    if any(left.values()):
        raise FormatError(f"PAYLOAD: its meshes lack {left} of the header's")
    wanted = sum(plan.segments for plan, _, _ in plans)
    if wanted > len(segments):
        raise Truncated(f"PAYLOAD: {len(segments)} segments of {wanted}")
    room = segments[wanted:]
    if len(room) > 1 or any(any(each) for each in room):
        raise FormatError("PAYLOAD: segments that belong to no mesh")
    meshes = []
    for plan, sizes, own in plans:
        mine, segments = segments[: plan.segments], segments[plan.segments :]
        options: Mapping[str, Any] = {
            "primed": model.primed if model else None,
            "network": model.network if model else None,
            "limits": stream.limits,
        }
        meshes.append(decode_mesh(plan, mine, sizes, own, **options))
    return tuple(meshes)
