"""Any faces come back, as oriented sets under the vertex map; coding them again changes nothing."""

from __future__ import annotations

from collections import Counter

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from nacre.entropy.mesh.connectivity import (
    Coded,
    Keep,
    decode_connectivity,
    encode_connectivity,
)
from nacre.entropy.mesh.surface import Surface
from nacre.errors import FormatError, InputError, NacreError

Int32s = npt.NDArray[np.int32]


def oriented(faces: Int32s) -> Counter[tuple[int, ...]]:
    """How often each face occurs, whatever corner it begins with."""
    found: Counter[tuple[int, ...]] = Counter()
    for a, b, c in faces.tolist():
        found[min((a, b, c), (b, c, a), (c, a, b))] += 1
    return found


def torus(rows: int, columns: int) -> Int32s:
    """A closed surface with one handle; rows * columns vertices."""
    faces = []
    for r in range(rows):
        for c in range(columns):
            right, below = (c + 1) % columns, (r + 1) % rows
            a, b = r * columns + c, r * columns + right
            d, e = below * columns + c, below * columns + right
            faces += [(a, b, e), (a, e, d)]
    return np.array(faces, np.int32)


def grid(rows: int, columns: int) -> Int32s:
    """A sheet of triangles."""
    faces = []
    for r in range(rows - 1):
        for c in range(columns - 1):
            a, d = r * columns + c, (r + 1) * columns + c
            faces += [(a, a + 1, d + 1), (a, d + 1, d)]
    return np.array(faces, np.int32)


def moebius(length: int) -> Int32s:
    """A strip with a half turn: it has no orientation."""
    faces = []
    for k in range(length):
        a, b = 2 * k, 2 * k + 1
        c, d = (2 * k + 2, 2 * k + 3) if k + 1 < length else (1, 0)
        faces += [(a, b, c), (b, d, c)]
    return np.array(faces, np.int32)


def cone(first: int, size: int) -> Int32s:
    """A fan around vertex 0 over a ring of ``size`` vertices from ``first`` on."""
    ring = first + np.arange(size)
    return np.stack([np.zeros(size, int), ring, np.roll(ring, -1)], axis=1).astype(np.int32)


def tetrahedra(count: int, seed: int) -> Int32s:
    """The faces of a pile of tetrahedra: edges of many faces, faces that come twice."""
    rng = np.random.default_rng(seed)
    cells = [[0, 1, 2, 3]]
    for new in range(4, 4 + count):
        base = cells[rng.integers(len(cells))]
        cells.append([*rng.permutation(base)[:3].tolist(), new])
    faces = [[c[i] for i in f] for c in cells for f in ((0, 1, 2), (0, 3, 1), (1, 3, 2), (2, 3, 0))]
    return np.array(faces, np.int32)


def shapes() -> dict[str, Int32s]:
    """Faces of every kind, by name."""
    two_tori = np.concatenate([torus(5, 4), torus(4, 7) + 20])
    sheet = grid(7, 9)
    rng = np.random.default_rng(5)
    mixed = torus(6, 6)[rng.permutation(72)]
    mixed[::3] = mixed[::3, ::-1]
    odd = np.array([[0, 0, 1], [2, 3, 2], [4, 5, 5], [6, 6, 6], [0, 0, 1]], np.int32)
    return {
        "none": np.zeros((0, 3), np.int32),
        "one": np.array([[2, 0, 1]], np.int32),
        "tetrahedron": np.array([[0, 2, 1], [0, 1, 3], [1, 2, 3], [2, 0, 3]], np.int32),
        "torus": torus(8, 11),
        "two tori": two_tori,
        "holes": np.delete(torus(9, 9), [40, 41, 100], axis=0),
        "sheet": sheet,
        "moebius": moebius(9),
        "cones": np.concatenate([cone(1, 5), cone(6, 6)[:, ::-1]]),
        "three sheets": np.concatenate(
            [sheet, np.where(sheet > 8, sheet + 54, sheet), sheet + 130]
        ),
        "book": np.array([[0, 1, k] for k in range(2, 9)], np.int32),
        "tetrahedra": tetrahedra(40, 1),
        "repeated": np.concatenate(
            [sheet[:20], sheet[5:9], sheet[5:9, ::-1], sheet[8:11, [1, 2, 0]]]
        ),
        "flipped and shuffled": mixed,
        "degenerate": np.concatenate([odd, sheet[:9] + 4, odd[2:]]),
        "only degenerate": odd,
        "triangles apart": np.arange(30, dtype=np.int32).reshape(-1, 3)[:, ::-1].copy(),
    }


SHAPES = shapes()


