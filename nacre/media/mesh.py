"""Meshes and scenes of them: from files, arrays and other libraries' objects, and back.

    from nacre.media.mesh import load_mesh

    scene = load_mesh("model.glb")      # or bytes, (vertices, faces), a trimesh object, ...
    scene.meshes[0].vertices            # float32 [V, 3]
    scene.save("copy.ply")              # .obj .ply .stl .off .glb .gltf .3mf

Nothing is merged, split or put into another order behind your back: a vertex of the file is a
vertex here, and what may differ from corner to corner (an OBJ's texture coordinates) has an index
of its own. STL is the exception, because its files have no vertices: positions that are equal bit
by bit become one.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

from nacre.errors import InputError
from nacre.limits import Limits
from nacre.stream import MeshShape

Floats = npt.NDArray[np.float32] | npt.NDArray[np.float64]
Ints = npt.NDArray[np.int32]
Kind = Literal["normal", "uv", "color", "generic"]
Domain = Literal["vertex", "corner", "face"]
KINDS: tuple[Kind, ...] = ("normal", "uv", "color", "generic")
DOMAINS: tuple[Domain, ...] = ("vertex", "corner", "face")
DTYPES = ("u1", "i1", "u2", "i2", "u4", "i4", "f4", "f8")
"""What attributes may be made of, little-endian."""
MOST_COLUMNS = 255


@dataclass(frozen=True, eq=False)
class Attribute:
    """Something beside positions: normals, texture coordinates, colours, or anything else.

    Attributes:
        name: as the file calls it, such as ``"TEXCOORD_0"`` or ``"quality"``.
        kind: what it is, which decides how it is coded.
        domain: whether a vertex, a corner of a face or a face has a value.
        values: ``[n, K]``; n is the number of vertices or faces, for corners any number.
        index: for corners, the row of ``values`` of each corner, int32 ``[F, 3]``; -1: it has none.

    Raises:
        InputError: these do not go together.
    """

    name: str
    kind: Kind
    domain: Domain
    values: npt.NDArray[Any]
    index: Ints | None = None

    def __post_init__(self) -> None:
        if self.kind not in KINDS or self.domain not in DOMAINS:
            raise InputError(f"attribute {self.name!r} is {self.kind} of a {self.domain}")
        shape, dtype = self.values.shape, self.values.dtype
        if len(shape) != 2 or not 1 <= shape[1] <= MOST_COLUMNS or dtype.str[1:] not in DTYPES:
            raise InputError(
                f"attribute {self.name!r}: {dtype} of shape {shape}; [n, K] of integers of up to "
                f"4 bytes or floats of 4 or 8 is expected, K at most {MOST_COLUMNS}"
            )
        if (self.index is not None) != (self.domain == "corner"):
            raise InputError(f"attribute {self.name!r}: corners, and only they, have an index")
        if self.index is not None and self.index.size:
            low, high = int(self.index.min()), int(self.index.max())
            if low < -1 or high >= shape[0]:
                raise InputError(
                    f"attribute {self.name!r}: a corner has value {low if low < -1 else high:,} "
                    f"of {shape[0]:,} (the first is 0)"
                )

    def of_corners(self, faces: Ints) -> npt.NDArray[Any]:
        """The value of each corner, ``[F, 3, K]``; zeros where a corner has none."""
        if self.domain == "face":
            return np.repeat(self.values[:, None], 3, axis=1)
        index = faces if self.index is None else self.index
        rows = np.vstack([self.values, np.zeros((1, self.values.shape[1]), self.values.dtype)])
        found: npt.NDArray[Any] = rows[index]
        return found


@dataclass(frozen=True, eq=False)
class Lattice:
    """The grid that positions were coded on.

    Attributes:
        integers: int64 ``[V, 3]``.
        origin: position of (0, 0, 0).
        step: distance of neighbours; a vertex lies within half of it of where it was, per axis.
    """

    integers: npt.NDArray[np.int64]
    origin: tuple[float, float, float]
    step: float


@dataclass(frozen=True, eq=False)
class Mesh:
    """Triangles over vertices, or points alone.

    Attributes:
        vertices: float32 or float64 ``[V, 3]``.
        faces: vertex numbers, int32 ``[F, 3]``; none: a point cloud.
        attributes: beside positions; names differ within a domain.
        name: as the file calls it; "" when it does not.
        material: number of the material of all of it; None when it has none, or each face has.
        lattice: of a mesh that was decoded on a grid.

    Raises:
        InputError: the arrays do not go together, or a face names a vertex that is not there.
    """

    vertices: Floats
    faces: Ints
    attributes: tuple[Attribute, ...] = ()
    name: str = ""
    material: int | None = None
    lattice: Lattice | None = None

    def __post_init__(self) -> None:
        v, f = self.vertices, self.faces
        if v.dtype not in (np.float32, np.float64) or v.ndim != 2 or v.shape[1] != 3:
            raise InputError(
                f"vertices: {v.dtype} of shape {v.shape}; float32 or float64 [V, 3] is expected"
            )
        if f.dtype != np.int32 or f.ndim != 2 or f.shape[1] != 3:
            raise InputError(f"faces: {f.dtype} of shape {f.shape}; int32 [F, 3] is expected")
        check_indices(f, len(v))
        for each in self.attributes:
            rows = {"vertex": len(v), "face": len(f)}.get(each.domain, len(each.values))
            if len(each.values) != rows:
                raise InputError(
                    f"attribute {each.name!r} has {len(each.values):,} values, the mesh {rows:,} "
                    f"{'vertices' if each.domain == 'vertex' else 'faces'}"
                )
            if each.index is not None and each.index.shape != f.shape:
                raise InputError(f"attribute {each.name!r} has an index for other faces")

    def attribute(self, kind: Kind) -> Attribute | None:
        """The first attribute of a kind; None when there is none."""
        return next((each for each in self.attributes if each.kind == kind), None)

    @property
    def shape(self) -> MeshShape:
        """As the header of a stream declares it."""
        return MeshShape(len(self.vertices), len(self.faces))


def check_indices(faces: Ints | npt.NDArray[np.int64], vertices: int) -> None:
    """Raise :class:`InputError` unless every face names vertices below ``vertices``."""
    if not faces.size:
        return
    low, high = int(faces.min()), int(faces.max())
    if low < 0 or high >= vertices:
        bad = low if low < 0 else high
        row = int(np.argwhere((faces < 0) | (faces >= vertices))[0, 0])
        raise InputError(
            f"face {row:,} names vertex {bad:,}, there are {vertices:,} (the first is 0); "
            "repair or export the mesh again"
        )


NOTHING: Mapping[str, Any] = {}


@dataclass(frozen=True, eq=False)
class Scene:
    """All that a file of meshes holds.

    Attributes:
        meshes: in the order of the file.
        document: what is carried beside them, in the words of glTF (nodes, materials, textures);
            ``{}``: nothing. Its primitives name a mesh by ``"nacre": [number]``, or a part of one
            by ``[number, part]``, which its face attribute ``primitive`` tells.
        blobs: bytes that the document refers to: the content of each of glTF's ``bufferViews``
            that is not geometry, and of the files beside an OBJ.
        notes: what loading changed or left out, one sentence each.
    """

    meshes: tuple[Mesh, ...]
    document: Mapping[str, Any] = field(default_factory=dict)
    blobs: tuple[bytes, ...] = ()
    notes: tuple[str, ...] = ()

    @property
    def mesh(self) -> Mesh:
        """The mesh of a scene that has one.

        Raises:
            InputError: it has several.
        """
        if len(self.meshes) != 1:
            raise InputError(f"a scene of {len(self.meshes)} meshes; take them from scene.meshes")
        return self.meshes[0]

    @property
    def vertices(self) -> Floats:
        """Of the only mesh, ``[V, 3]``."""
        return self.mesh.vertices

    @property
    def faces(self) -> Ints:
        """Of the only mesh, int32 ``[F, 3]``."""
        return self.mesh.faces

    @property
    def lattice(self) -> Lattice | None:
        """Of the only mesh: the integers that were decoded, and the grid they are on."""
        return self.mesh.lattice

    @cached_property
    def shape(self) -> MeshShape:
        """Vertices and faces of all meshes, as the header of a stream declares them."""
        return MeshShape(
            sum(len(mesh.vertices) for mesh in self.meshes),
            sum(len(mesh.faces) for mesh in self.meshes),
        )

    def stripped(self, names: tuple[str, ...]) -> Scene:
        """This scene without what ``names`` says, of :data:`STRIPPED` or ``all``.

        Raises:
            InputError: another name.
        """
        chosen = set(check_names(names))
        gone = {PARTS[name] for name in chosen if name in PARTS}
        meshes = tuple(
            replace(
                mesh,
                attributes=tuple(a for a in mesh.attributes if a.kind not in gone or _is_part(a)),
            )
            for mesh in self.meshes
        )
        scene = replace(self, meshes=meshes)
        if "scene" in chosen:
            return replace(scene, document={}, blobs=())
        if "textures" in chosen:
            from nacre.media.gltf_carry import without_textures

            return without_textures(scene)
        return scene

    def numpy(self) -> tuple[Floats, Ints]:
        """Vertices ``[V, 3]`` and faces ``[F, 3]`` of the only mesh."""
        return self.vertices, self.faces

    def flattened(self) -> Mesh:
        """All meshes as one, each where the nodes of the document put it, as often as they do.

        Attributes that not every mesh has are left out.
        """
        from nacre.media.mesh_nodes import flatten

        return flatten(self)

    def trimesh(self) -> Any:
        """The flattened scene as a ``trimesh.Trimesh`` (``PointCloud`` without faces)."""
        from nacre.media.mesh_objects import to_trimesh

        return to_trimesh(self.flattened())

    def save(self, path: str | Path, *, force: bool = False) -> None:
        """Write a file whose kind follows from the extension: obj, ply, stl, off, glb, gltf, 3mf.

        GLB and glTF hold everything. OBJ, 3MF, PLY, OFF and STL hold one flattened mesh and what
        of its attributes they can; STL and OFF hold its shape (OFF its colours too).

        Args:
            path: where to.
            force: replace existing files.

        Raises:
            InputError: a file exists, the extension is not known, or the system refuses.
        """
        from nacre.media.mesh_files import save_scene

        save_scene(self, Path(path), force=force)


PARTS: Mapping[str, Kind] = {
    "normals": "normal",
    "uvs": "uv",
    "colors": "color",
    "attributes": "generic",
}
STRIPPED = (*PARTS, "textures", "scene")
"""What ``strip`` may name, beside ``all``."""


def check_names(names: tuple[str, ...]) -> tuple[str, ...]:
    """``names`` with ``all`` spelled out.

    Raises:
        InputError: a name that is neither in :data:`STRIPPED` nor ``all``.
    """
    chosen: list[str] = []
    for name in names:
        if name not in (*STRIPPED, "all"):
            raise InputError(f"strip {name!r} is not known; use {', '.join(STRIPPED)} or all")
        chosen += STRIPPED if name == "all" else [name]
    return tuple(dict.fromkeys(chosen))


def _is_part(attribute: Attribute) -> bool:
    return attribute.domain == "face" and attribute.name == "primitive"


def load_mesh(
    source: Any,
    *,
    limits: Limits = Limits.DEFAULT,
    strip: tuple[str, ...] | list[str] = (),
    weld: bool = False,
) -> Scene:
    """The scene in ``source``.

    Args:
        source: a path; the bytes of a file of meshes, or a file object with them; vertices and
            faces ``(V, F)`` as arrays ``[V, 3]`` and ``[F, 3]``; a :class:`Mesh` or
            :class:`Scene`; a mesh, scene or point cloud of trimesh, Open3D or PyVista.
        limits: ``limits.vertices`` bounds vertices and faces (each), ``limits.bytes`` what is
            unpacked of a file; both are checked before memory is taken.
        strip: what to leave out: ``normals``, ``uvs``, ``colors``, ``attributes``, ``textures``,
            ``scene`` (nodes, materials, textures, names), or ``all``.
        weld: make vertices one whose position is equal bit by bit; what differs between them stays
            with their corners.

    Raises:
        InputError: it cannot be read, or is no mesh.
        LimitExceeded: it declares more than ``limits`` allow.
    """
    from nacre.media.mesh_files import load_scene

    scene = load_scene(source, limits)
    scene.shape.check(limits)
    if weld:
        from nacre.media.mesh_arrays import welded

        scene = replace(scene, meshes=tuple(welded(mesh) for mesh in scene.meshes))
    return scene.stripped(tuple(strip)) if strip else scene
