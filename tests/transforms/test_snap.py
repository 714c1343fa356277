"""Vertices on a grid, near a surface."""

from __future__ import annotations

import numpy as np
from bumpy import sphere

from nacre.transforms.nearest import Tree
from nacre.transforms.snap import snap
from nacre.transforms.surface_distance import Original

VERTICES, FACES = sphere(14)


def test_a_surface_on_the_grid_is_nearer_than_rounding_makes_it() -> None:
    points = VERTICES * 30 + 40
    corners = points[FACES]
    original = Original.of(corners, samples=4000)
    rounded = np.rint(points).astype(np.int64)
    limits = np.stack([rounded.min(axis=0), rounded.max(axis=0)])
    found = snap(points, FACES, original.tree, original.samples, limits)
    assert found.dtype == np.int64
    assert np.abs(found - points).max() <= 1.5
    assert np.array_equal(np.stack([found.min(axis=0), found.max(axis=0)]), limits)
    other = Original.of(corners, samples=4000, seed=7)
    before = other.psnr_db(rounded.astype(np.float64)[FACES], seed=8)
    assert other.psnr_db(found.astype(np.float64)[FACES], seed=8) > before + 3


def test_what_lies_on_the_grid_and_what_has_no_face_stays() -> None:
    square = np.array([[0, 0, 0], [6, 0, 0], [6, 6, 0], [0, 6, 0], [2.4, 2.6, 3.0]])
    faces = np.array([[0, 1, 2], [0, 2, 3], [0, 0, 0]], np.int32)
    corners = square[faces]
    samples = Original.of(corners, samples=200).samples
    limits = np.array([[0, 0, 0], [6, 6, 6]])
    found = snap(square, faces, Tree.of(corners), samples, limits)
    assert np.array_equal(found, np.rint(square))
