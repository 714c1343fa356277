"""Attributes of meshes: exact round trips along any surface, predictions, damaged bytes."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from nacre.entropy.mesh.attributes import decode_attribute, encode_attribute
from nacre.entropy.mesh.attributes_faces import decode_face_attribute, encode_face_attribute
from nacre.entropy.mesh.attributes_model import logistic_mass
from nacre.entropy.mesh.attributes_ring import ring_of
from nacre.entropy.mesh.normals import arccos, nearest_pair, sum_normals, turned
from nacre.entropy.mesh.surface import Surface, opposite_corners, surface_of
from nacre.errors import FormatError, InputError, NacreError
from nacre.transforms.octahedral import canonical_pairs, dequantize_normals, quantize_normals

Int32s = npt.NDArray[np.int32]
Int64s = npt.NDArray[np.int64]


def torus(n: int, m: int) -> tuple[npt.NDArray[np.float64], Int32s, npt.NDArray[np.float64]]:
    """Vertices, triangles and the two angles of each vertex."""
    i, j = (grid.ravel() for grid in np.mgrid[0:n, 0:m])
    a, b = 2 * np.pi * i / n, 2 * np.pi * j / m
    radius = 2 + (0.7 + 0.1 * np.sin(3 * a)) * np.cos(b)
    points = np.stack([radius * np.cos(a), radius * np.sin(a), 0.8 * np.sin(b)], axis=1)
    right, up = ((i + 1) % n) * m + j, i * m + (j + 1) % m
    both = ((i + 1) % n) * m + (j + 1) % m
    here = i * m + j
    triangles = np.stack([here, right, both, here, both, up], axis=1).reshape(-1, 3)
    return points, triangles.astype(np.int32), np.stack([a, b], axis=1)


def lattice(points: npt.NDArray[np.float64], bits: int = 11) -> Int64s:
    low = points.min(axis=0)
    step = (points.max(axis=0) - low).max() / ((1 << bits) - 1)
    return np.rint((points - low) / step).astype(np.int64)


POINTS, FACES, ANGLES = torus(40, 24)
SURFACE = surface_of(FACES, len(POINTS))
POSITIONS = lattice(POINTS)


def seams() -> tuple[Int32s, Int64s]:
    """Texture coordinates of the torus, which jump along two circles: corners' rows, and rows."""
    corner = ANGLES[FACES] / (2 * np.pi)
    for axis in (0, 1):
        wraps = corner[:, :, axis].max(1) - corner[:, :, axis].min(1) > 0.5
        corner[:, :, axis] += wraps[:, None] & (corner[:, :, axis] < 0.5)
    flat = np.rint(corner.reshape(-1, 2) * 4000).astype(np.int64)
    rows, first, index = np.unique(
        np.column_stack([FACES.ravel(), flat]), axis=0, return_index=True, return_inverse=True
    )
    order = np.argsort(first)
    rank = np.empty(len(order), np.int64)
    rank[order] = np.arange(len(order))
    return rank[index.ravel()].reshape(-1, 3).astype(np.int32), rows[order][:, 1:]


def values_of(name: str) -> tuple[Int64s, str, int]:
    rng = np.random.default_rng(3)
    wave = np.sin(3 * POINTS) * np.cos(2 * POINTS[:, ::-1])
    if name == "color":
        return np.rint(127 + 120 * wave).astype(np.int64), "color", 0
    if name == "normal":
        noisy = POINTS / np.linalg.norm(POINTS, axis=1)[:, None] + 0.02 * wave
        return quantize_normals(noisy, 10), "normal", 10
    if name == "constant":
        return np.full((len(POINTS), 3), 255, np.int64), "color", 0
    if name == "wide":
        return rng.integers(-(2**51) + 1, 2**51, (len(POINTS), 2)), "generic", 0
    if name == "many":
        values = np.rint(50 * np.tile(wave, 3)[:, :7]).astype(np.int64)
        values[:, [0, 4]] = 3
        return values, "generic", 0
    return np.rint(300 * ANGLES).astype(np.int64), "uv", 0


NAMES = ("color", "normal", "constant", "wide", "many", "uv")


