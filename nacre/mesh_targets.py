"""The faces and bits of a mesh that meet a target: a file size, or a distance of surfaces in dB.

Fewer faces or coarser positions: both make a file smaller, and which costs less depends on the
mesh. For each number of bits the faces that meet the target are sought (a few whole encodings), and
bits go up or down while that makes the result better. Vertices are moved to fit the surface, first
freely, then on the grid. What is measured is the true file, decoded: its size, and the distance of
the two surfaces both ways (:mod:`nacre.transforms.surface_distance`; the peak is the diagonal of
the box of the scene).
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from nacre.errors import InputError
from nacre.media.mesh_arrays import welded
from nacre.transforms.decimate import decimate, fit
from nacre.transforms.lattice import quantize
from nacre.transforms.nearest import Floats, Tree
from nacre.transforms.snap import snap
from nacre.transforms.surface_distance import Original, sample_surface
from nacre.transforms.transfer import Source, of_corners, of_vertices

if TYPE_CHECKING:
    from nacre.codecs.base import Codec
    from nacre.media.mesh import Attribute, Mesh, Scene

FEWEST_FACES = 4
"""Of a mesh that has any."""
LOWEST_BITS, FIRST_BITS, MOST_BITS = 8, 9, 24
"""Of positions: the codec's least, where the search begins, the codec's most."""
FULL = 0.99
"""A file of so much of the target's bytes is near enough."""
NEAR_DB = 0.1
"""One that exceeds the target by no more than this, too."""
_ATTEMPTS = 7
SNAPPED_BITS = 16
"""Up to so many bits vertices take the grid's points that suit the surface, up to a step and a half
from where they were; with more, nobody sees the difference, and half a step is the bound."""
_SAMPLES, _SAMPLES_OF_FACE, _MOST_SAMPLES, _ROUNDS = 15_000, 2, 120_000, 3
_BYTES_OF_FACE = 1.3
"""Where the search begins, at the first number of bits."""


@dataclass(frozen=True)
class MeshProbe:
    """One trial.

    Attributes:
        faces: that were asked of decimation.
        bits: of positions.
        data: the whole file.
        psnr_db: distance of the decoded surface, ``20 log10(diagonal / rms)``.
    """

    faces: int
    bits: int
    data: bytes
    psnr_db: float

    @property
    def size_bytes(self) -> int:
        return len(self.data)


Try = Callable[[int, int], MeshProbe]
"""Encodes with so many faces and bits, and measures."""


def encode_to_target(
    codec: Codec, scene: Scene, options: Any, target: str, value: float
) -> MeshProbe:
    """Encode a scene with the faces and bits that meet a target.

    Where faces are left out, vertices that share a place are joined, and attributes go along to the
    nearest points of the surface (:mod:`nacre.transforms.transfer`), seams of textures included.

    Args:
        codec: a mesh codec whose settings have ``bits``.
        scene: what to encode; meshes without faces are encoded as they are.
        options: its settings; ``bits`` is replaced.
        target: ``target_size`` (bytes: the best file of at most so many) or ``target_psnr`` (dB:
            the smallest file of at least that).
        value: of the target.

    Raises:
        InputError: out of reach (the message says what is nearest), or another target.
    """
    if not value > 0:
        raise InputError(f"{target} is {value!r}; expected a number above 0")
    if target not in ("target_size", "target_psnr"):
        raise InputError(f"{target}: meshes have target_size and target_psnr")
    if getattr(options, "lossless", False):
        raise InputError(f"{target} and lossless exclude each other; choose one of them")
    total = sum(len(mesh.faces) for mesh in scene.meshes)
    if not total:
        raise InputError(f"{target}: a scene without faces; choose bits instead")
    attempt = _attempts(codec, scene, options)
    if target == "target_size":
        return largest_within(attempt, total, value)
    return smallest_reaching(attempt, total, value)


def _attempts(codec: Codec, scene: Scene, options: Any) -> Try:
    """A function that encodes and measures, and remembers what it did."""
    corners = _corners(scene)
    # Not the samples that vertices were moved to fit: those would flatter.
    original = Original.of(corners, samples=_SAMPLES, seed=1)
    total = len(corners)
    simplified: dict[int, Scene] = {}
    probes: dict[tuple[int, int], MeshProbe] = {}

    def attempt(faces: int, bits: int) -> MeshProbe:
        if (faces, bits) not in probes:
            if faces not in simplified:
                simplified[faces] = simplify(scene, faces / total)
            settings = dataclasses.replace(options, bits=bits)
            stream = codec.encode(_snapped(simplified[faces], scene, bits), settings)
            decoded = _corners(codec.decode(stream))
            psnr_db = original.psnr_db(decoded, seed=2) if len(decoded) else 0.0
            probes[faces, bits] = MeshProbe(faces, bits, stream.to_bytes(), psnr_db)
        return probes[faces, bits]

    return attempt


