"""Distances between meshes beside brute force and cases known by hand."""

from __future__ import annotations

import math

import numpy as np
import pytest

from nacre.bench.mesh_metrics import (
    box_diagonal,
    cloud_distance,
    normal_deviation,
    sample_surface,
    surface_distance,
    vertex_normals,
)
from nacre.bench.triangles import Triangles, is_mesh_file, load_triangles, same_order, welded
from nacre.errors import InputError
from nacre.transforms.nearest import Tree


def sphere(rings: int = 12, radius: float = 1.0) -> Triangles:
    """A closed sphere of latitude and longitude, turned outwards."""
    polar = np.pi * np.arange(1, rings) / rings
    turn = 2 * np.pi * np.arange(2 * rings) / (2 * rings)
    p, t = np.meshgrid(polar, turn, indexing="ij")
    inner = np.stack([np.sin(p) * np.cos(t), np.sin(p) * np.sin(t), np.cos(p)], -1).reshape(-1, 3)
    points = np.concatenate([inner, [[0, 0, 1], [0, 0, -1]]]) * radius
    n, faces = 2 * rings, []
    for j in range(n):
        k = (j + 1) % n
        faces += [(len(inner), j, k), (len(inner) + 1, (rings - 2) * n + k, (rings - 2) * n + j)]
        for i in range(rings - 2):
            a, b, c, d = i * n + j, i * n + k, i * n + n + j, i * n + n + k
            faces += [(a, c, d), (a, d, b)]
    return welded(points, np.array(faces))


def projected(point: np.ndarray, triangle: np.ndarray) -> float:
    """Distance of a point to a triangle by active sets: least squares over corners, edges, face."""
    best = math.inf
    for chosen in ((0,), (1,), (2,), (0, 1), (1, 2), (0, 2), (0, 1, 2)):
        corners = triangle[list(chosen)]
        edges = (corners[1:] - corners[0]).T
        weights = (
            np.linalg.lstsq(edges, point - corners[0], rcond=None)[0] if len(chosen) > 1 else []
        )
        full = np.concatenate([[1 - np.sum(weights)], weights])
        if (full >= -1e-12).all():
            best = min(best, float(np.linalg.norm(full @ corners - point)))
    return best


@pytest.mark.parametrize("count", [1, 3, 4, 5, 70])
def test_the_nearest_triangle_is_that_of_brute_force(count: int):
    random = np.random.default_rng(count)
    triangles = random.normal(size=(count, 3, 3))
    triangles[::4, 2] = triangles[::4, 1]  # an edge
    triangles[::5, 1:] = triangles[::5, :1]  # a point
    triangles[1::7, 2] = 2 * triangles[1::7, 1] - triangles[1::7, 0]  # a line through three points
    points = np.concatenate([2 * random.normal(size=(60, 3)), triangles[:, 0]])
    distances, which = Tree.of(triangles).nearest(points)
    expected = np.array([[projected(point, one) for one in triangles] for point in points])
    assert np.allclose(distances, expected.min(axis=1), atol=1e-9)
    assert np.allclose(expected[np.arange(len(points)), which], distances, atol=1e-9)


def test_a_shifted_plane_is_as_far_as_it_was_shifted():
    faces = np.array([[0, 1, 2], [0, 2, 3]])
    square = np.array([[0, 0, 0], [4, 0, 0], [4, 3, 0], [0, 3, 0]], np.float32)
    raised = square + np.float32([0, 0, 0.5])
    found = surface_distance(Triangles(square, faces), Triangles(raised, faces))
    assert found.mean == pytest.approx(10) and found.rms == pytest.approx(10)
    assert found.hausdorff == pytest.approx(10)
    assert found.psnr_db == pytest.approx(20)
    assert surface_distance(Triangles(square, faces), Triangles(square, faces)).psnr_db > 250


def test_what_is_missing_is_seen_and_seeds_repeat():
    whole = sphere()
    half = welded(whole.vertices, whole.faces[(whole.corners[..., 2] >= -1e-6).all(axis=1)])
    found = surface_distance(whole, half)
    # The lower pole is nearest to the middle of an edge of the equator.
    farthest = math.hypot(1, math.cos(math.pi / 24))
    assert found.hausdorff == pytest.approx(100 * farthest / box_diagonal(whole.corners), 1e-6)
    assert found == surface_distance(whole, half)
    assert found != surface_distance(whole, half, seed=1)
    assert found.rms == pytest.approx(
        surface_distance(half, whole).rms * box_diagonal(half.corners) / box_diagonal(whole.corners)
    )


def test_samples_are_uniform_in_area():
    small, large = np.eye(3), np.eye(3) * 3 + 10
    points = sample_surface(np.stack([small, large, np.ones((3, 3))]), 1000, 0)
    inside = points.sum(axis=1) < 20
    assert inside.sum() in (99, 100, 101), "the areas are 1 : 9 : 0"
    assert np.allclose(points[inside].sum(axis=1), 1)
    assert sample_surface(np.ones((2, 3, 3)), 10, 0).shape == (10, 3), "no area at all"


