"""circuit-mesh: every kind of mesh comes back, exactly or within half a step of the grid."""

from __future__ import annotations

import zlib
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from meshes import box_glb, soup, sphere, with_everything

from nacre.codecs.circuit_mesh import CircuitMesh, CircuitMeshSettings
from nacre.entropy.mesh.connectivity import decode_connectivity, encode_connectivity
from nacre.errors import FormatError, InputError, LimitExceeded, ModelError, NacreError
from nacre.limits import Limits
from nacre.media.mesh import Attribute, Mesh, Scene, load_mesh
from nacre.media.mesh_compare import same_mesh, same_scene
from nacre.mesh_models import shipped_model
from nacre.stream import (
    MeshShape,
    Section,
    SectionKind,
    Stream,
    pack_segments,
    unpack_segments,
)

CODEC = CircuitMesh()
NONE = np.zeros((0, 3), np.int32)


def through(scene: Scene, **options: Any) -> Scene:
    options.setdefault("effort", 1)
    stream = CODEC.encode(scene, CircuitMeshSettings(**options))
    read = Stream.from_bytes(stream.to_bytes())
    decoded = CODEC.decode(read)
    again = CODEC.encode(decoded, CircuitMeshSettings(**options))
    assert again.to_bytes() == stream.to_bytes(), "coding what was decoded gives other bytes"
    return decoded


def _with_model(identity: bytes) -> CircuitMesh:
    from nacre.registry import find_model

    return CircuitMesh(model=find_model(identity).path)


def floats(count: int, seed: int, dtype: Any = np.float32) -> Any:
    """Any floats, with zeros of both signs, NaN and infinities among them."""
    random = np.random.default_rng(seed)
    values = random.standard_normal((count, 3)) * 10.0 ** random.integers(-8, 8, (count, 1))
    flat = values.ravel()
    places = random.permutation(len(flat))
    for place, odd in zip(places, (0.0, -0.0, np.nan, np.inf, -np.inf, 1e-42), strict=False):
        flat[place] = odd
    return values.astype(dtype)


SPLIT = Mesh(  # a quad of two triangles that share positions and not vertices
    np.array([(0, 0, 0), (1, 0, 0), (1, 1, 0), (0, 0, 0), (1, 1, 0), (0, 1, 0)], np.float32),
    np.array([(0, 1, 2), (3, 4, 5)], np.int32),
    (Attribute("NORMAL", "normal", "vertex", np.eye(3, dtype=np.float32)[[0, 0, 0, 1, 1, 1]]),),
)
MESHES = {
    "sphere": sphere(),
    "everything": with_everything(sphere()),
    "soup": soup(200, 30),
    "degenerate": Mesh(sphere().vertices, np.zeros((50, 3), np.int32)),
    "isolated": Mesh(np.vstack([sphere().vertices] * 2), sphere().faces),
    "one vertex": Mesh(np.ones((1, 3), np.float32), NONE),
    "points": Mesh(sphere(20, 20).vertices, NONE),
    "points with colours": Mesh(
        sphere().vertices, NONE, (with_everything(sphere()).attributes[1],)
    ),
    "split": SPLIT,
    "odd floats": Mesh(floats(30, 1), soup(40, 30).faces),
    "odd doubles": Mesh(floats(30, 2, np.float64), soup(40, 30).faces),
    "doubles that are floats": Mesh(sphere().vertices.astype(np.float64), sphere().faces),
    "decimals": Mesh(np.float32(np.round(sphere().vertices, 3)), sphere().faces),
    "negative zeros": Mesh(np.float32(np.round(sphere().vertices, 1)) * np.float32(-1), NONE),
    "low corner at -0": Mesh(
        np.where(v := sphere().vertices.clip(0), v * np.float32(1.01), np.float32(-0.0)),
        sphere().faces,
    ),
    "one place": Mesh(np.full((4, 3), 7, np.float32), np.array([(0, 1, 2), (1, 2, 3)], np.int32)),
}


@pytest.mark.parametrize("effort", [1, 2])
@pytest.mark.parametrize("name", MESHES)
def test_lossless_is_exact(name: str, effort: int) -> None:
    scene = Scene((MESHES[name],))
    assert same_scene(through(scene, lossless=True, effort=effort), scene)