def both_ways(
    values: Int64s,
    kind: str,
    bits: int,
    effort: int = 2,
    surface: Surface = SURFACE,
    faces: Int32s = FACES,
    index: Int32s | None = None,
    positions: Int64s = POSITIONS,
) -> bytes:
    """Encode, decode, compare; the bytes."""
    data = encode_attribute(
        surface, faces, values, index, kind=kind, positions=positions, effort=effort, bits=bits
    )
    decoded, found = decode_attribute(
        data, surface, faces, index, kind=kind, channels=values.shape[1], positions=positions
    )
    assert np.array_equal(decoded, values)
    assert found == bits
    return data


@pytest.mark.parametrize("effort", [1, 2])
@pytest.mark.parametrize("name", NAMES)
def test_values_of_vertices_come_back(name: str, effort: int) -> None:
    values, kind, bits = values_of(name)
    data = both_ways(values, kind, bits, effort)
    if name == "constant":
        assert len(data) < 12
    if name in ("color", "many"):
        raw = len(values) * values.shape[1]
        assert len(data) < 0.8 * raw


def test_values_of_corners_come_back_and_follow_shapes() -> None:
    index, rows = seams()
    data = both_ways(rows, "uv", 0, index=index)
    shuffled = np.random.default_rng(0).permutation(rows)
    assert len(data) < 0.5 * len(both_ways(shuffled, "uv", 0, index=index))


def test_affine_values_cost_next_to_nothing() -> None:
    """On a plane, what is affine is predicted exactly; 16 bits of it cost under half a bit each."""
    x, y = (grid.ravel() for grid in np.mgrid[0:30, 0:30])
    rng = np.random.default_rng(1)
    plane = np.stack([8 * x, 8 * y, 0 * x], axis=1) + rng.integers(-2, 3, (900, 3)) * [1, 1, 0]
    here = np.arange(900).reshape(30, 30)[:-1, :-1].ravel()
    faces = np.stack([here, here + 30, here + 31, here, here + 31, here + 1], axis=1)
    faces = faces.reshape(-1, 3).astype(np.int32)
    values = np.stack([plane[:, 0] * 37 + plane[:, 1] * 11, plane[:, 1] * 53], axis=1)
    surface = surface_of(faces, 900)
    data = both_ways(values, "uv", 0, surface=surface, faces=faces, positions=plane)
    assert len(data) * 8 < 0.5 * values.size


@settings(max_examples=30, deadline=None)
@given(st.data())
def test_any_triangles_and_corners_come_back(data: st.DataObject) -> None:
    """Degenerate, repeated and loose faces, copies, isolated vertices, flips, shared rows."""
    vertices = data.draw(st.integers(1, 12))
    numbers = st.integers(0, vertices - 1)
    faces = np.array(
        data.draw(st.lists(st.tuples(numbers, numbers, numbers), max_size=20)), np.int32
    ).reshape(-1, 3)
    distinct = np.array([len({*map(int, face)}) == 3 for face in faces], bool)
    faces = np.concatenate([faces[distinct], faces[~distinct]])
    triangles = faces[distinct[np.argsort(~distinct, kind="stable")]].copy()
    flips = np.array(data.draw(st.lists(st.booleans(), min_size=20, max_size=20)))
    turned_over = triangles[:, [1, 0, 2]]
    triangles = np.where(flips[: len(triangles), None], turned_over, triangles)
    surface = Surface(
        np.ascontiguousarray(triangles, np.int32),
        opposite_corners(triangles),
        np.arange(vertices, dtype=np.int32),
        int(triangles.max(initial=-1)) + 1,
        vertices,
    )
    rng = np.random.default_rng(data.draw(st.integers(0, 1000)))
    index = None
    if len(faces) and data.draw(st.booleans()):
        index = rng.integers(0, 2 * vertices, faces.shape).astype(np.int32)
        index = np.unique(index, return_inverse=True)[1].reshape(-1, 3).astype(np.int32)
    count = vertices if index is None else int(index.max()) + 1
    positions = rng.integers(-5, 5, (vertices, 3))
    kind, width = data.draw(st.sampled_from([("uv", 2), ("normal", 2), ("color", 4)]))
    values = rng.integers(-7, 8, (count, width))
    bits = 0
    if kind == "normal":
        values, bits = canonical_pairs(values, 4), 4
    effort = data.draw(st.integers(1, 2))
    both_ways(values, kind, bits, effort, surface, faces, index, positions)