def _corners(scene: Scene) -> Floats:
    """Corners of all faces, float64 ``[F, 3, 3]``."""
    parts = [mesh.vertices.astype(np.float64)[mesh.faces] for mesh in scene.meshes]
    return np.concatenate([np.zeros((0, 3, 3)), *parts])


def simplify(scene: Scene, share: float) -> Scene:
    """A scene with a share of the faces, 0 to 1, each mesh with its part of them.

    Raises:
        InputError: fast-simplification is missing, or a position is not finite.
    """
    if share >= 1:
        return scene
    return dataclasses.replace(
        scene, meshes=tuple(_simplified(mesh, share) for mesh in scene.meshes)
    )


def _simplified(mesh: Mesh, share: float) -> Mesh:
    if len(mesh.faces) <= FEWEST_FACES:
        return mesh
    mesh = welded(mesh)  # or the surface would come apart where vertices are split
    wanted = max(round(len(mesh.faces) * share), FEWEST_FACES)
    vertices, faces = decimate(mesh.vertices, mesh.faces, wanted)
    if not len(faces):
        return mesh
    source = Source.of(mesh.vertices, mesh.faces)
    samples = _samples(source.corners, len(faces))
    vertices = fit(vertices, faces, source.tree, samples, rounds=_ROUNDS)
    return dataclasses.replace(
        mesh,
        vertices=vertices if mesh.vertices.dtype == np.float64 else vertices.astype(np.float32),
        faces=faces,
        attributes=tuple(_carried(each, source, vertices, faces) for each in mesh.attributes),
        lattice=None,
    )


def _samples(corners: Floats, faces: int) -> Floats:
    """Points on triangles, enough to hold that many faces."""
    count = min(max(_SAMPLES, _SAMPLES_OF_FACE * faces), _MOST_SAMPLES)
    return sample_surface(corners, count, 0)


def _snapped(scene: Scene, original: Scene, bits: int) -> Scene:
    """A scene whose vertices lie on its grid of so many bits, near the original's surfaces."""
    if bits > SNAPPED_BITS:
        return scene
    everything = np.concatenate([mesh.vertices for mesh in scene.meshes])
    integers, grid = quantize(everything, bits)
    if not grid.side:
        return scene
    limits = np.stack([integers.min(axis=0), integers.max(axis=0)])
    origin, step = np.array(grid.origin), grid.step
    meshes = []
    for mesh, whole in zip(scene.meshes, original.meshes, strict=True):
        if not len(mesh.faces):
            meshes.append(mesh)
            continue
        source = Source.of(whole.vertices, whole.faces)
        tree, samples = source.tree, _samples(source.corners, len(mesh.faces))
        tree = Tree((tree.corners - origin) / step, tree.number, (tree.boxes - origin) / step)
        vertices = (mesh.vertices.astype(np.float64) - origin) / step
        points = snap(vertices, mesh.faces, tree, (samples - origin) / step, limits)
        exact = mesh.vertices.dtype == np.float64
        found = grid.dequantize_exactly(points) if exact else grid.dequantize(points)
        meshes.append(dataclasses.replace(mesh, vertices=found, lattice=None))
    return dataclasses.replace(scene, meshes=tuple(meshes))


def _carried(
    attribute: Attribute, source: Source, vertices: Floats, faces: npt.NDArray[np.int32]
) -> Attribute:
    """An attribute of the simplified mesh, from the nearest points of the surface."""
    values, kind = attribute.values, attribute.kind
    if attribute.domain == "face":
        _, nearest = source.tree.nearest(vertices[faces].mean(axis=1))
        return dataclasses.replace(attribute, values=values[nearest])
    if attribute.index is None:
        found = of_vertices(source, values, kind, vertices)
        return dataclasses.replace(attribute, values=found)
    found, index = of_corners(source, values, attribute.index, kind, vertices, faces)
    return dataclasses.replace(attribute, values=found, index=index)


