"""GLB and glTF: what is geometry, and that all else comes back."""

from __future__ import annotations

import base64
import json
import struct
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from meshes import box_glb, glb

from nacre.errors import InputError
from nacre.media.mesh import load_mesh
from nacre.media.mesh_compare import same_mesh, same_scene
from nacre.media.mesh_files import to_files


def document_of(data: bytes) -> tuple[dict[str, Any], bytes]:
    (size,) = struct.unpack_from("<I", data, 12)
    return json.loads(data[20 : 20 + size]), data[28 + size :]


def content(data: bytes, view: int) -> bytes:
    document, binary = document_of(data)
    found = document["bufferViews"][view]
    return binary[found["byteOffset"] :][: found["byteLength"]]


def test_all_of_a_glb_comes_back() -> None:
    data = box_glb()
    scene = load_mesh(data)
    assert scene.mesh.faces.tolist() == [[0, 1, 2], [0, 2, 3]]
    assert (scene.mesh.name, scene.mesh.material) == ("quad", 0)
    again = to_files(scene, Path("x.glb"))[0][1]
    before, after = document_of(data)[0], document_of(again)[0]
    for key in ("asset", "scene", "scenes", "nodes", "materials", "textures", "images",
                "animations", "accessors"):  # fmt: skip
        if key != "accessors":
            assert before[key] == after[key], key
    assert after["meshes"][0]["name"] == "quad"
    assert [each["count"] for each in after["accessors"]] == [4, 4, 6, 2, 2]
    assert content(again, after["images"][0]["bufferView"]) == b"\x89PNG\r\n\x1a\n not really"
    for sampler in (3, 4):  # the animation's
        view = after["accessors"][sampler]["bufferView"]
        assert content(again, view) == content(data, sampler)
    assert after["accessors"][0]["max"] == [1, 1, 0]
    assert same_scene(scene, load_mesh(again))


def test_joined_vertices_are_split_again() -> None:
    scene = load_mesh(box_glb())
    (uv,) = scene.mesh.attributes
    index = np.array([[0, 1, 2], [3, 2, 3]], np.int32)
    seam = replace(uv, domain="corner", index=index)
    joined = replace(scene, meshes=(replace(scene.mesh, attributes=(seam,)),))
    again = load_mesh(to_files(joined, Path("x.glb"))[0][1])
    assert len(again.mesh.vertices) == 5
    (found,) = again.mesh.attributes
    assert (found.name, found.domain) == ("TEXCOORD_0", "vertex")
    corners = found.of_corners(again.mesh.faces), again.mesh.vertices[again.mesh.faces]
    assert np.array_equal(corners[0], uv.values[index])
    assert np.array_equal(corners[1], scene.mesh.vertices[scene.mesh.faces])
    assert again.document["nodes"] == scene.document["nodes"]


def test_nodes_place_and_mirror() -> None:
    flat = load_mesh(box_glb()).flattened()
    assert flat.vertices.tolist() == [[1, 2, 3], [3, 2, 3], [3, 4, 3], [1, 4, 3]]
    assert flat.faces.tolist() == [[2, 1, 0], [3, 2, 0]]  # mirrored along z


def test_primitives_over_the_same_vertices_are_one_mesh() -> None:
    primitive = {"attributes": {"POSITION": 0}, "indices": 2, "material": 0}
    other = {"attributes": {"POSITION": 0}, "material": 1}
    lines = {"attributes": {"POSITION": 0}, "mode": 1}
    changes = {"meshes": [{"primitives": [primitive, other, lines]}, {"primitives": [primitive]}],
               "nodes": [{"mesh": 0}, {"mesh": 1}], "scenes": [{"nodes": [0, 1]}]}  # fmt: skip
    data = box_glb(**changes)
    scene = load_mesh(data)
    assert len(scene.meshes) == 1
    assert scene.mesh.attributes[0].values.ravel().tolist() == [0, 0, 1]
    assert len(scene.flattened().faces) == 5
    again = to_files(scene, Path("x.glb"))[0][1]
    primitives = document_of(again)[0]["meshes"][0]["primitives"]
    assert [each.get("material") for each in primitives] == [0, 1, None]
    assert primitives[2]["mode"] == 1
    assert same_mesh(scene.mesh, load_mesh(again).mesh)


@pytest.mark.parametrize(
    ("mode", "faces"), [(5, [[0, 1, 2], [1, 3, 2]]), (6, [[1, 2, 0], [2, 3, 0]])]
)
def test_strips_and_fans_become_triangles(mode: int, faces: list[list[int]]) -> None:
    primitive = {"attributes": {"POSITION": 0}, "mode": mode}
    scene = load_mesh(box_glb(meshes=[{"primitives": [primitive]}]))
    assert scene.faces.tolist() == faces
    assert "strips and fans" in scene.notes[0]