def test_copies_share_their_vertex() -> None:
    """Two fans at one vertex: the surface has a copy for each, the attribute one value."""
    triangles = np.array([[0, 1, 2], [3, 4, 5]], np.int32)
    vertex = np.array([0, 1, 2, 0, 3, 4], np.int32)
    surface = Surface(triangles, opposite_corners(triangles), vertex, 5, 5)
    faces = vertex[triangles]
    both_ways(np.arange(10).reshape(5, 2), "generic", 0, 2, surface, faces, None, POSITIONS[:5])


def test_order_reaches_every_value_once() -> None:
    index, rows = seams()
    ring = ring_of(SURFACE, FACES, index)
    assert np.array_equal(np.sort(ring.order), np.arange(len(rows)))
    assert np.array_equal(ring.rank[ring.order], np.arange(len(rows)))
    assert np.array_equal(ring.vertex[index], FACES)
    joined = ring.opposite >= 0
    assert np.array_equal(ring.opposite[ring.opposite[joined]], np.flatnonzero(joined))
    assert 0 < (~joined).sum() < len(joined) / 4
    for value in np.flatnonzero(ring.twin >= 0):
        assert ring.rank[ring.twin[value]] < ring.rank[value]
        assert ring.vertex[ring.twin[value]] == ring.vertex[value]


def brute_normals(weighting: int) -> npt.NDArray[np.float64]:
    sums = np.zeros((len(POSITIONS), 3))
    for face in FACES:
        p = POSITIONS[face].astype(np.float64)
        cross = np.cross(p[1] - p[0], p[2] - p[0])
        for k in range(3):
            a, b = p[(k + 1) % 3] - p[k], p[(k + 2) % 3] - p[k]
            angle = np.arccos(a @ b / np.linalg.norm(a) / np.linalg.norm(b))
            unit = cross / np.linalg.norm(cross)
            sums[face[k]] += (cross, unit * angle, unit)[weighting]
    return sums / np.linalg.norm(sums, axis=1)[:, None]


@pytest.mark.parametrize("weighting", [0, 1, 2])
def test_normals_that_are_recomputed_take_two_bytes(weighting: int) -> None:
    expected = brute_normals(weighting)
    found = np.zeros((3, len(POSITIONS), 3))
    sum_normals(FACES.ravel(), FACES.ravel(), POSITIONS.astype(np.float64), found)
    assert np.abs(found[weighting] - expected).max() < 1e-6
    pairs = quantize_normals(found[weighting], 10)
    assert len(both_ways(pairs, "normal", 10)) == 2
    pairs[7] = -pairs[7] // 2
    data = both_ways(canonical_pairs(pairs, 10), "normal", 10)
    assert 2 < len(data) < len(pairs) / 8


def test_split_vertices_have_the_normals_of_their_place() -> None:
    """As in glTF: seams of textures split vertices, normals go on as if they did not."""
    index, rows = seams()
    vertex = np.zeros(len(rows), np.int32)
    vertex[index.ravel()] = FACES.ravel()
    normals = quantize_normals(brute_normals(0), 10)[vertex]
    surface = surface_of(index, len(rows))
    split = {"surface": surface, "faces": index, "positions": POSITIONS[vertex]}
    assert len(both_ways(normals, "normal", 10, **split)) == 2
    wavy = quantize_normals(POINTS + 0.3 * np.sin(5 * POINTS), 10)
    alone = len(both_ways(wavy, "normal", 10))
    assert len(both_ways(wavy[vertex], "normal", 10, **split)) < 1.06 * alone


def test_pairs_of_compiled_code_and_of_arrays_agree() -> None:
    rng = np.random.default_rng(5)
    normals = rng.standard_normal((400, 3))
    normals[:6] = np.concatenate([np.eye(3), -np.eye(3)])
    normals /= np.linalg.norm(normals, axis=1)[:, None]
    for bits in (2, 5, 8, 12, 20):
        c = np.int64((1 << (bits - 1)) - 1)
        pairs = quantize_normals(normals, bits)
        assert [tuple(pair) for pair in pairs] == [nearest_pair(*normal, c) for normal in normals]
        mirrored = dequantize_normals(pairs, bits) * np.float32([1, 1, -1])
        there = np.array([turned(s, t, c) for s, t in pairs])
        assert np.array_equal(there, quantize_normals(mirrored, bits))
        assert np.array_equal(np.array([turned(s, t, c) for s, t in there]), pairs)


