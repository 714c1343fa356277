"""Small meshes, and the bytes of mesh files."""

from __future__ import annotations

import json
import struct
from typing import Any

import numpy as np
import numpy.typing as npt

from nacre.media.mesh import Attribute, Mesh, Scene
from nacre.media.mesh_arrays import corner_attribute


def sphere(rings: int = 8, spokes: int = 12, seed: int = 0) -> Mesh:
    """A closed sphere with a little noise, float32; no two vertices are equal."""
    random = np.random.default_rng(seed)
    theta = np.pi * np.arange(1, rings) / rings
    phi = 2 * np.pi * np.arange(spokes) / spokes
    ring = np.stack(
        [
            np.outer(np.sin(theta), np.cos(phi)),
            np.outer(np.sin(theta), np.sin(phi)),
            np.outer(np.cos(theta), np.ones(spokes)),
        ],
        axis=2,
    ).reshape(-1, 3)
    vertices = np.concatenate([[(0, 0, 1)], ring, [(0, 0, -1)]])
    vertices = vertices * (1 + 0.02 * random.standard_normal((len(vertices), 1)))
    last = len(vertices) - 1
    faces = []
    for j in range(spokes):
        k = (j + 1) % spokes
        faces.append((0, 1 + j, 1 + k))
        for i in range(rings - 2):
            a, b = 1 + i * spokes + j, 1 + i * spokes + k
            faces += [(a, a + spokes, b + spokes), (a, b + spokes, b)]
        base = 1 + (rings - 2) * spokes
        faces.append((last, base + k, base + j))
    return Mesh(vertices.astype(np.float32), np.array(faces, np.int32))


def with_everything(mesh: Mesh, seed: int = 1) -> Mesh:
    """``mesh`` with attributes of every kind and domain."""
    random = np.random.default_rng(seed)
    v, f = len(mesh.vertices), len(mesh.faces)
    normal = mesh.vertices / np.linalg.norm(mesh.vertices, axis=1, keepdims=True)
    uv = mesh.vertices[mesh.faces][..., :2].reshape(-1, 2).copy()
    uv[: 3 * (f // 2)] += np.float32(2)
    index = np.arange(3 * f).reshape(-1, 3)
    index[f // 3 : f // 3 + 4] = -1
    return Mesh(
        mesh.vertices,
        mesh.faces,
        (
            Attribute("normal", "normal", "vertex", normal.astype(np.float32)),
            Attribute("color", "color", "vertex", random.integers(0, 256, (v, 4)).astype("u1")),
            Attribute("quality", "generic", "vertex", random.random((v, 1))),
            Attribute("material", "generic", "face", (np.arange(f) // 7 % 3).astype("i4")[:, None]),
            corner_attribute("uv", "uv", uv, index),
        ),
        name="ball",
        material=None,
    )


def soup(count: int, vertices: int, seed: int = 0) -> Mesh:
    """Random triples of indices: duplicates, degenerate faces, edges of many faces."""
    random = np.random.default_rng(seed)
    return Mesh(
        random.standard_normal((vertices, 3)).astype(np.float32),
        random.integers(0, vertices, (count, 3)).astype(np.int32),
    )


def box_glb(**changes: Any) -> bytes:
    """A GLB of one textured triangle pair with nodes, extras, an animation and a picture."""
    positions = np.array([(0, 0, 0), (1, 0, 0), (1, 1, 0), (0, 1, 0)], "<f4")
    uv = np.array([(0, 0), (1, 0), (1, 1), (0, 1)], "<f4")
    indices = np.array([0, 1, 2, 0, 2, 3], "<u2")
    times, moves = np.array([0, 1], "<f4"), np.array([(0, 0, 0), (0, 2, 0)], "<f4")
    picture = b"\x89PNG\r\n\x1a\n not really"
    parts = [positions.tobytes(), uv.tobytes(), indices.tobytes(), times.tobytes(),
             moves.tobytes(), picture]  # fmt: skip
    binary, views = b"", []
    for part in parts:
        views.append({"buffer": 0, "byteOffset": len(binary), "byteLength": len(part)})
        binary += part + bytes(-len(part) % 4)
    document: dict[str, Any] = {
        "asset": {"version": "2.0", "generator": "a test"},
        "scene": 0,
        "scenes": [{"nodes": [0]}],
        "nodes": [
            {"name": "root", "children": [1], "translation": [1, 2, 3]},
            {"name": "leaf", "mesh": 0, "scale": [2, 2, -2], "extras": {"answer": 42}},
        ],
        "meshes": [
            {
                "name": "quad",
                "primitives": [
                    {"attributes": {"POSITION": 0, "TEXCOORD_0": 1}, "indices": 2, "material": 0}
                ],
            }
        ],
        "materials": [
            {"name": "skin", "pbrMetallicRoughness": {"baseColorTexture": {"index": 0}}}
        ],
        "textures": [{"source": 0}],
        "images": [{"bufferView": 5, "mimeType": "image/png"}],
        "animations": [
            {
                "samplers": [{"input": 3, "output": 4}],
                "channels": [{"sampler": 0, "target": {"node": 1, "path": "translation"}}],
            }
        ],
        "accessors": [
            {"bufferView": 0, "componentType": 5126, "count": 4, "type": "VEC3",
             "min": [0, 0, 0], "max": [1, 1, 0]},
            {"bufferView": 1, "componentType": 5126, "count": 4, "type": "VEC2"},
            {"bufferView": 2, "componentType": 5123, "count": 6, "type": "SCALAR"},
            {"bufferView": 3, "componentType": 5126, "count": 2, "type": "SCALAR",
             "min": [0], "max": [1]},
            {"bufferView": 4, "componentType": 5126, "count": 2, "type": "VEC3"},
        ],
        "bufferViews": views,
        "buffers": [{"byteLength": len(binary)}],
        **changes,
    }  # fmt: skip
    return glb(document, binary)


def glb(document: dict[str, Any], binary: bytes) -> bytes:
    """A GLB file of a document and the bytes of its buffer."""
    text = json.dumps(document).encode()
    text += b" " * (-len(text) % 4)
    binary += bytes(-len(binary) % 4)
    body = struct.pack("<II", len(text), 0x4E4F534A) + text
    body += struct.pack("<II", len(binary), 0x004E4942) + binary
    return b"glTF" + struct.pack("<II", 2, 12 + len(body)) + body


def faces_by_position(scene: Scene) -> npt.NDArray[np.float64]:
    """All faces of a scene as sorted rows of nine numbers, each from its least corner on."""
    mesh = scene.flattened()
    rows = mesh.vertices.astype(np.float64)[mesh.faces].reshape(-1, 9)
    best = rows
    for turn in (3, 6):
        other = np.roll(rows, turn, axis=1)
        different = other != best
        place, at = different.argmax(axis=1), np.arange(len(rows))
        less = different.any(axis=1) & (other[at, place] < best[at, place])
        best = np.where(less[:, None], other, best)
    return best[np.lexsort(best.T)]
