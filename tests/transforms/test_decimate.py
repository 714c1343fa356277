"""Fewer faces, vertices that fit, and distances of surfaces."""

from __future__ import annotations

import math
import sys

import numpy as np
import pytest
from bumpy import sphere

from nacre.errors import InputError
from nacre.transforms.decimate import compact, decimate, fit, shares_of
from nacre.transforms.nearest import Tree
from nacre.transforms.surface_distance import Original, sample_surface

VERTICES, FACES = sphere(16)
ORIGINAL = Original.of(VERTICES[FACES], samples=4000)


def test_fewer_faces_and_vertices_that_fit() -> None:
    vertices, faces = decimate(VERTICES.astype(np.float32), FACES, 300)
    assert 250 < len(faces) <= 300
    assert np.array_equal(np.unique(faces), np.arange(len(vertices)))
    plain = ORIGINAL.psnr_db(vertices[faces])
    fitted = fit(vertices, faces, ORIGINAL.tree, ORIGINAL.samples)
    other = Original.of(VERTICES[FACES], samples=4000, seed=9)
    assert other.psnr_db(fitted[faces], seed=8) > plain + 1


def test_a_mesh_of_few_faces_stays() -> None:
    vertices, faces = decimate(VERTICES, FACES, len(FACES))
    assert np.array_equal(vertices, VERTICES)
    assert np.array_equal(faces, FACES)


def test_compact_drops_what_is_no_face() -> None:
    faces = np.array([[4, 2, 3], [2, 3, 4], [2, 2, 3], [5, 3, 2]], np.int32)
    vertices, kept = compact(np.arange(21, dtype=np.float64).reshape(7, 3), faces)
    assert kept.tolist() == [[2, 0, 1], [3, 1, 0]]
    assert vertices[:, 0].tolist() == [6, 9, 12, 15]


def test_shares_are_those_of_the_nearest_point() -> None:
    rng = np.random.default_rng(2)
    corners, points = rng.standard_normal((300, 3, 3)), 2 * rng.standard_normal((300, 3))
    corners[:20, 2] = corners[:20, 1]
    corners[:5] = corners[:5, :1]
    shares = shares_of(points, corners)
    assert (shares >= -1e-9).all()
    assert np.allclose(shares.sum(axis=1), 1)
    found = np.linalg.norm((shares[:, :, None] * corners).sum(axis=1) - points, axis=1)
    for k in range(300):
        exact, _ = Tree.of(corners[k : k + 1]).nearest(points[k : k + 1])
        assert found[k] == pytest.approx(exact[0], abs=1e-9)


def test_fitting_what_has_no_area_changes_nothing() -> None:
    points = np.zeros((3, 3))
    faces = np.array([[0, 1, 2]], np.int32)
    assert np.array_equal(fit(points, faces, ORIGINAL.tree, ORIGINAL.samples), points)


def test_distance_of_a_shifted_plane_is_its_shift() -> None:
    square = np.array([[[0, 0, 0], [1, 0, 0], [1, 1, 0]], [[0, 0, 0], [1, 1, 0], [0, 1, 0.0]]])
    original = Original.of(square)
    assert original.psnr_db(square) > 250
    expected = 20 * math.log10(math.sqrt(2) / 0.01)
    assert original.psnr_db(square + np.array([0, 0, 0.01])) == pytest.approx(expected)
    half = original.psnr_db(square[:1])
    assert half < 20, "what is missing counts"
    assert sample_surface(square, 7, 0).shape == (7, 3)


def test_what_cannot_be_measured_or_decimated_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(InputError, match="without faces"):
        Original.of(np.zeros((0, 3, 3)))
    with pytest.raises(InputError, match="finite"):
        ORIGINAL.psnr_db(np.full((1, 3, 3), np.nan))
    with pytest.raises(InputError, match="NaN"):
        decimate(np.full((3, 3), np.nan), FACES[:1], 1)
    monkeypatch.setitem(sys.modules, "fast_simplification", None)
    with pytest.raises(InputError, match="pip install"):
        decimate(VERTICES, FACES, 10)