def test_arccos_and_the_logistic_distribution() -> None:
    for x in np.linspace(-1, 1, 201):
        assert abs(arccos(x) - np.arccos(x)) < 3e-8
    for a, b in ((-1.0, 2.0), (3.0, 3.5), (-30.0, -29.0), (20.0, 21.0), (-2.0, -0.1)):
        exact = 1 / (1 + np.exp(-b)) - 1 / (1 + np.exp(-a))
        if a > 5:
            exact = np.exp(-a) - np.exp(-b)
        assert logistic_mass(a, b) == pytest.approx(exact, rel=2e-4)


def damaged(data: bytes, seed: int) -> Iterator[bytes]:
    rng = np.random.default_rng(seed)
    yield from (data[:size] for size in range(0, len(data), max(1, len(data) // 25)))
    yield data + b"\0"
    for _ in range(60):
        broken = bytearray(data)
        broken[rng.integers(len(data))] ^= 1 << rng.integers(8)
        yield bytes(broken)


@pytest.mark.parametrize("name", ["color", "normal", "constant", "uv"])
def test_damaged_bytes_are_refused(name: str) -> None:
    values, kind, bits = values_of(name)
    data = both_ways(values, kind, bits)
    refused = 0
    for broken in damaged(data, 1):
        try:
            decoded, _ = decode_attribute(
                broken,
                SURFACE,
                FACES,
                None,
                kind=kind,
                channels=values.shape[1],
                positions=POSITIONS,
            )
            assert decoded.shape == values.shape
        except FormatError:
            refused += 1
    assert refused > 20


MATERIALS = (3 * (POINTS[FACES].mean(axis=1)[:, :1] > 0) + (FACES[:, :1] % 97 == 0)).astype(int)


@pytest.mark.parametrize("values", [MATERIALS, MATERIALS * 0 + 9, FACES.astype(int)])
def test_values_of_faces_come_back(values: Int64s) -> None:
    data = encode_face_attribute(SURFACE, values)
    found = decode_face_attribute(data, SURFACE, faces=len(FACES), channels=values.shape[1])
    assert np.array_equal(found, values)
    if values is MATERIALS:
        assert len(data) * 8 < 0.3 * len(FACES)


def test_values_of_more_faces_than_triangles_and_of_none() -> None:
    for count in (0, 5):
        surface = surface_of(FACES[:0], 4)
        values = np.arange(2 * count).reshape(count, 2) % 4
        data = encode_face_attribute(surface, values)
        assert np.array_equal(decode_face_attribute(data, surface, faces=count, channels=2), values)


def test_damaged_values_of_faces_are_refused() -> None:
    data = encode_face_attribute(SURFACE, MATERIALS)
    refused = 0
    for broken in damaged(data, 2):
        try:
            decode_face_attribute(broken, SURFACE, faces=len(FACES), channels=1)
        except FormatError:
            refused += 1
    assert refused > 60


@pytest.mark.parametrize(
    "change",
    [
        {"values": np.zeros((3, 2), np.int64)},
        {"values": np.zeros((len(POINTS), 0), np.int64)},
        {"values": np.full((len(POINTS), 2), 1 << 51)},
        {"kind": "normal"},
        {"kind": "normal", "bits": 21},
        {"kind": "normal", "bits": 3, "values": np.full((len(POINTS), 2), 4)},
        {"kind": "normal", "bits": 3, "values": np.tile([[3, -1]], (len(POINTS), 1))},
        {"index": FACES[:5]},
        {"index": FACES - 1},
        {"positions": POSITIONS[:4]},
    ],
)
def test_what_cannot_be_coded_is_said(change: dict[str, object]) -> None:
    arguments = {"values": np.zeros((len(POINTS), 2), np.int64), "index": None}
    options = {"kind": "uv", "positions": POSITIONS} | change
    for name in ("values", "index"):
        if name in options:
            arguments[name] = options.pop(name)
    with pytest.raises(InputError):
        encode_attribute(SURFACE, FACES, arguments["values"], arguments["index"], **options)


def test_other_forms_and_channels_are_refused() -> None:
    data = both_ways(*values_of("uv"))
    for broken, channels in ((b"\x09" + data[1:], 2), (data, 0), (data, 300)):
        with pytest.raises(NacreError):
            decode_attribute(
                broken, SURFACE, FACES, None, kind="uv", channels=channels, positions=POSITIONS
            )