@pytest.mark.parametrize("name", ["everything", "soup", "split", "one vertex", "points"])
def test_models_are_named_and_found(name: str) -> None:
    model = shipped_model()
    if model is None:
        pytest.skip("no model of meshes ships")
    scene = Scene((MESHES[name],))
    stream = CODEC.encode(scene, CircuitMeshSettings(lossless=True))
    assert stream.model == model.id
    assert same_scene(through(scene, lossless=True, effort=3), scene)
    codec = _with_model(model.id)
    for chosen in (CircuitMeshSettings(lossless=True), CircuitMeshSettings(effort=2)):
        codec.decode(codec.encode(scene, chosen))
    large = shipped_model(large=True)
    if large is not None:
        other = CODEC.encode(scene, CircuitMeshSettings(lossless=True, effort=4))
        assert other.model == large.id
        assert same_scene(CODEC.decode(other), scene)
        with pytest.raises(ModelError, match="made with model"):
            codec.decode(other)
    with pytest.raises(ModelError, match="abcdef"):
        CODEC.decode(replace(stream, model=b"\xab\xcd\xef"))


@pytest.mark.parametrize("name", [name for name in MESHES if "odd" not in name])
def test_kept_order_is_that_of_the_input(name: str) -> None:
    mesh = MESHES[name]
    chosen = CircuitMeshSettings(keep_order=True, effort=1)
    mapped = CODEC.encode_mapped(Scene((mesh,)), chosen)
    assert np.array_equal(mapped.vertex_maps[0], np.arange(len(mesh.vertices)))
    assert np.array_equal(mapped.face_maps[0], np.arange(len(mesh.faces)))
    for lossless in (True, False):
        back = through(Scene((mesh,)), keep_order=True, lossless=lossless).mesh
        assert np.array_equal(back.faces, mesh.faces)
        if lossless:
            assert back.vertices.tobytes() == mesh.vertices.tobytes()
        for ours, theirs in zip(mesh.attributes, back.attributes, strict=True):
            if lossless or ours.values.dtype.kind != "f":
                assert np.array_equal(ours.of_corners(mesh.faces), theirs.of_corners(back.faces))


@pytest.mark.parametrize("bits", [8, 11, 14, 24])
@pytest.mark.parametrize(
    "name", ["sphere", "everything", "soup", "isolated", "points", "split", "low corner at -0"]
)
def test_errors_are_within_half_a_step(name: str, bits: int) -> None:
    mesh = MESHES[name]
    mapped = CODEC.encode_mapped(Scene((mesh,)), CircuitMeshSettings(bits=bits, effort=1))
    decoded = CODEC.decode(mapped.stream).mesh
    through(Scene((mesh,)), bits=bits)
    order = mapped.vertex_maps[0]
    assert sorted(order.tolist()) == list(range(len(mesh.vertices)))
    assert decoded.lattice is not None
    step = decoded.lattice.step
    sides = np.ptp(mesh.vertices.astype(np.float64), axis=0)
    exact = name == "split"  # on a lattice of its own that is no finer
    assert step <= sides.max() / (2**bits - 1) * (1 + 1e-6) or exact
    error = np.abs(decoded.vertices.astype(np.float64) - mesh.vertices[order]).max()
    assert error <= (0 if exact else step / 2 + np.abs(sides).max() * 2e-7)
    place = decoded.lattice.integers * step + np.array(decoded.lattice.origin)
    assert np.allclose(place, decoded.vertices, rtol=0, atol=sides.max() * 1e-6)
    turned = {tuple(np.roll(row, k)) for row in order[decoded.faces].tolist() for k in range(3)}
    assert all(tuple(row) in turned for row in mesh.faces.tolist())
    assert len(decoded.faces) == len(mesh.faces)


def test_bits_of_attributes() -> None:
    mesh = with_everything(sphere())
    fine = {"normal_bits": 14, "uv_bits": 16, "generic_bits": 16}
    mapped = CODEC.encode_mapped(Scene((mesh,)), CircuitMeshSettings(effort=1, **fine))
    decoded, order = CODEC.decode(mapped.stream).mesh, mapped.vertex_maps[0]
    normal, color, quality, material, uv = decoded.attributes
    assert np.abs(normal.values - mesh.attributes[0].values[order]).max() < 2e-4
    assert np.array_equal(color.values, mesh.attributes[1].values[order])
    assert np.abs(quality.values - mesh.attributes[2].values[order]).max() < 1e-5
    assert quality.values.dtype == np.float64
    faces = mapped.face_maps[0]
    assert np.array_equal(material.values, mesh.attributes[3].values[faces])
    assert uv.index is not None and (uv.index == -1).sum() == 12
    coarse = through(Scene((mesh,)), normal_bits=4, uv_bits=4, generic_bits=4)
    assert np.abs(coarse.mesh.attributes[0].values - normal.values).max() > 0.01


