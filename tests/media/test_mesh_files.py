"""Meshes from and to files, arrays and objects of other libraries."""

from __future__ import annotations

import io
import zipfile
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from meshes import faces_by_position, soup, sphere, with_everything

from nacre.errors import InputError, LimitExceeded
from nacre.limits import Limits
from nacre.media.detect import MESHES, medium_of
from nacre.media.mesh import Attribute, Mesh, Scene, load_mesh
from nacre.media.mesh_arrays import fans, first_uses, narrowed, welded
from nacre.media.mesh_compare import same_mesh, same_scene
from nacre.media.mesh_files import to_files

HOSTILE = Limits(vertices=1 << 16, bytes=1 << 20)


def through(scene: Scene, extension: str, folder: Path) -> Scene:
    scene.save(folder / f"x{extension}", force=True)
    return load_mesh(folder / f"x{extension}")


@pytest.mark.parametrize("extension", MESHES)
@pytest.mark.parametrize("mesh", [sphere(), soup(60, 20), soup(5, 40, 3)], ids=["s", "a", "b"])
def test_faces_survive_every_kind_of_file(extension: str, mesh: Mesh, tmp_path: Path) -> None:
    scene = Scene((mesh,))
    back = through(scene, extension, tmp_path)
    assert np.array_equal(faces_by_position(scene), faces_by_position(back))
    if extension != ".stl":
        assert back.vertices.tobytes() == mesh.vertices.tobytes()
        assert np.array_equal(back.faces, mesh.faces)


@pytest.mark.parametrize("extension", [".ply", ".glb", ".gltf", ".obj", ".off"])
def test_point_clouds_survive(extension: str, tmp_path: Path) -> None:
    points = Mesh(sphere().vertices, np.zeros((0, 3), np.int32))
    back = through(Scene((points,)), extension, tmp_path)
    assert back.vertices.tobytes() == points.vertices.tobytes()
    assert not len(back.faces)


def test_ply_holds_every_attribute(tmp_path: Path) -> None:
    mesh = with_everything(sphere())
    whole = replace(mesh, attributes=mesh.attributes[:-1], name="")
    assert same_mesh(through(Scene((whole,)), ".ply", tmp_path).mesh, whole)
    uv = mesh.attributes[-1]
    back = through(Scene((mesh,)), ".ply", tmp_path).mesh.attribute("uv")
    assert back is not None and uv.index is not None
    assert np.array_equal(back.of_corners(mesh.faces), uv.of_corners(mesh.faces))


def test_obj_holds_what_obj_can(tmp_path: Path) -> None:
    mesh = with_everything(sphere())
    document = {"materials": [{"name": f"m{i}"} for i in range(3)], "libraries": ["a.mtl"],
                "files": [{"name": "a.mtl", "blob": 0}, {"name": "../b.mtl", "blob": 0},
                          {"name": "c.sh", "blob": 0}]}  # fmt: skip
    names = [name for name, _ in to_files(Scene((mesh,), document, (b"newmtl m0",)), Path("x.obj"))]
    assert names == ["x.obj", "a.mtl"]
    back = through(Scene((mesh,), document, (b"newmtl m0",)), ".obj", tmp_path)
    assert (tmp_path / "a.mtl").read_bytes() == b"newmtl m0"
    assert back.document["files"] == [{"name": "a.mtl", "blob": 0}]
    for kind in ("uv", "normal"):
        ours, theirs = mesh.attribute(kind), back.mesh.attribute(kind)  # type: ignore[arg-type]
        assert ours is not None and theirs is not None
        assert np.array_equal(ours.of_corners(mesh.faces), theirs.of_corners(mesh.faces))
    assert back.mesh.attributes[-1].name == "material"
    assert np.array_equal(back.mesh.attributes[-1].values, mesh.attributes[3].values)
    with pytest.raises(InputError, match="exists"):
        Scene((mesh,), document, (b"x",)).save(tmp_path / "y.obj")  # its a.mtl is there


OBJ = b"""# a comment
mtllib none.mtl
o thing
v 0 0 0
v 1 0 0
v 1 1 0 1.0
v 0 1 \\
0
vt 0.5 0.25
vt 0.125 1
vn 0 0 1
usemtl red
f 1/1 2/2 3/1 4/2
usemtl blue
s off
f -4//-1 -3//1 -2//1
f 1 2
l 1 2
"""


