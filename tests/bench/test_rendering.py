"""Software rendering: what covers what, what is turned over, discs known by formula, sheets."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from nacre.bench.rendering import Camera, render_mesh, render_splats, rotation_matrices

trimesh = pytest.importorskip("trimesh")

SCRIPT = Path(__file__).parents[2] / "scripts" / "render.py"
AHEAD = Camera(np.zeros(3), np.eye(3), focal=2.0)
"""At the origin, looking along -z."""


def square(depth: float, half: float = 0.25) -> tuple[np.ndarray, np.ndarray]:
    """One that faces the camera, and covers half of the picture's side per 2 half / depth."""
    corners = [[-1, -1, 0], [1, -1, 0], [1, 1, 0], [-1, 1, 0]]
    return np.array(corners) * half + [0, 0, -depth], np.array([[0, 1, 2], [0, 2, 3]])


def test_a_square_covers_the_pixels_that_it_should():
    picture = render_mesh(square(1.0), AHEAD, size=64)
    inside = np.zeros((64, 64), bool)
    inside[16:48, 16:48] = True
    assert (picture[~inside] == 255).all()
    assert len(np.unique(picture[inside].reshape(-1, 3), axis=0)) == 1, "flat, without a seam"
    assert (picture[inside] < 255).all()


def test_what_is_nearer_covers_what_is_farther():
    blue, red = np.array([[0, 0, 1.0]]), np.array([[1.0, 0, 0]])
    near, far = square(1.0, 0.1), square(2.0, 1.0)
    colours = np.concatenate([np.repeat(blue, 4, axis=0), np.repeat(red, 4, axis=0)])
    for order in (1, -1):
        faces = np.concatenate([near[1], far[1] + 4])[::order]
        surface = np.concatenate([near[0], far[0]]), faces
        picture = render_mesh(surface, AHEAD, size=60, colours=colours)
        assert picture[30, 30, 2] > 0 and picture[30, 30, 0] == 0
        assert picture[5, 5, 0] > 0 and picture[5, 5, 2] == 0
    behind = render_mesh(square(-1.0), AHEAD, size=60)
    assert (behind == 255).all(), "what is behind the camera is not seen"


def test_faces_seen_from_inside_are_red():
    vertices, faces = square(1.0)
    front = render_mesh((vertices, faces), AHEAD, size=32)[16, 16].astype(int)
    back = render_mesh((vertices, faces[:, ::-1]), AHEAD, size=32)[16, 16].astype(int)
    assert abs(front[0] - front[2]) < 30 < back[0] - back[2]


def test_smooth_and_flat_shading_differ_within_a_face_alone():
    ball = trimesh.creation.icosphere(subdivisions=1)
    camera = Camera.around(ball.vertices)
    flat = render_mesh((ball.vertices, ball.faces), camera, size=100)
    smooth = render_mesh((ball.vertices, ball.faces), camera, size=100, smooth=True)
    colours = [len(np.unique(picture.reshape(-1, 3), axis=0)) for picture in (flat, smooth)]
    assert colours[0] < colours[1] / 2
    assert ((flat == 255).all(axis=2) == (smooth == 255).all(axis=2)).all()


@pytest.mark.parametrize("up", ["x", "y", "z", "-y"])
@pytest.mark.parametrize("azimuth", [0, 77, 200])
def test_a_camera_sees_all_and_keeps_up_up(up: str, azimuth: float):
    points = np.random.default_rng(0).normal(size=(500, 3)) * [1, 5, 0.2] + [100, -3, 8]
    camera = Camera.around(points, azimuth=azimuth, up=up)
    places = camera.project(points, 200)
    assert places[:, 2].min() > 0
    assert places[:, :2].min() >= 0 and places[:, :2].max() <= 200
    assert np.allclose(camera.axes @ camera.axes.T, np.eye(3))
    top = np.zeros(3)
    top["xyz".index(up[-1])] = -1 if up[0] == "-" else 1
    middle = (points.min(0) + points.max(0)) / 2
    low, high = camera.project(np.stack([middle, middle + top]), 200)
    assert high[1] < low[1] and high[0] == pytest.approx(low[0])