def test_one_grid_for_a_scene_or_one_a_mesh() -> None:
    near, far = sphere(seed=3), sphere(seed=4)
    moved = replace(far, vertices=far.vertices * np.float32(0.01) + np.float32(5))
    scene = Scene((near, moved))
    together, apart = through(scene, bits=10), through(scene, bits=10, grid="mesh")
    steps = [[m.lattice.step for m in s.meshes if m.lattice] for s in (together, apart)]
    assert steps[0][0] == steps[0][1]
    assert steps[1][1] < steps[1][0] < steps[0][0]


def test_vertices_that_meet_still_meet() -> None:
    ball = sphere()
    half = len(ball.faces) // 2
    parts = []
    for rows in (ball.faces[:half], ball.faces[half:]):
        used, faces = np.unique(rows, return_inverse=True)
        vertices = ball.vertices[used]
        parts.append(Mesh(vertices, faces.reshape(-1, 3).astype(np.int32)))
    shared = {tuple(v) for v in parts[0].vertices.tolist()} & {
        tuple(v) for v in parts[1].vertices.tolist()
    }
    decoded = through(Scene(tuple(parts)), bits=9)
    found = [{tuple(v) for v in mesh.vertices.tolist()} for mesh in decoded.meshes]
    assert len(found[0] & found[1]) == len(shared) > 5


def test_scenes_keep_what_they_carry() -> None:
    scene = load_mesh(box_glb())
    decoded = through(scene, lossless=True)
    assert same_scene(decoded, scene)
    lossy = through(scene, bits=9)
    assert (dict(lossy.document), lossy.blobs) == (dict(scene.document), scene.blobs)
    stream = CODEC.encode(Scene((sphere(),)), CircuitMeshSettings(effort=1))
    assert [each.kind for each in stream.sections] == [SectionKind.PAYLOAD]


def test_split_vertices_cost_little() -> None:
    ball = sphere(20, 30)
    corners = ball.vertices[ball.faces.ravel()]
    normal = np.repeat(np.cross(corners[1::3] - corners[::3], corners[2::3] - corners[::3]), 3, 0)
    faces = np.arange(len(corners), dtype=np.int32).reshape(-1, 3)
    attributes = (Attribute("NORMAL", "normal", "vertex", normal),)
    flat = Mesh(corners, faces, attributes)
    back = through(Scene((flat,)), lossless=True)
    assert same_mesh(back.mesh, flat)
    plain = len(CODEC.encode(Scene((ball,)), CircuitMeshSettings(effort=1)).to_bytes())
    bare = replace(flat, attributes=())
    split = len(CODEC.encode(Scene((bare,)), CircuitMeshSettings(effort=1)).to_bytes())
    assert split < plain + len(ball.faces) // 8


@settings(max_examples=25, deadline=None)
@given(st.data())
def test_any_soup_survives(data: st.DataObject) -> None:
    count, vertices = data.draw(st.integers(0, 40)), data.draw(st.integers(1, 12))
    mesh = soup(count, vertices, data.draw(st.integers(0, 999)))
    spread = data.draw(st.sampled_from([1, 3, 1000]))
    vertices_ = np.rint(mesh.vertices * spread).astype(np.float32)
    random = np.random.default_rng(count)
    values = random.integers(0, 3, (5, 2)).astype(np.float32)
    index = random.integers(-1, 5, (count, 3)).astype(np.int32)
    uv = Attribute("uv", "uv", "corner", values, index)
    normal = Attribute("n", "normal", "vertex", mesh.vertices)
    scene = Scene((Mesh(vertices_, mesh.faces, (uv, normal)),))
    assert same_scene(through(scene, lossless=True), scene)
    through(scene, bits=8)


def test_ten_million_degenerate_faces_take_bounded_memory() -> None:
    faces = np.zeros((300_000, 3), np.int32)
    scene = Scene((Mesh(np.zeros((2, 3), np.float32), faces),))
    stream = CODEC.encode(scene, CircuitMeshSettings(effort=1))
    assert len(stream.payload) * 64 + (1 << 18) >= 300_002
    assert len(CODEC.decode(stream).faces) == 300_000


@pytest.mark.parametrize(
    ("scene", "options", "message"),
    [
        (Scene((Mesh(floats(30, 1), NONE),)), {}, "which no grid has.*--lossless"),
        (Scene((Mesh(np.zeros((0, 3), np.float32), NONE),)), {}, "no vertices"),
        (Scene(()), {"lossless": True}, "no vertices"),
    ],
)
def test_what_cannot_be_encoded(scene: Scene, options: dict[str, Any], message: str) -> None:
    with pytest.raises(InputError, match=message):
        CODEC.encode(scene, CircuitMeshSettings(**options))