def test_obj_is_read_by_position_index() -> None:
    scene = load_mesh(OBJ)
    mesh = scene.mesh
    assert mesh.vertices.tolist() == [[0, 0, 0], [1, 0, 0], [1, 1, 0], [0, 1, 0]]
    assert mesh.faces.tolist() == [[0, 1, 2], [0, 2, 3], [0, 1, 2]]
    uv, normal, material, smooth = mesh.attributes
    assert uv.index is not None and normal.index is not None
    assert uv.values[uv.index[:2]].tolist() == [
        [[0.5, 0.25], [0.125, 1], [0.5, 0.25]],
        [[0.5, 0.25], [0.5, 0.25], [0.125, 1]],
    ]
    assert uv.index[2].tolist() == [-1, -1, -1]
    assert normal.index.tolist() == [[-1] * 3, [-1] * 3, [0] * 3]
    assert material.values.ravel().tolist() == [0, 0, 1]
    assert smooth.values.ravel().tolist() == [-1, -1, 0]
    assert scene.document["materials"] == [{"name": "red"}, {"name": "blue"}]
    text = " ".join(scene.notes)
    assert "1 polygons became triangles" in text
    assert "fewer than three" in text
    assert "OBJ lines left out: l" in text


def test_ply_in_every_format() -> None:
    rows = b"0 0 0\n1 0 0\n1 1 0\n0 1 0.5\n"
    head = (b"ply\nformat ascii 1.0\ncomment x\nelement vertex 4\nproperty float x\n"
            b"property float y\nproperty double z\nelement face 2\n"
            b"property list uchar int vertex_indices\nproperty uchar flag\n"
            b"end_header\n")  # fmt: skip
    text = load_mesh(head + rows + b"3 0 1 2 7\n4 0 1 2 3 9\n").mesh
    big = head.replace(b"ascii", b"binary_big_endian")
    for x, y, z in ((0, 0, 0), (1, 0, 0), (1, 1, 0), (0, 1, 0.5)):
        big += np.array([x, y], ">f4").tobytes() + np.array([z], ">f8").tobytes()
    big += b"\x03" + np.array([0, 1, 2], ">i4").tobytes() + b"\x07"
    big += b"\x04" + np.array([0, 1, 2, 3], ">i4").tobytes() + b"\x09"
    for mesh in (text, load_mesh(big).mesh):
        assert mesh.vertices.tolist() == [[0, 0, 0], [1, 0, 0], [1, 1, 0], [0, 1, 0.5]]
        assert mesh.faces.tolist() == [[0, 1, 2], [0, 1, 2], [0, 2, 3]]
        assert mesh.attributes[0].values.ravel().tolist() == [7, 9, 9]


def test_triangle_strips_of_ply() -> None:
    head = (b"ply\nformat ascii 1.0\nelement vertex 5\nproperty float x\nproperty float y\n"
            b"property float z\nelement tristrips 1\nproperty list int int vertex_indices\n"
            b"end_header\n")  # fmt: skip
    scene = load_mesh(head + b"0 0 0\n1 0 0\n0 1 0\n1 1 0\n2 2 2\n" + b"8 0 1 2 3 -1 4 1 0\n")
    assert scene.faces.tolist() == [[0, 1, 2], [2, 1, 3], [4, 1, 0]]


def test_stl_of_text_and_its_solids() -> None:
    facet = "facet normal 0 0 1\nouter loop\n{}endloop\nendfacet\n"
    loop = "".join(f"vertex {x} {y} 0\n" for x, y in ((0, 0), (1, 0), (0, 1)))
    text = f"solid a\n{facet.format(loop)}endsolid a\nsolid b b\n{facet.format(loop) * 2}endsolid"
    scene = load_mesh(text.encode())
    assert [mesh.name for mesh in scene.meshes] == ["a", "b b"]
    assert [mesh.shape.faces for mesh in scene.meshes] == [1, 2]
    assert scene.meshes[1].shape.vertices == 3