def test_gltf_with_files_and_with_data(tmp_path: Path) -> None:
    document, binary = document_of(box_glb())
    (tmp_path / "b c.bin").write_bytes(binary)
    document["buffers"] = [{"byteLength": len(binary), "uri": "b%20c.bin"}]
    (tmp_path / "x.gltf").write_text(json.dumps(document))
    beside = load_mesh(tmp_path / "x.gltf")
    uri = "data:application/octet-stream;base64," + base64.b64encode(binary).decode()
    document["buffers"][0]["uri"] = uri
    inside = load_mesh(json.dumps(document).encode())
    assert same_scene(beside, inside)
    assert same_scene(beside, load_mesh(box_glb()))
    beside.save(tmp_path / "y.gltf")
    assert same_scene(load_mesh(tmp_path / "y.gltf"), beside)
    for uri in ("../b.bin", "/etc/passwd", "http://x/b.bin", "c:\\b.bin", "no.bin"):
        document["buffers"][0]["uri"] = uri
        (tmp_path / "x.gltf").write_text(json.dumps(document))
        with pytest.raises(InputError, match="beside it"):
            load_mesh(tmp_path / "x.gltf")


def test_integers_sparse_and_interleaved_accessors() -> None:
    binary = np.zeros(4, [("p", "<i2", 3), ("pad", "<i2"), ("c", "u1", 4)])
    binary["p"] = [(0, 0, 0), (9, 0, 0), (9, 9, 0), (0, 9, 0)]
    binary["c"] = np.arange(16).reshape(4, 4)
    places = np.array([2], "<u2").tobytes() + bytes(2)
    moved = np.array([(7, 7, 7)], "<i2").tobytes() + bytes(2)
    body = binary.tobytes() + places + moved
    sparse = {"count": 1, "indices": {"bufferView": 1, "componentType": 5123},
              "values": {"bufferView": 2}}  # fmt: skip
    document = {
        "asset": {"version": "2.0"},
        "meshes": [{"primitives": [{"attributes": {"POSITION": 0, "COLOR_0": 1}}]}],
        "accessors": [
            {"bufferView": 0, "componentType": 5122, "count": 4, "type": "VEC3", "sparse": sparse},
            {"bufferView": 0, "byteOffset": 8, "componentType": 5121, "count": 4, "type": "VEC4",
             "normalized": True},
        ],
        "bufferViews": [
            {"buffer": 0, "byteLength": 48, "byteStride": 12},
            {"buffer": 0, "byteOffset": 48, "byteLength": 2},
            {"buffer": 0, "byteOffset": 52, "byteLength": 6},
        ],
        "buffers": [{"byteLength": len(body)}],
    }  # fmt: skip
    scene = load_mesh(glb(document, body))
    assert scene.vertices.tolist() == [[0, 0, 0], [9, 0, 0], [7, 7, 7], [0, 9, 0]]
    assert scene.mesh.attributes[0].values.tolist() == np.arange(16).reshape(4, 4).tolist()
    again = to_files(scene, Path("x.glb"))[0][1]
    accessors = document_of(again)[0]["accessors"]
    assert (accessors[0]["componentType"], accessors[1]["componentType"]) == (5122, 5121)
    assert accessors[1]["normalized"] is True
    assert same_scene(scene, load_mesh(again))


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"asset": {"version": "1.0"}}, "version 1.0"),
        ({"meshes": []}, "no triangles"),
        ({"meshes": [{"primitives": [{"attributes": {"POSITION": 99}}]}]}, "99 is not there"),
        ({"buffers": []}, "no buffer"),
        ({"bufferViews": [{"buffer": 0, "byteLength": 1 << 40}] * 6}, "cut short"),
        ({"accessors": [{"componentType": 5126, "type": "VEC3", "count": 1 << 40}] * 5}, "limit"),
        ({"accessors": [{"componentType": 5126, "type": "VEC3", "count": 9, "bufferView": 0}] * 5},
         "past its buffer view"),
        ({"meshes": [{"primitives": [{"attributes": {"POSITION": 0}, "indices": 0}]}]},
         "unsigned"),
        ({"meshes": 7}, "not as it should be"),
    ],
)  # fmt: skip
def test_damaged_documents(changes: dict[str, Any], message: str) -> None:
    from nacre.errors import LimitExceeded

    with pytest.raises((InputError, LimitExceeded), match=message):
        load_mesh(box_glb(**changes))


def test_truncated_glb() -> None:
    data = box_glb()
    for length in range(4, len(data) - 4, 7):
        with pytest.raises(InputError):
            load_mesh(data[:length])


def test_textures_are_left_out() -> None:
    scene = load_mesh(box_glb(), strip=["textures"])
    assert scene.document["materials"] == [{"name": "skin", "pbrMetallicRoughness": {}}]
    assert all(b"PNG" not in blob for blob in scene.blobs)
    again = load_mesh(to_files(scene, Path("x.glb"))[0][1])
    assert "images" not in again.document
    assert len(again.blobs) == 2  # the animation's