@pytest.mark.parametrize(
    "options",
    [{"bits": 7}, {"bits": 25}, {"normal_bits": 21}, {"uv_bits": 0}, {"effort": 5}, {"grid": "x"}],
)
def test_settings_outside_their_range(options: dict[str, Any]) -> None:
    with pytest.raises(InputError, match=next(iter(options))):
        CircuitMeshSettings(**options)


def test_few_bytes_cannot_ask_for_much() -> None:
    stream = CODEC.encode(Scene((sphere(),)), CircuitMeshSettings(effort=1))
    for shape in (MeshShape(1 << 26, 10), MeshShape(10, 1 << 26)):
        with pytest.raises(FormatError, match="so tightly"):
            CODEC.decode(replace(stream, shape=shape))
    scene = replace(load_mesh(box_glb()), blobs=(bytes(1 << 22),) * 3)
    big = CODEC.encode(scene, CircuitMeshSettings(effort=1))
    assert len(big.to_bytes()) < 1 << 16
    with pytest.raises(LimitExceeded):
        CODEC.decode(replace(big, limits=Limits(bytes=1 << 20)))


STREAMS = [
    CODEC.encode(Scene((mesh,), {"a": [1]}, (b"blob",)), CircuitMeshSettings(effort=1, **options))
    for mesh in (with_everything(sphere(4, 6)), SPLIT, soup(30, 12), MESHES["isolated"])
    for options in ({"lossless": True}, {"bits": 9}, {"keep_order": True})
]


@settings(max_examples=300, deadline=None)
@given(
    st.integers(0, len(STREAMS) - 1),
    st.lists(st.tuples(st.integers(0, 1 << 30), st.integers(1, 255)), min_size=1, max_size=3),
    st.sampled_from(["flip", "cut", "shape"]),
)
def test_damage_is_an_error_or_a_scene(
    number: int, changes: list[tuple[int, int]], how: str
) -> None:
    stream = STREAMS[number]
    sections = []
    for section in stream.sections:
        data = bytearray(section.data)
        for place, byte in changes:
            if how == "cut":
                data = data[: place % len(data) + 1]
            else:
                data[place % min(len(data), 1 << 16)] ^= byte
        sections.append(Section(section.kind, bytes(data)))
    shape = stream.shape
    if how == "shape" and isinstance(shape, MeshShape):
        sections = list(stream.sections)
        place, byte = changes[0]
        shape = MeshShape(shape.vertices + place % 7 - 3, max(shape.faces + byte % 7 - 3, 0))
    damaged = replace(stream, sections=tuple(sections), shape=shape, limits=Limits.STRICT)
    try:
        scene = CODEC.decode(damaged)
    except NacreError as error:
        assert isinstance(error, FormatError | LimitExceeded)
    else:
        assert scene.shape == shape


def test_hostile_documents_are_refused(tmp_path: Path) -> None:
    stream = CODEC.encode(Scene((sphere(),), {"x": 1}), CircuitMeshSettings(effort=1))
    nested = b"[" * 100_000
    for body in (b"", b"\x01", b"\x01\x00\x02[]", b"\x01\x00\x05" + nested[:5],
                 b"\x01\x01\x04\x02" + zlib.compress(b"{}")):  # fmt: skip
        sections = (Section(SectionKind.SCENE, body), stream.sections[1])
        with pytest.raises(FormatError):
            CODEC.decode(replace(stream, sections=sections))


def test_joined_vertices_have_no_order_of_the_input() -> None:
    mesh = MESHES["sphere"]
    corners = mesh.faces.ravel()
    split = Mesh(mesh.vertices[corners], np.arange(len(corners), dtype=np.int32).reshape(-1, 3))
    stream = CODEC.encode(Scene((split,)), CircuitMeshSettings(effort=2))
    segments = [bytes(each) for each in unpack_segments(stream.payload[3:])]
    count = len(mesh.vertices)
    faces = decode_connectivity(segments[1], count, len(mesh.faces)).faces
    segments[1] = encode_connectivity(faces, count, keep="vertex").data
    payload = stream.payload[:3] + pack_segments(segments)
    with pytest.raises(FormatError, match="joined vertices"):
        CODEC.decode(replace(stream, sections=(Section(SectionKind.PAYLOAD, payload),)))