def test_3mf_keeps_objects_places_and_materials(tmp_path: Path) -> None:
    ball = replace(with_everything(sphere(4, 5)), attributes=())
    block = replace(sphere(3, 4), name="block", material=1)
    document = {
        "scenes": [{"nodes": [0, 2]}],
        "nodes": [{"children": [1], "translation": [1, 2, 3]}, {"mesh": 0}, {"mesh": 1}],
        "meshes": [{"primitives": [{"nacre": [0]}]}, {"primitives": [{"nacre": [1]}]}],
        "materials": [{"name": 'red "1"'}, {"name": "blue"}],
        "extras": {"unit": "inch"},
    }
    scene = Scene((ball, block), document)
    back = through(scene, ".3mf", tmp_path)
    assert [mesh.name for mesh in back.meshes] == ["ball", "block"]
    assert [each["name"] for each in back.document["materials"]] == ['red "1"', "blue"]
    assert back.document["extras"] == {"unit": "inch"}
    assert back.meshes[1].material == 1
    assert np.array_equal(faces_by_position(scene), faces_by_position(back))


def test_welding_is_exact_and_only_when_asked() -> None:
    mesh = sphere()
    corners = np.arange(3 * len(mesh.faces)).reshape(-1, 3).astype(np.int32)
    shade = np.arange(len(corners) * 3, dtype=np.uint32)[:, None] % 5
    loose = Mesh(mesh.vertices[mesh.faces.ravel()], corners,
                 (Attribute("shade", "generic", "vertex", shade),))  # fmt: skip
    assert load_mesh(loose).shape == loose.shape
    tight = load_mesh(loose, weld=True).mesh
    assert len(tight.vertices) == len(mesh.vertices)
    assert np.array_equal(tight.vertices[tight.faces], loose.vertices[loose.faces])
    assert np.array_equal(tight.attributes[0].of_corners(tight.faces).ravel(), shade.ravel())
    assert welded(mesh) is mesh


def test_objects_of_other_libraries() -> None:
    import trimesh

    mesh = sphere()
    v, f = mesh.vertices, mesh.faces
    made = trimesh.Trimesh(v, f, process=False, vertex_colors=np.full((len(v), 4), 9, np.uint8))
    open3d = SimpleNamespace(vertices=v, triangles=f, vertex_normals=v, vertex_colors=[],
                             triangle_uvs=np.arange(6 * len(f)).reshape(-1, 2) / 7)  # fmt: skip
    rows = np.concatenate([np.full((len(f), 1), 3), f], axis=1)
    vista = SimpleNamespace(points=v, faces=rows.ravel(), point_data={"Normals": v, "t": v[:, 0]},
                            cell_data={"id": np.arange(len(f))})  # fmt: skip
    sources: list[Any] = [
        (v, f),
        (v.tolist(), f.tolist()),
        mesh,
        Scene((mesh,)),
        made,
        open3d,
        vista,
    ]
    for source in sources:
        assert medium_of(source) == "mesh"
        found = load_mesh(source)
        assert np.array_equal(found.vertices.astype(np.float32), v)
        assert np.array_equal(found.faces, f)
    assert [a.name for a in load_mesh(made).mesh.attributes] == ["color"]
    kinds = [(a.kind, a.domain) for a in load_mesh(open3d).mesh.attributes]
    assert kinds == [("normal", "vertex"), ("uv", "corner")]
    assert [a.name for a in load_mesh(vista).mesh.attributes] == ["Normals", "t", "id"]
    clouds = [trimesh.PointCloud(v), SimpleNamespace(points=v, colors=v, normals=[]), (v, None)]
    for cloud in clouds:
        assert not len(load_mesh(cloud).faces)
    scene = trimesh.Scene([made, made.copy()])
    assert len(load_mesh(scene).meshes) == 2
    back = Scene((mesh,)).trimesh()
    assert np.array_equal(back.vertices, v) and np.array_equal(back.faces, f)


@pytest.mark.parametrize(
    ("vertices", "faces", "message"),
    [
        (np.zeros((3, 2)), [[0, 1, 2]], "shape"),
        (np.zeros((3, 3)), [[0, 1, 3]], "names vertex 3"),
        (np.zeros((3, 3)), [[0, 1, -1]], "names vertex -1"),
        (np.zeros((3, 3)), [[0, 1, 1 << 40]], "names vertex"),
        (np.zeros((3, 3)), [[0.0, 1.0, 2.0]], "whole numbers"),
        ("abc", [[0, 1, 2]], "no array of numbers"),
    ],
)
def test_arrays_that_are_no_mesh(vertices: Any, faces: Any, message: str) -> None:
    with pytest.raises(InputError, match=message):
        load_mesh((vertices, faces))