def check_surface(surface: Surface, faces: Int32s) -> None:
    """It is an oriented manifold with one fan a copy, and its triangles are the first faces."""
    triangles, opposite = surface.triangles, surface.opposite
    at = surface.vertex[triangles]
    rows = faces[: len(triangles)]
    turned = (at == rows[:, [1, 0, 2]]).all(axis=1)
    assert ((at == rows).all(axis=1) | turned).all()
    assert surface.used == len(set(at.ravel().tolist())) == int(at.max(initial=-1)) + 1
    flat = triangles.ravel()
    corners = np.arange(len(flat))
    ahead = corners - corners % 3 + (corners + 1) % 3
    back = corners - corners % 3 + (corners + 2) % 3
    glued = np.flatnonzero(opposite >= 0)
    other = opposite[glued]
    assert (opposite[other] == glued).all()
    assert (flat[ahead[glued]] == flat[back[other]]).all()
    assert (flat[back[glued]] == flat[ahead[other]]).all()
    # Corners joined across edges are one fan, and every copy is one.
    leader = corners.copy()

    def find(x: int) -> int:
        while leader[x] != x:
            x = leader[x]
        return x

    for x, y in [
        *zip(ahead[glued], back[other], strict=True),
        *zip(back[glued], ahead[other], strict=True),
    ]:
        leader[find(x)] = find(y)
    fans = {(find(x), int(flat[x])) for x in corners.tolist()}
    assert len(fans) == len({fan for fan, _ in fans}) == len({copy for _, copy in fans})
    assert {copy for _, copy in fans} == set(range(len(surface.vertex)))


def round_trip(faces: Int32s, vertices: int, effort: int = 2, keep: Keep = "none") -> Coded:
    """Encode, decode and compare everything that is promised."""
    coded = encode_connectivity(faces, vertices, effort=effort, keep=keep)
    decoded = decode_connectivity(coded.data, vertices, len(faces))
    assert np.array_equal(decoded.faces, coded.faces)
    assert np.array_equal(decoded.surface.triangles, coded.surface.triangles)
    assert np.array_equal(decoded.surface.opposite, coded.surface.opposite)
    assert np.array_equal(decoded.surface.vertex, coded.surface.vertex)
    assert decoded.surface.used == coded.surface.used
    assert decoded.surface.vertices == coded.surface.vertices == vertices
    assert sorted(coded.vertex_map.tolist()) == list(range(vertices))
    assert sorted(coded.corner_map.ravel().tolist()) == list(range(3 * len(faces)))
    assert np.array_equal(coded.vertex_map[coded.faces], faces.ravel()[coded.corner_map])
    assert oriented(coded.vertex_map[decoded.faces]) == oriented(faces)
    lonely = coded.vertex_map[coded.surface.used :]
    assert (np.diff(lonely) > 0).all()
    check_surface(coded.surface, coded.faces)
    if keep != "none":
        assert decoded.order_of_vertices is not None
        assert np.array_equal(decoded.order_of_vertices, coded.vertex_map)
    if keep == "all":
        assert decoded.order_of_faces is not None
        restored = np.empty(3 * len(faces), np.int32)
        restored[decoded.order_of_faces] = decoded.order_of_vertices[decoded.faces]
        assert np.array_equal(restored.reshape(-1, 3), faces)
    if keep == "none":
        again = encode_connectivity(decoded.faces, vertices, effort=effort)
        assert again.data == coded.data
        assert np.array_equal(again.faces, coded.faces)
    return coded


@pytest.mark.parametrize("name", SHAPES)
@pytest.mark.parametrize("effort", [1, 2])
def test_shapes_come_back(name: str, effort: int) -> None:
    faces = SHAPES[name]
    for keep in ("none", "vertex", "all"):
        round_trip(faces, int(faces.max(initial=-1)) + 3, effort, keep)


@given(st.data())
@settings(max_examples=200, deadline=None)
def test_soups_come_back(data: st.DataObject) -> None:
    vertices = data.draw(st.integers(1, 9))
    row = st.tuples(*[st.integers(0, vertices - 1)] * 3)
    faces = np.array(data.draw(st.lists(row, max_size=40)), np.int32).reshape(-1, 3)
    keep: Keep = data.draw(st.sampled_from(["none", "vertex", "all"]))
    round_trip(faces, vertices, data.draw(st.sampled_from([1, 2])), keep)


@given(st.integers(0, 2**32 - 1), st.sampled_from(sorted(SHAPES)), st.integers(0, 12))
@settings(max_examples=150, deadline=None)
def test_damaged_shapes_come_back(seed: int, name: str, changes: int) -> None:
    """Shapes of which corners are renamed, faces turned, taken out and shuffled."""
    rng = np.random.default_rng(seed)
    faces = SHAPES[name].copy()
    if len(faces):
        faces = faces[rng.permutation(len(faces))]
        for _ in range(changes):
            faces[rng.integers(len(faces)), rng.integers(3)] = rng.integers(faces.max() + 1)
            turned = rng.integers(len(faces))
            faces[turned] = faces[turned, ::-1]
            if len(faces) > 2:
                faces = np.delete(faces, rng.integers(len(faces)), axis=0)
    round_trip(faces, int(faces.max(initial=-1)) + 1 + int(rng.integers(3)))


