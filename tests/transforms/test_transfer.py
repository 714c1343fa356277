"""Attributes on another mesh of the same surface: seams stay seams, values stay where they were."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from bumpy import sphere

from nacre.media.mesh import Attribute, Mesh, Scene
from nacre.media.mesh_arrays import corner_attribute
from nacre.mesh_targets import simplify
from nacre.transforms.nearest import Tree, squared_to_triangle
from nacre.transforms.transfer import Source, charts, of_corners

VERTICES, FACES = sphere(12)
MESH = Mesh(VERTICES.astype(np.float32), FACES)
ABOVE = VERTICES[FACES].mean(axis=1)[:, 2] > 0.02


def two_charts(values: np.ndarray) -> Attribute:
    """Values of vertices as those of corners, ten more for faces above."""
    corners = values[FACES] + np.where(ABOVE, 10, 0)[:, None, None]
    index = np.arange(3 * len(FACES)).reshape(-1, 3)
    return corner_attribute("uv", "uv", corners.reshape(-1, 2).astype(np.float32), index)


def fewer(*attributes: Attribute, share: float = 0.3) -> Mesh:
    mesh = simplify(Scene((replace(MESH, attributes=attributes),)), share).mesh
    assert 0 < len(mesh.faces) < 0.4 * len(FACES)
    return mesh


def test_texture_coordinates_stay_on_their_side_of_a_seam() -> None:
    mesh = fewer(two_charts(VERTICES[:, :2]))
    (uv,) = mesh.attributes
    assert (uv.name, uv.domain, uv.values.dtype) == ("uv", "corner", np.float32)
    found = uv.of_corners(mesh.faces)
    above = found > 5
    assert (above == above[:, :1, :1]).all(), "a face lies on both sides of a seam"
    assert 0.3 < above.mean() < 0.7
    exact = mesh.vertices[mesh.faces][..., :2] + 10 * above[..., :1]
    # Where a new face reaches over the seam, it gets what is at the seam.
    apart = np.abs(found - exact).max(axis=2)
    inside = np.abs(mesh.vertices[mesh.faces][..., 2]) > 0.25
    assert apart[inside].max() < 0.02
    assert apart.max() < 0.3
    # Values are shared but at the seam.
    assert len(uv.values) < 1.5 * len(mesh.vertices)


def test_corners_without_values_have_none_later() -> None:
    uv = two_charts(VERTICES[:, :2])
    assert uv.index is not None
    index = uv.index.copy()
    index[ABOVE, 1] = -1  # one corner is enough
    mesh = fewer(replace(uv, index=index))
    index = mesh.attributes[0].index
    assert index is not None
    height = mesh.vertices[mesh.faces].mean(axis=1)[:, 2]
    assert (index[height > 0.1] == -1).all()
    assert (index[height < -0.1] >= 0).all()
    assert mesh.attributes[0].values.max() < 5


def test_split_vertices_are_joined_and_what_they_have_goes_along() -> None:
    flat = Mesh(
        MESH.vertices[FACES.ravel()],
        np.arange(FACES.size, dtype=np.int32).reshape(-1, 3),
        (
            Attribute("TEXCOORD_0", "uv", "vertex", MESH.vertices[FACES.ravel(), :2]),
            Attribute(
                "COLOR_0", "color", "vertex", np.full((FACES.size, 4), (9, 50, 7, 255), "u1")
            ),
            Attribute("JOINTS_0", "generic", "vertex", np.full((FACES.size, 4), 3, "u1")),
        ),
    )
    mesh = simplify(Scene((flat,)), 0.3).mesh
    edges = np.sort(mesh.faces[:, [0, 1, 1, 2, 2, 0]].reshape(-1, 2), axis=1)
    assert (np.unique(edges, axis=0, return_counts=True)[1] == 2).all(), "the surface came apart"
    uv, colour, joints = (each.of_corners(mesh.faces) for each in mesh.attributes)
    assert np.abs(uv - mesh.vertices[mesh.faces][..., :2]).max() < 0.05
    assert (colour == np.array([9, 50, 7, 255])).all()
    assert colour.dtype == np.uint8
    assert (joints == 3).all()


def test_normals_keep_their_length_and_bad_values_do_not_spread() -> None:
    normal = VERTICES / np.linalg.norm(VERTICES, axis=1, keepdims=True)
    odd = VERTICES[:, :2].astype(np.float32)
    odd[::50] = np.nan
    mesh = fewer(
        Attribute("n", "normal", "vertex", normal.astype(np.float32)),
        Attribute("uv", "uv", "vertex", odd),
    )
    found, uv = (each.values for each in mesh.attributes)
    assert np.abs(np.linalg.norm(found, axis=1) - 1).max() < 1e-5
    unit = mesh.vertices / np.linalg.norm(mesh.vertices, axis=1, keepdims=True)
    assert (found * unit).sum(axis=1).min() > 0.99
    assert 0 < np.isnan(uv).any(axis=1).mean() < 0.1
    good = ~np.isnan(uv).any(axis=1)
    assert np.abs(uv - mesh.vertices[:, :2])[good].max() < 0.2


def test_charts_are_what_joins_hands() -> None:
    faces = np.array([[0, 1, 2], [2, 1, 3], [3, 1, 4], [5, 6, 7], [7, 6, 8], [8, 6, 9]], np.int32)
    index = np.array([[0, 1, 2], [2, 1, 3], [4, 5, 6], [0, 1, 2], [2, 1, -1], [7, 8, 9]], np.int32)
    # The second pair shares a vertex and no value; the third has the values of the first elsewhere.
    assert charts(faces, index).tolist() == [0, 0, 2, 3, -1, 5]
    strip = np.arange(400)[:, None] + np.arange(3)
    strip = strip[np.random.default_rng(1).permutation(400)].astype(np.int32)
    assert len(set(charts(strip, strip).tolist())) == 1


def test_a_mesh_on_itself_keeps_its_values() -> None:
    uv = two_charts(VERTICES[:, :2])
    assert uv.index is not None
    source = Source.of(VERTICES, FACES)
    values, index = of_corners(source, uv.values, uv.index, "uv", VERTICES, FACES)
    assert values[index] == pytest.approx(uv.of_corners(FACES), abs=1e-6)


def test_the_nearest_triangle_of_a_label() -> None:
    rng = np.random.default_rng(4)
    corners, points = rng.normal(size=(60, 3, 3)), rng.normal(size=(40, 3))
    labels, wanted = rng.integers(0, 4, 60), rng.integers(0, 4, 40)
    distance, which = Tree.of(corners).nearest(points, labels, wanted)
    assert np.array_equal(labels[which], wanted)
    for point, label, found in zip(points, wanted, distance, strict=True):
        every = [squared_to_triangle(point, *triangle) for triangle in corners[labels == label]]
        assert found == pytest.approx(np.sqrt(min(every)))