def ply(vertices: int, faces: int, body: bytes = b"") -> bytes:
    return (
        f"ply\nformat binary_little_endian 1.0\nelement vertex {vertices}\nproperty float x\n"
        f"property float y\nproperty float z\nelement face {faces}\n"
        "property list uchar int vertex_indices\nend_header\n"
    ).encode() + body


def bomb_3mf() -> bytes:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as package:
        package.writestr("[Content_Types].xml", "")
        package.writestr("3D/3dmodel.model", b" " * (8 << 20))
    return file.getvalue()


def entity_3mf() -> bytes:
    text = b'<!DOCTYPE x [<!ENTITY a "aaaa">]><model><resources/></model>'
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as package:
        package.writestr("3D/3dmodel.model", text)
    return file.getvalue()


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (ply(4_000_000_000, 0), "over the limit"),
        (ply(60_000, 0, bytes(100)), "promises 60,000 x vertex, the file has room for 8"),
        (ply(1, 60_000, bytes(20)), "promises 60,000 x face"),
        (ply(1, 1, bytes(12) + b"\xff" + bytes(50)), "promises 1 x face"),
        (ply(1, 1, bytes(12) + b"\x03" + bytes(12))[:60], "end_header"),
        (b"ply\nformat ascii 1.0\nelement vertex 1\nproperty float x\nend_header\n1", "x, y and z"),
        (ply(1, 1).replace(b"float x", b"floot x"), "not understood"),
        (b"solid x\nfacet\nvertex 1 2\nendsolid", "three numbers"),
        (bytes(80) + b"\xff\xff\xff\x7f", "promises 2,147,483,647 facets"),
        (b"OFF\n9 9 0\n0 0 0\n", "promises 18 lines"),
        (b"OFF\n3 1 0\n0 0 0\n1 0 0\n0 1 0\n3 0 1 7\n", "names vertex 7"),
        (b"v 0 0 0\nv 1 0 0\nf 1 2 9\n", "names vertex 8"),
        (b"v 0 0 0\nv 1 0 x\nf 1 2 1\n", "line 2"),
        (b"v 0 0 0\nf 1 0 1\n", "line 2"),
        (b"# nothing\nvt 0 0\n", "no vertices"),
        (bomb_3mf(), "over the limit"),
        (entity_3mf(), "document type"),
        (bomb_3mf()[:300], "damaged"),
        (b"glTF\x02\0\0\0" + bytes(4), "header alone"),
        (b"what is this", "a mesh file is expected"),
        (b"", "empty"),
        (b"\x89PNG\r\n\x1a\n", "is expected"),
    ],
)
def test_bad_files_are_one_clear_error(data: bytes, message: str, tmp_path: Path) -> None:
    name = {b"solid": "a.stl", b"OFF\n": "a.off", bytes(5): "a.stl"}.get(data[:5], "a")
    path = tmp_path / (name if data[:2] not in (b"v ", b"# ") else "a.obj")
    path.write_bytes(data)
    with pytest.raises((InputError, LimitExceeded), match=message) as caught:
        load_mesh(path, limits=HOSTILE)
    assert "\n" not in str(caught.value)


def test_sources_that_are_no_files(tmp_path: Path) -> None:
    for source, message in ((tmp_path, "is a folder"), (tmp_path / "no.ply", "no such file")):
        with pytest.raises(InputError, match=message):
            load_mesh(source)
    with pytest.raises(InputError, match="cannot read a mesh from int"):
        load_mesh(3)
    with pytest.raises(InputError, match="written as"):
        Scene((sphere(),)).save(tmp_path / "x.dae")


@pytest.mark.parametrize("extension", MESHES)
@settings(max_examples=25, deadline=None)
@given(place=st.integers(0, 1 << 20), byte=st.integers(0, 255), cut=st.booleans())
@example(place=2784, byte=1, cut=False)  # of 3MF: a directory before the beginning of the file
def test_damage_is_an_error_or_a_scene(
    extension: str, place: int, byte: int, cut: bool, files: dict[str, bytes]
) -> None:
    data = bytearray(files[extension])
    place %= len(data)
    data[place] = byte
    try:
        scene = load_mesh(bytes(data[:place] if cut else data), limits=HOSTILE)
    except (InputError, LimitExceeded):
        return
    assert scene.shape.vertices <= HOSTILE.vertices