def disc(scales=(0.05, 0.05, 0.05), depth=1.0, alpha=0.8, rotation=(1, 0, 0, 0), colour=(1, 0, 0)):
    return tuple(
        np.array([value], float) for value in ((0, 0, -depth), scales, rotation, alpha, colour)
    )


def test_a_round_splat_is_a_gaussian():
    picture = render_splats(*disc(), AHEAD, size=101).astype(float) / 255
    variance = (0.05 * 101) ** 2 + 0.3
    y, x = np.mgrid[:101, :101] - 50.0
    alpha = 0.8 * np.exp(-(x**2 + y**2) / 2 / variance)
    near = x**2 + y**2 < 2.9**2 * variance
    alpha[alpha < 1 / 255] = 0
    assert np.allclose(picture[..., 1][near], 1 - alpha[near], atol=0.6 / 255)
    assert (picture[..., 0] == 1).all(), "red over white"
    assert (picture[0] == 1).all()


def test_a_long_splat_lies_along_its_axis():
    quarter = np.sqrt(0.5)
    flat = render_splats(*disc((0.1, 0.01, 0.01)), AHEAD, size=80)
    tall = render_splats(
        *disc((0.1, 0.01, 0.01), rotation=(quarter, 0, 0, quarter)), AHEAD, size=80
    )
    rows, columns = np.nonzero(flat[..., 1] < 200)
    assert np.ptp(columns) > 3 * np.ptp(rows)
    assert np.abs(flat.transpose(1, 0, 2).astype(int) - tall).max() <= 1
    assert np.allclose(rotation_matrices(np.array([[3.0, 0, 0, 0]])), np.eye(3))
    matrix = rotation_matrices(np.array([[quarter, 0, 0, quarter]]))[0]
    assert np.allclose(matrix @ [1, 0, 0], [0, 1, 0]), "a quarter turn about z"
    turned = rotation_matrices(np.random.default_rng(0).normal(size=(9, 4)))
    assert np.allclose(np.linalg.det(turned), 1)


def test_the_nearest_splat_is_over_the_others():
    pairs = [
        np.concatenate(pair) for pair in zip(disc(depth=2.0), disc(colour=(0, 0, 1)), strict=True)
    ]
    for order in (slice(None), slice(None, None, -1)):
        picture = render_splats(*(values[order] for values in pairs), AHEAD, size=61)
        centre = picture[30, 30] / 255
        assert centre == pytest.approx([0.2 * 0.8 + 0.04, 0.04, 0.8 + 0.04], abs=0.02)


def test_the_script_draws_two_files_and_their_distance(tmp_path: Path):
    ball = trimesh.creation.icosphere(subdivisions=2)
    ball.export(tmp_path / "a.ply")
    ball.vertices = np.round(ball.vertices, 1)
    ball.export(tmp_path / "b.ply")

    def script(*arguments: str) -> subprocess.CompletedProcess[str]:
        command = [sys.executable, str(SCRIPT), *arguments, "-o", "sheet.png", "--size", "120"]
        return subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)

    done = script("a.ply", "b.ply", "--smooth", "--up", "z")
    assert done.returncode == 0, done.stderr
    sheet = np.asarray(Image.open(tmp_path / "sheet.png")).astype(int)
    assert sheet.shape == (64 + 120 + 8, 3 * 128 + 8, 3)
    panels = [sheet[64:184, left : left + 120] for left in (8, 136, 264)]
    assert np.abs(panels[0] - panels[1]).max() > 10
    assert (panels[2].max(axis=2) - panels[2].min(axis=2)).max() > 60, "coloured by distance"
    failed = script("absent.ply")
    assert (failed.returncode, failed.stdout) == (2, "")
    assert failed.stderr.startswith("render: ") and "absent.ply" in failed.stderr