def brute_d1_d2(a: np.ndarray, b: np.ndarray, normals: np.ndarray, peak: float) -> list[float]:
    """pc_error in loops."""
    table = ((a[:, None] - b[None]) ** 2).sum(-1)
    ab, ba = table.argmin(1), table.argmin(0)
    theirs = []
    for j in range(len(b)):
        mine = [normals[i] for i in range(len(a)) if ab[i] == j]
        theirs.append(np.mean(mine, axis=0) if mine else normals[ba[j]])
    d1 = [np.mean(table.min(1)), np.mean(table.min(0))]
    d2 = [
        np.mean([np.dot(a[i] - b[ab[i]], theirs[ab[i]]) ** 2 for i in range(len(a))]),
        np.mean([np.dot(b[j] - a[ba[j]], normals[ba[j]]) ** 2 for j in range(len(b))]),
    ]
    return [10 * math.log10(3 * peak**2 / max(pair)) for pair in (d1, d2)]


def test_d1_and_d2_are_those_of_pc_error():
    random = np.random.default_rng(5)
    a, b = random.normal(size=(80, 3)), random.normal(size=(50, 3))
    normals = random.normal(size=(80, 3))
    normals /= np.linalg.norm(normals, axis=1, keepdims=True)
    found = cloud_distance(a, b, 7 * normals, peak=1023)
    assert [found.d1_psnr_db, found.d2_psnr_db] == pytest.approx(brute_d1_d2(a, b, normals, 1023))
    same = cloud_distance(a, a[::-1].copy(), normals, peak=1)
    assert same.d1_psnr_db == same.d2_psnr_db == math.inf
    along = cloud_distance(
        a, a + 1e-4 * np.array([0, 0, 1.0]), np.tile([1.0, 0, 0], (80, 1)), peak=1
    )
    assert along.d2_psnr_db == math.inf, "an error along the surface is none to D2"
    assert along.d1_psnr_db == pytest.approx(10 * math.log10(3e8), rel=1e-6)
    with pytest.raises(InputError, match="peak"):
        cloud_distance(a, b, normals, peak=0)


def test_normals_of_a_turned_mesh_are_turned_as_far():
    mesh = sphere()
    angle = np.radians(5)
    turn = np.array(
        [[np.cos(angle), -np.sin(angle), 0], [np.sin(angle), np.cos(angle), 0], [0, 0, 1]]
    )
    found = normal_deviation(
        mesh.corners[:1] * [1, 1, 0] + [0, 0, 0], mesh.corners[:1] * [1, 1, 0] @ turn.T
    )
    assert found.mean_degrees == pytest.approx(0, abs=1e-6), "turned in its own plane"
    side = np.array([[[0, 0, 0], [1, 0, 0], [0, 0, 1.0]]])
    assert normal_deviation(side, side @ turn.T).mean_degrees == pytest.approx(5)
    assert normal_deviation(side, side[:, ::-1]).flipped == 1
    flat = side.copy()
    flat[0, 2] = flat[0, 1]
    assert (
        normal_deviation(np.concatenate([side, flat]), np.concatenate([flat, flat])).collapsed == 1
    )
    outwards = (vertex_normals(mesh) * mesh.vertices).sum(axis=1)
    assert (outwards > 0).all()


def test_the_same_triangles_are_found_in_any_order():
    mesh = sphere(5)
    random = np.random.default_rng(0)
    new = random.permutation(len(mesh.vertices))
    faces = np.argsort(new)[mesh.faces][random.permutation(len(mesh.faces))]
    faces = np.stack([np.roll(face, random.integers(3)) for face in faces])
    other = Triangles(mesh.vertices[new], faces.astype(np.int32))
    pair = same_order(mesh, other)
    assert pair is not None
    left, right = (m.vertices[m.faces.ravel()[p]] for m, p in zip((mesh, other), pair, strict=True))
    assert np.array_equal(left, right)
    turned_over = Triangles(other.vertices, np.concatenate([faces[:1, ::-1], faces[1:]]))
    assert same_order(mesh, turned_over) is None
    assert same_order(mesh, Triangles(other.vertices, other.faces[:-1])) is None
    moved = other.vertices.copy()
    moved[0, 0] = np.nextafter(moved[0, 0], np.float32(9))
    assert same_order(mesh, Triangles(moved, other.faces)) is None


def test_equal_positions_are_welded_and_isolated_ones_dropped(tmp_path):
    points = np.array([[9, 9, 9], [0, 0, 0], [1, 0, 0], [0, 1, 0], [0, 0, 0], [0, 0, 1]], float)
    mesh = welded(points, np.array([[1, 2, 3], [4, 2, 5]]))
    assert mesh.faces.tolist() == [[0, 1, 2], [0, 1, 3]]
    assert mesh.vertices.tolist() == points[[1, 2, 3, 5]].tolist()
    with pytest.raises(InputError, match="not among"):
        welded(points, np.array([[0, 1, 6]]))
    with pytest.raises(InputError, match="finite"):
        welded(np.where(points == 9, np.nan, points), np.array([[0, 1, 2]]))
    path = tmp_path / "a.obj"
    path.write_text("v 0 0 0\nv 1 0 0\nv 0 1 0\nv 5 5 5\nf 1 2 3\n")
    assert is_mesh_file(path) and load_triangles(path).faces.tolist() == [[0, 1, 2]]
    path.write_text("v 0 0 0\n")
    with pytest.raises(InputError):
        load_triangles(path)