def largest_within(attempt: Try, total: int, size_bytes: float) -> MeshProbe:
    """The best file of at most ``size_bytes`` that the search finds.

    Args:
        attempt: encodes and measures.
        total: faces of the mesh as it is.
        size_bytes: the target.

    Raises:
        InputError: even the fewest faces take more.
    """
    fewest = min(FEWEST_FACES, total)

    def at(bits: int, guess: float) -> MeshProbe | None:
        return _fullest(attempt, bits, guess, (fewest, total), size_bytes)

    guess = size_bytes / _BYTES_OF_FACE
    best = _climb(at, FIRST_BITS, guess, lambda probe: (probe.psnr_db, -probe.size_bytes))
    if best is None:
        least = min((attempt(fewest, bits) for bits in (8, 9, 10)), key=lambda p: p.size_bytes)
        raise InputError(
            f"target of {size_bytes:,.0f} bytes is out of reach: {fewest} faces a mesh take "
            f"{least.size_bytes:,} bytes; strip attributes, textures or the scene"
        )
    return best


def smallest_reaching(attempt: Try, total: int, psnr_db: float) -> MeshProbe:
    """The smallest file of at least ``psnr_db`` that the search finds.

    Raises:
        InputError: even all faces at the most bits stay below.
    """
    fewest = min(FEWEST_FACES, total)

    def at(bits: int, guess: float) -> MeshProbe | None:
        return _coarsest(attempt, bits, guess, (fewest, total), psnr_db)

    # Positions alone may take the larger part of the error: 29 % of a step each way.
    first = min(max(math.ceil((psnr_db - 6) / 6.02 + math.log2(0.29)), FIRST_BITS), MOST_BITS)
    best = _climb(at, first, total / 4, lambda probe: (-probe.size_bytes, probe.psnr_db))
    if best is None:
        finest = attempt(total, MOST_BITS)
        if finest.psnr_db >= psnr_db:
            return finest
        raise InputError(
            f"target of {psnr_db:g} dB is out of reach: all {total:,} faces at {MOST_BITS} bits "
            f"give {finest.psnr_db:.2f} dB; use --lossless"
        )
    return best


def _climb(
    at: Callable[[int, float], MeshProbe | None],
    first: int,
    guess: float,
    value: Callable[[MeshProbe], tuple[float, float]],
) -> MeshProbe | None:
    """The best probe over numbers of bits: from the first one up while it helps, else down."""
    best = at(first, guess)
    for step in (1, -1):
        bits = (first if best is None else best.bits) + step
        improved = False
        while LOWEST_BITS <= bits <= MOST_BITS:
            found = at(bits, guess if best is None else best.faces)
            if found is not None and (best is None or value(found) > value(best)):
                best, improved = found, True
            elif best is not None:
                break
            bits += step
        if improved:
            break
    return best


def _fullest(
    attempt: Try, bits: int, guess: float, limits: tuple[int, int], size_bytes: float
) -> MeshProbe | None:
    """The most faces at so many bits whose file has at most ``size_bytes``; None: too few fit."""
    low, high = limits
    faces = round(min(max(guess, low), high))
    best, above = None, high + 1
    for _ in range(_ATTEMPTS):
        probe = attempt(faces, bits)
        if probe.size_bytes <= size_bytes:
            best = probe
            if faces == high or probe.size_bytes >= FULL * size_bytes:
                break
        else:
            above = faces
        floor = low if best is None else best.faces + 1
        if floor >= above:
            break
        wanted = faces * (1 + FULL) / 2 * size_bytes / probe.size_bytes
        faces = round(min(max(wanted, floor), above - 1))
    return best


def _coarsest(
    attempt: Try, bits: int, guess: float, limits: tuple[int, int], psnr_db: float
) -> MeshProbe | None:
    """The fewest faces at so many bits that reach ``psnr_db``; None: not even all do."""
    low, high = limits
    best = attempt(high, bits)
    if best.psnr_db < psnr_db:
        return None
    below = low - 1
    faces = round(min(max(guess, low), high - 1))
    for _ in range(_ATTEMPTS):
        if below + 1 >= best.faces:
            break
        probe = attempt(min(max(faces, below + 1), best.faces - 1), bits)
        if probe.psnr_db >= psnr_db:
            best = probe
            if probe.psnr_db <= psnr_db + NEAR_DB:
                break
        else:
            below = probe.faces
        # Twice the faces halve the distance twice over: about 10 dB; aim a little high.
        ratio = 2 ** ((psnr_db + NEAR_DB / 2 - probe.psnr_db) / 10)
        faces = round(probe.faces * min(max(ratio, 1 / 16), 16.0))
    return best
