"""``scripts/demo.py``, which ``make demo`` runs, as a person sees it."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from meshes import sphere
from PIL import Image

import nacre
from nacre import registry
from nacre.bench.metrics import psnr_db
from nacre.bench.peers import find_peer

SCRIPTS = Path(__file__).parents[2] / "scripts"

pytest.importorskip("pytorch_msssim", reason="the table needs nacre[bench]")
pytest.importorskip("matplotlib", reason="sound is drawn with nacre[bench]")
sys.path.append(str(SCRIPTS))

import demo  # noqa: E402
import demo_meshes  # noqa: E402
import demo_photos  # noqa: E402
import demo_rows  # noqa: E402
import demo_sound  # noqa: E402


def picture(height: int = 100, width: int = 150) -> np.ndarray:
    """Flat, but for a noisy square at (60, 20)."""
    pixels = np.full((height, width, 3), 90, np.uint8)
    noise = np.random.default_rng(0).integers(0, 256, (40, 40, 3))
    pixels[20:60, 60:100] = noise
    return pixels


def run(*arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, str(SCRIPTS / "demo.py"), *arguments]
    paths = [str(SCRIPTS.parent), os.environ.get("PYTHONPATH", "")]
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, paths))}
    return subprocess.run(
        command, capture_output=True, text=True, check=False, timeout=300, env=environment
    )


def test_a_folder_goes_there_and_back(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(demo_meshes, "SIZE", 100)
    if not any(card.codec == demo_photos.CODEC for card in registry.models()):
        pytest.skip(f"there is no model for {demo_photos.CODEC}")
    Image.fromarray(picture()).save(tmp_path / "a.png")
    (tmp_path / "bad.png").write_bytes(b"no picture")
    nacre.Scene((sphere(12, 18),)).save(tmp_path / "b.ply")
    wave = np.rint(9000 * np.sin(np.arange(12000) / 9)).astype(np.int16)
    nacre.load_audio(np.stack([wave, -wave]), sample_rate_hz=8000).save(tmp_path / "c.wav")
    out = tmp_path / "out"
    code, told = demo.main([str(tmp_path), "--out", str(out)]), capsys.readouterr()
    assert code == 0, told.err
    assert "bad.png is not a picture" in told.err
    streams = sorted(out.glob("*.ncr"))
    assert len([one for one in streams if one.name.startswith("a-")]) == 5
    for stream in streams:
        assert f" {stream.stat().st_size:,} " in told.out
    assert nacre.decode(out / "b-b11.ncr").mesh.faces.shape == (sphere(12, 18).faces.shape)
    assert np.array_equal(nacre.decode(out / "c-lossless.ncr").samples, [wave, -wave])
    assert len(re.findall(r"yes\s*$", told.out, re.MULTILINE)) == len(streams)
    assert {"JPEG", "Draco", "FLAC"} <= set(told.out.split())
    assert max(map(len, told.out.splitlines())) <= 80
    for name in "abc":
        with Image.open(out / f"{name}.png") as sheet:
            assert sheet.size[0] == demo_rows.WIDTH


@pytest.mark.parametrize("inside", ["absent", "empty"])
def test_nothing_to_show_is_one_line_and_exit_2(tmp_path: Path, inside: str):
    (tmp_path / "empty").mkdir()
    done = run(str(tmp_path / inside), "--out", str(tmp_path / "out"))
    assert (done.returncode, done.stdout) == (2, "")
    assert re.fullmatch(r"demo: .*(no such file|no pictures).*\n", done.stderr)


def test_an_empty_name_means_the_demos_own(tmp_path: Path, photos: list[Path]):
    found = demo._files([""], tmp_path)
    names = {path.name for path in found}
    assert {path.name for path in photos} & names
    assert {"terrain.ply", "strings.wav"} <= names
    assert all(path.is_file() for path in found)
    mesh = nacre.load_mesh(tmp_path / "terrain.ply").mesh
    assert mesh.vertices.shape == (344 * 403, 3) and mesh.faces.shape == (2 * 343 * 402, 3)
    corners = mesh.vertices[mesh.faces].astype(float)
    normals = np.cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0])
    assert (normals[:, 1] > 0).all(), "all faces are seen from above"
    heights = mesh.vertices[:, 1] / demo_meshes.HEIGHT_SCALE
    assert (heights.min(), heights.max()) == (236, 1076)


def test_music_is_the_same_each_time_and_in_tune(tmp_path: Path):
    samples = demo_sound.music()
    assert samples.shape[0] == 2 and samples.dtype == np.int16
    assert np.array_equal(samples, demo_sound.music())
    assert 8000 < np.abs(samples).max() < 32767
    string = demo_sound.pluck(69, np.random.default_rng(0))
    spectrum = np.abs(np.fft.rfft(string[: demo_sound.RATE_HZ]))
    assert abs(int(spectrum[300:600].argmax()) + 300 - 440) <= 3


def test_the_room_echoes():
    wave = np.zeros(9000)
    wave[0] = 1
    heard = demo_sound.room(wave, np.random.default_rng(0))
    places = np.flatnonzero(heard)
    assert heard[0] > 1 and 0.028 < places[1] / demo_sound.RATE_HZ < 0.047
    first = heard[places[1]]
    again = heard[2 * places[1]]
    assert again == pytest.approx(0.72 * first)


def test_opus_beside_it_has_the_size_or_the_quality():
    samples = demo_sound.music()[:, :44100]
    audio = nacre.load_audio(samples, sample_rate_hz=demo_sound.RATE_HZ)
    size, decoded = demo_sound.opus_of_size(audio, 9000)
    assert 8000 < size <= 9000
    reached = demo_sound.sdr_db(audio, decoded)
    name, again = demo_sound.opus_of_quality(audio, reached)
    assert (name, again) == ("Opus", pytest.approx(size, rel=0.1))
    assert demo_sound.opus_of_quality(audio, 99.0) == ("", 0)
    assert demo_sound.sdr_db(audio, audio) == 100


def test_flac_beside_it_is_flac(tmp_path: Path):
    wave = np.rint(3e6 * np.sin(np.arange(4000) / 30)).astype(np.int32)
    deep = nacre.load_audio(wave[None], sample_rate_hz=44100, depth=24)
    deep.save(tmp_path / "deep.flac")
    name, size = demo_sound.flac(deep)
    assert name == "FLAC"
    assert size == pytest.approx((tmp_path / "deep.flac").stat().st_size, rel=0.2)
    assert (
        demo_sound.flac(nacre.load_audio(np.zeros((1, 9), np.float32), sample_rate_hz=9))[0] == ""
    )


def test_codecs_are_here_when_they_and_their_models_are():
    assert demo_sound.is_here("walloc-rgb")
    assert not demo_sound.is_here("walloc-none")
    assert not demo_sound.is_here("adaptive-audio"), "it has no model"


def test_the_jpeg_beside_it_is_the_best_of_its_size():
    pixels, jpeg = picture(), find_peer("jpeg")
    result = demo_photos.jpeg_of_size(pixels, 4000)
    assert result.bytes == len(jpeg.encode(pixels, result.quality, 1)) <= 4000
    assert len(jpeg.encode(pixels, result.quality + 1, 1)) > 4000
    assert demo_photos.jpeg_of_size(pixels, 1).quality == 1, "smaller there is none"


def test_the_jpeg_in_the_table_is_the_smallest_of_its_quality():
    pixels, jpeg = picture(), find_peer("jpeg")
    result = demo_photos.jpeg_of_quality(pixels, 21.25)
    assert result is not None
    assert psnr_db(pixels, result.pixels) >= 21.25
    for lower in range(1, result.quality):
        worse = jpeg.decode(jpeg.encode(pixels, lower, 1), 1)
        assert psnr_db(pixels, worse) < 21.25
    assert demo_photos.jpeg_of_quality(pixels, 99.0) is None


def test_the_detail_is_where_the_edges_are():
    pixels = np.full((400, 600, 3), 90, np.uint8)
    pixels[100:140, 300:340] = picture()[20:60, 60:100]
    x, y, side = demo_photos.busiest(pixels)
    assert side == 96
    assert x <= 300 and x + side >= 340
    assert y <= 100 and y + side >= 140
    assert demo_photos.busiest(np.zeros((20, 30, 3), np.uint8))[2] == 20, "within the picture"


def test_a_sheet_shows_pictures_and_their_details():
    plain, noisy = np.full((50, 100, 3), 90, np.uint8), picture()[20:60, 60:100]
    frame = (0.25, 0.2, 0.5, 0.6)
    panels = [
        demo_rows.Panel("left", "", plain, noisy, frame),
        demo_rows.Panel("right", "", plain, noisy[::-1]),
    ]
    sheet = np.asarray(demo_rows.sheet_of(panels))
    gap, label = demo_rows.GAP, demo_rows.LABEL
    side = (demo_rows.WIDTH - 3 * gap) // 2
    top = side // 2
    below = sheet[label + top + gap :][:side, gap:][:, :side]
    assert np.array_equal(below, Image.fromarray(noisy).resize((side, side), 0))
    other = sheet[label + top + gap :][:side, 2 * gap + side :][:, :side]
    assert np.array_equal(other, Image.fromarray(noisy[::-1]).resize((side, side), 0))
    left, right = (sheet[label:][:top, x:][:, :side] for x in (gap, 2 * gap + side))
    red = np.argwhere((left != 90).any(axis=2))
    assert tuple(red.min(axis=0)) == pytest.approx((0.2 * top, 0.25 * side), abs=2)
    assert tuple(red.max(axis=0)) == pytest.approx((0.6 * top, 0.5 * side), abs=2)
    assert (right == 90).all()