@pytest.fixture(scope="module")
def files() -> dict[str, bytes]:
    """A file of each kind."""
    scene = Scene((with_everything(sphere(4, 5)),))
    return {kind: to_files(scene, Path("x" + kind))[0][1] for kind in MESHES}


@given(st.lists(st.integers(0, 6), max_size=12))
def test_fans_are_those_of_a_loop(sizes: list[int]) -> None:
    corners, polygon = fans(np.array(sizes, np.int64))
    expected, start = [], 0
    for number, size in enumerate(sizes):
        expected += [(number, start, start + i, start + i + 1) for i in range(1, size - 1)]
        start += size
    assert [
        (p, *row) for p, row in zip(polygon.tolist(), corners.tolist(), strict=True)
    ] == expected


@given(st.lists(st.tuples(st.integers(0, 3), st.integers(0, 2)), max_size=20))
def test_first_uses(rows: list[tuple[int, int]]) -> None:
    first, number = first_uses(np.array(rows, np.int64).reshape(-1, 2))
    order = list(dict.fromkeys(rows))
    assert [rows[i] for i in first] == order
    assert [order[i] for i in number] == rows


@given(st.lists(st.floats(width=32, allow_nan=False, allow_infinity=False), min_size=1), st.data())
def test_floats_of_texts_are_float32_where_that_holds_them(
    values: list[float], data: st.DataObject
) -> None:
    digits = data.draw(st.sampled_from(["{:.9g}", "{!r}"]))
    single = np.array(values, np.float32)
    text = [digits.format(float(v)) for v in single]
    found = narrowed(np.array([float(t) for t in text]))
    assert found.dtype == np.float32
    assert found.tobytes() == single.tobytes()
    fine = np.array([*values, 0.1 + 1e-12])
    assert narrowed(fine).dtype == np.float64


def test_scenes_differ_by_anything() -> None:
    mesh = with_everything(sphere())
    scene = Scene((mesh,), {"a": 1}, (b"x",))
    order = np.random.default_rng(0).permutation(len(mesh.vertices)).astype(np.int32)
    place = np.argsort(order).astype(np.int32)
    moved = tuple(
        replace(a, values=a.values[order]) if a.domain == "vertex" else a for a in mesh.attributes
    )
    same = replace(mesh, vertices=mesh.vertices[order], faces=place[mesh.faces], attributes=moved)
    assert same_scene(scene, Scene((same,), {"a": 1}, (b"x",)))
    rolled = np.ascontiguousarray(np.roll(mesh.faces, 1, axis=1))
    attributes = tuple(
        replace(a, index=np.roll(a.index, 1, axis=1)) if a.index is not None else a
        for a in mesh.attributes
    )
    assert same_mesh(mesh, replace(mesh, faces=rolled, attributes=attributes))
    turned = replace(mesh, faces=np.ascontiguousarray(mesh.faces[:, ::-1]))
    nudged = mesh.vertices.copy()
    nudged[3, 1] = np.nextafter(nudged[3, 1], np.float32(9))
    colour = mesh.attributes[1].values.copy()
    colour[5, 2] ^= 1
    others = [
        turned,
        replace(mesh, vertices=nudged),
        replace(mesh, vertices=mesh.vertices.astype(np.float64)),
        replace(mesh, faces=mesh.faces[:-1], attributes=()),
        replace(mesh, attributes=(mesh.attributes[0], replace(mesh.attributes[1], values=colour),
                                  *mesh.attributes[2:])),
        replace(mesh, name="cube"),
    ]  # fmt: skip
    assert not any(same_mesh(mesh, other) for other in others)
    assert not same_scene(scene, Scene((mesh,), {"a": 2}, (b"x",)))
    assert not same_scene(scene, Scene((mesh,), {"a": 1}, (b"y",)))


def test_stripping(tmp_path: Path) -> None:
    scene = Scene((with_everything(sphere()),), {"a": 1})
    assert [a.name for a in scene.stripped(("normals", "uvs")).mesh.attributes] == [
        "color", "quality", "material"
    ]  # fmt: skip
    assert scene.stripped(("scene",)).document == {}
    assert scene.stripped(("all",)).mesh.attributes == ()
    with pytest.raises(InputError, match="strip 'exif' is not known"):
        load_mesh(scene, strip=["exif"])