def test_a_clean_surface_is_not_cut() -> None:
    for name in ("torus", "two tori", "holes", "sheet", "flipped and shuffled", "tetrahedron"):
        faces = SHAPES[name]
        coded = round_trip(faces, int(faces.max()) + 1)
        edges = Counter(
            tuple(sorted((int(f[k]), int(f[(k + 1) % 3])))) for f in faces for k in range(3)
        )
        inner = sum(count == 2 for count in edges.values())
        assert int((coded.surface.opposite >= 0).sum()) == 2 * inner
        assert len(coded.surface.vertex) == coded.surface.used
        assert len(coded.surface.triangles) == len(faces)


def test_regular_surfaces_cost_next_to_nothing() -> None:
    """A tenth of a bit a vertex, whatever the numbering and the handle."""
    faces = torus(60, 70)
    shuffle = np.random.default_rng(2).permutation(4200).astype(np.int32)
    coded = encode_connectivity(shuffle[faces], 4200)
    assert len(coded.data) < 4200 / 80


def test_orders_that_are_as_expected_cost_little() -> None:
    faces = grid(40, 40)
    none = len(encode_connectivity(faces, 1600).data)
    kept = encode_connectivity(faces, 1600, keep="vertex")
    shuffle = np.random.default_rng(2).permutation(1600).astype(np.int32)
    random = len(encode_connectivity(shuffle[faces], 1600, keep="vertex").data)
    ideal = sum(np.log2(np.arange(2, 1601))) / 8
    assert random - none < 1.05 * ideal
    assert len(kept.data) - none < 0.7 * ideal


@given(st.integers(0, 2**32 - 1), st.sampled_from(sorted(SHAPES)), st.sampled_from(["none", "all"]))
@example(0, "tetrahedra", "none")
@settings(max_examples=300, deadline=None)
def test_damaged_data_are_refused_or_give_faces(seed: int, name: str, keep: Keep) -> None:
    rng = np.random.default_rng(seed)
    faces = SHAPES[name]
    vertices = int(faces.max(initial=-1)) + 2
    data = bytearray(encode_connectivity(faces, vertices, keep=keep).data)
    kind = rng.integers(3)
    if kind == 0:
        data[rng.integers(len(data))] ^= 1 << rng.integers(8)
    elif kind == 1:
        del data[rng.integers(len(data)) :]
    else:
        data += rng.bytes(int(rng.integers(1, 30)))
        data[1:] = rng.bytes(len(data) - 1)
    try:
        decoded = decode_connectivity(bytes(data), vertices, len(faces))
    except NacreError as error:
        assert isinstance(error, FormatError) or "primed" in str(error)
        return
    assert decoded.faces.shape == faces.shape
    assert decoded.faces.min(initial=0) >= 0
    assert decoded.faces.max(initial=-1) < vertices
    check_surface(decoded.surface, decoded.faces)


@given(st.binary(min_size=1, max_size=60), st.integers(0, 60), st.integers(0, 200))
@settings(max_examples=300, deadline=None)
def test_any_bytes_are_refused_or_give_a_surface(data: bytes, vertices: int, faces: int) -> None:
    try:
        decoded = decode_connectivity(bytes([data[0] & 0x1B]) + data[1:], vertices, faces)
    except FormatError:
        return
    check_surface(decoded.surface, decoded.faces)


def test_wrong_counts_are_refused() -> None:
    coded = encode_connectivity(SHAPES["tetrahedra"], 44)
    count = len(SHAPES["tetrahedra"])
    for vertices, faces in ((44, count - 50), (44, count + 50), (30, count), (44, 0)):
        with pytest.raises(FormatError):
            decode_connectivity(coded.data, vertices, faces)
    with pytest.raises(FormatError):
        decode_connectivity(b"", 44, count)


@pytest.mark.parametrize(
    ("faces", "vertices", "keep"),
    [
        (np.array([[0, 1, 3]]), 3, "none"),
        (np.array([[0, 1, -1]]), 3, "none"),
        (np.array([[0.0, 1.0, 2.0]]), 3, "none"),
        (np.array([0, 1, 2]), 3, "none"),
        (np.array([[0, 1, 2, 3]]), 4, "none"),
        (np.array([[0, 1, 2]]), 3, "faces"),
    ],
)
def test_input_that_is_no_mesh_is_refused(
    faces: npt.NDArray[np.generic], vertices: int, keep: Keep
) -> None:
    with pytest.raises(InputError):
        encode_connectivity(faces, vertices, keep=keep)


def test_many_degenerate_faces_take_little() -> None:
    faces = np.full((200_000, 3), 7, np.int32)
    coded = encode_connectivity(faces, 8)
    assert len(coded.data) < 100
    assert np.array_equal(
        decode_connectivity(coded.data, 8, len(faces)).faces, faces[:, ::-1] * 0 + 7
    )
