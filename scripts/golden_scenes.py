"""Golden streams of meshes and splats, for ``golden.py``.

What a stream must decode to is recorded as a digest of everything in it, the same on every machine:
meshes are integers, strict float64 and one rounding to float32; of splats the integers count.
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
import numpy.typing as npt

from nacre.media.mesh import Attribute, Mesh, Scene
from nacre.media.mesh_arrays import corner_attribute
from nacre.media.splat import Splats, load_splats
from nacre.registry import codec_class, load_codec
from nacre.stream import Stream

NO_FACES = np.zeros((0, 3), np.int32)


@dataclass(frozen=True)
class GoldenScene:
    """One stream of a scene that must decode.

    Attributes:
        name: of the file.
        what: what it shows, for people.
        scene: what is encoded.
        codec: by name.
        settings: of the codec.
        model: by name; None: the codec's choice.
    """

    name: str
    what: str
    scene: Scene | Splats
    codec: str = "circuit-mesh"
    settings: dict[str, Any] = field(default_factory=dict)
    model: str | None = None


def hashed(count: int, seed: int) -> npt.NDArray[np.int64]:
    """Numbers from 0 to 2^20 - 1, the same everywhere."""
    mixed = (np.arange(count, dtype=np.int64) + 1 + seed * 7919) * 2654435761 % (1 << 32)
    mixed = (mixed ^ mixed >> 15) * 2246822519 % (1 << 32)
    return (mixed ^ mixed >> 13) % (1 << 20)


def hill(side: int, unit: float = 0.371 / 1024, bumps: int = 5) -> Mesh:
    """An open landscape of ``side`` x ``side`` vertices, whole numbers of ``unit``."""
    y, x = np.mgrid[0:side, 0:side].astype(np.int64)
    height = (x - side // 2) ** 2 * 3 + (y - side // 3) ** 2 * 2 + (x * y * bumps) % 11
    points = np.stack([x * 16 + (height * 7) % 5, y * 16 + (height * 3) % 4, 900 - height], axis=2)
    corner = (np.arange(side - 1)[:, None] * side + np.arange(side - 1)).ravel()
    first = np.stack([corner, corner + 1, corner + side], axis=1)
    second = np.stack([corner + 1, corner + side + 1, corner + side], axis=1)
    vertices = (points.reshape(-1, 3) * unit).astype(np.float32)
    return Mesh(vertices, np.concatenate([first, second]).astype(np.int32))


def decorated(mesh: Mesh) -> Mesh:
    """``mesh`` with attributes of every kind and domain, made of whole numbers."""
    v, f = len(mesh.vertices), len(mesh.faces)
    normal = np.tile(np.array([[0, 0, 1], [0.6, 0, 0.8]], np.float32), (v, 1))[:v]
    uv = (mesh.vertices[mesh.faces][..., :2] / 2).reshape(-1, 2)
    uv[: 3 * (f // 3)] += np.float32(0.5)
    index = np.arange(3 * f).reshape(-1, 3)
    index[:2] = -1
    shade = (hashed(v * 3, 1) % 256).astype(np.uint8).reshape(v, 3)
    part = (np.arange(f) // 9 % 3).astype(np.int32)[:, None]
    weight = (hashed(v, 2) / 64).astype(np.float64)[:, None]
    return replace(
        mesh,
        name="hügel",
        attributes=(
            Attribute("normal", "normal", "vertex", normal),
            Attribute("color", "color", "vertex", shade),
            Attribute("weight", "generic", "vertex", weight),
            Attribute("material", "generic", "face", part),
            corner_attribute("uv", "uv", uv, index),
        ),
    )


def tangle(count: int, vertices: int) -> Mesh:
    """Faces of any three vertices: edges of many faces, repeated and degenerate ones."""
    points = (hashed(3 * vertices, 3) * (0.9 / (1 << 20))).astype(np.float32).reshape(-1, 3)
    return Mesh(points, (hashed(3 * count, 4) % vertices).astype(np.int32).reshape(-1, 3))


def split(mesh: Mesh) -> Mesh:
    """``mesh`` with a vertex a corner."""
    faces = np.arange(3 * len(mesh.faces), dtype=np.int32).reshape(-1, 3)
    return Mesh(mesh.vertices[mesh.faces.ravel()], faces)


def strange(vertices: int, dtype: Any) -> npt.NDArray[Any]:
    """Floats of all sizes, zeros of both signs, infinities and NaN among them."""
    values = (hashed(3 * vertices, 5) - 5e5) * 2.0 ** (hashed(3 * vertices, 6) % 60 - 40)
    values[:6] = (0.0, -0.0, np.inf, -np.inf, np.nan, 2.0**-140)
    return values.astype(dtype).reshape(-1, 3)


def carrying(scene: Scene) -> Scene:
    """``scene`` with a document and a blob."""
    document = {
        "scene": 0,
        "scenes": [{"nodes": list(range(len(scene.meshes)))}],
        "nodes": [
            {"mesh": n, "name": f"node {n}", "translation": [n, 0, 0]}
            for n in range(len(scene.meshes))
        ],
        "meshes": [{"primitives": [{"nacre": [n]}]} for n in range(len(scene.meshes))],
    }
    return Scene(scene.meshes, document, (b"carried byte for byte " * 9, b"\x00\xff"))


def cloud(count: int, degree: int = 0) -> Splats:
    """Splats of whole numbers, as an SPZ file has them."""
    harmonics = (degree + 1) ** 2 - 1

    def floats(size: int, seed: int) -> npt.NDArray[np.float32]:
        return (hashed(size, seed) / (1 << 19) - 1).astype(np.float32)

    splats = load_splats(
        {
            "positions": floats(3 * count, 1).reshape(-1, 3),
            "log_scales": floats(3 * count, 2).reshape(-1, 3) - 3,
            "rotations": floats(4 * count, 3).reshape(-1, 4),
            "opacities": 3 * floats(count, 4),
            "sh0": floats(3 * count, 5).reshape(-1, 3),
            "shN": floats(3 * harmonics * count, 6).reshape(count, harmonics, 3) / 4,
        }
    )
    return load_splats(splats.to_bytes("a.spz"))


LOSSLESS = {"lossless": True, "effort": 2}
HILL = hill(9)
COMMON = [
    GoldenScene("mesh", "an open surface on a grid", Scene((HILL,)), settings={"effort": 2}),
    GoldenScene(
        "mesh-lossless", "the same of other size, on a lattice of 2^-10",
        Scene((hill(9, 2.0**-10),)), settings=LOSSLESS,
    ),
    GoldenScene(
        "mesh-attributes", "attributes of every kind and domain, rounded",
        Scene((decorated(HILL),)), settings={"bits": 11, "effort": 2},
    ),
    GoldenScene(
        "mesh-scene", "two meshes on one grid, nodes, blobs",
        carrying(Scene((HILL, tangle(12, 9)))), settings={"bits": 12, "effort": 2},
    ),
    GoldenScene(
        "mesh-points", "a point cloud", Scene((Mesh(tangle(0, 60).vertices, NO_FACES),)),
        settings={"bits": 10, "effort": 2},
    ),
    GoldenScene(
        "mesh-exact", "positions whose own lattice is no finer than the grid",
        Scene((hill(6, 2.0**-10),)), settings={"effort": 2},
    ),
    GoldenScene(
        "mesh-model", "a network and a table of connectivity, by a model that ships",
        Scene((hill(16),)), settings={"bits": 12},
    ),
    GoldenScene("splats", "splats of an SPZ file", cloud(60), codec="circuit-splat"),
]  # fmt: skip

UNUSUAL = [
    GoldenScene(
        "mesh-tables", "the lowest effort", Scene((decorated(HILL),)), settings={"effort": 1}
    ),
    GoldenScene(
        "mesh-exact-attributes", "attributes to the last bit", Scene((decorated(hill(6)),)),
        settings=LOSSLESS,
    ),
    GoldenScene(
        "mesh-kept-order", "vertices, faces and corners in their order", Scene((tangle(40, 20),)),
        settings={"keep_order": True, "effort": 2},
    ),
    GoldenScene(
        "mesh-tangle", "edges of many faces, repeated and degenerate ones",
        Scene((tangle(150, 16),)), settings=LOSSLESS,
    ),
    GoldenScene(
        "mesh-split", "vertices that share a place, joined and split again",
        Scene((split(hill(6)),)), settings={"effort": 2},
    ),
    GoldenScene(
        "mesh-isolated", "isolated vertices as an octree",
        Scene((Mesh(tangle(0, 90).vertices, HILL.faces[:20] % 40),)), settings={"effort": 2},
    ),
    GoldenScene(
        "mesh-floats", "float32 with NaN, infinities and -0",
        Scene((Mesh(strange(20, np.float32), tangle(30, 20).faces),)), settings=LOSSLESS,
    ),
    GoldenScene(
        "mesh-doubles", "float64 of the same kind",
        Scene((Mesh(strange(12, np.float64), tangle(16, 12).faces),)), settings=LOSSLESS,
    ),
    GoldenScene(
        "mesh-zeros", "negative zeros on a lattice of decimals",
        Scene((Mesh(np.float32(np.round(hill(4).vertices - 0.1, 1)) * np.float32(-1),
                    hill(4).faces),)),
        settings=LOSSLESS,
    ),
    GoldenScene(
        "mesh-grids", "a grid for each of three meshes",
        Scene((hill(4), hill(3), Mesh(hill(3).vertices * np.float32(0.01), hill(3).faces))),
        settings={"grid": "mesh", "bits": 9, "effort": 2},
    ),
    GoldenScene(
        "mesh-vertex", "a single vertex", Scene((Mesh(np.ones((1, 3), np.float32), NO_FACES),)),
        settings={"effort": 1},
    ),
    GoldenScene(
        "splats-rounded", "splats of degree 1, rounded", cloud(40, 1),
        codec="circuit-splat", settings={"precision": "low"},
    ),
]  # fmt: skip


def encode_scene(golden: GoldenScene) -> bytes:
    """The stream of ``golden``."""
    settings = codec_class(golden.codec).settings(**golden.settings)
    codec: Any = load_codec(golden.codec, model=golden.model)
    return bytes(codec.encode(golden.scene, settings).to_bytes())


def record_scene(golden: GoldenScene, data: bytes) -> dict[str, Any]:
    """What the manifest says of ``golden``."""
    stream = Stream.from_bytes(data)
    codec: Any = load_codec(golden.codec, model=stream.model)
    return {
        "what": golden.what,
        "codec": golden.codec,
        "archive": False,
        "medium": stream.shape.medium.name.lower(),
        "sha256": digest_scene(codec.decode(stream)),
    }


def digest_scene(scene: Scene | Splats) -> str:
    """SHA-256 of everything in a scene, arrays little-endian with their types and shapes."""
    found = hashlib.sha256()

    def add(value: Any) -> None:
        if isinstance(value, np.ndarray):
            plain = value.astype(value.dtype.newbyteorder("<"), copy=False)
            found.update(f"{plain.dtype.str}{plain.shape}".encode() + plain.tobytes())
        else:
            found.update(repr(value).encode())

    if isinstance(scene, Splats):
        quantized = scene.quantized
        assert quantized is not None
        add(quantized.scheme.to_bytes())
        for array in (quantized.points, quantized.values, quantized.labels, quantized.palette):
            add(array)
        return found.hexdigest()
    for mesh in scene.meshes:
        for value in (mesh.vertices, mesh.faces, mesh.name, mesh.material):
            add(value)
        for each in mesh.attributes:
            for value in (each.name, each.kind, each.domain, each.values, each.index):
                add(value)
    add(json.dumps(dict(scene.document), sort_keys=True))
    add(scene.blobs)
    return found.hexdigest()
