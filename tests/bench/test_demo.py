"""``scripts/demo.py``, which ``make demo`` runs, as a person sees it."""

from __future__ import annotations

import importlib.util
import os
import re
import subprocess
import sys
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest
from PIL import Image

import nacre
from nacre import registry
from nacre.bench.peers import find_peer

SCRIPT = Path(__file__).parents[2] / "scripts" / "demo.py"

pytest.importorskip("pytorch_msssim", reason="the table needs nacre[bench]")


@pytest.fixture(scope="module")
def demo() -> ModuleType:
    spec = importlib.util.spec_from_file_location("demo", SCRIPT)
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module  # dataclasses look their module up
    spec.loader.exec_module(module)
    return module


def picture(height: int = 100, width: int = 150) -> np.ndarray:
    """Flat, but for a noisy square at (60, 20)."""
    pixels = np.full((height, width, 3), 90, np.uint8)
    noise = np.random.default_rng(0).integers(0, 256, (40, 40, 3))
    pixels[20:60, 60:100] = noise
    return pixels


def run(*arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, str(SCRIPT), *arguments]
    paths = [str(SCRIPT.parents[1]), os.environ.get("PYTHONPATH", "")]
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, paths))}
    return subprocess.run(
        command, capture_output=True, text=True, check=False, timeout=300, env=environment
    )


def test_a_folder_goes_there_and_back(tmp_path: Path, demo: ModuleType):
    if not any(card.codec == demo.CODEC for card in registry.models()):
        pytest.skip(f"there is no model for {demo.CODEC}")
    Image.fromarray(picture()).save(tmp_path / "a.png")
    (tmp_path / "bad.png").write_bytes(b"no picture")
    out = tmp_path / "out"
    done = run(str(tmp_path), "--out", str(out))
    assert done.returncode == 0, done.stderr
    assert "bad.png is not a picture" in done.stderr
    streams = sorted(out.glob("a-*.ncr"))
    assert len(streams) == len(demo.SETTINGS)
    for stream in streams:
        assert f"{stream.stat().st_size:,}" in done.stdout
        assert nacre.decode(stream).pixels.shape == (100, 150, 3)
    assert len(re.findall(r"yes\s*$", done.stdout, re.MULTILINE)) == len(streams)
    assert max(map(len, done.stdout.splitlines())) <= 80
    with Image.open(out / "a.png") as sheet:
        assert sheet.size[0] > 3 * 480


@pytest.mark.parametrize("inside", ["absent", "empty"])
def test_nothing_to_show_is_one_line_and_exit_2(tmp_path: Path, inside: str):
    (tmp_path / "empty").mkdir()
    done = run(str(tmp_path / inside), "--out", str(tmp_path / "out"))
    assert (done.returncode, done.stdout) == (2, "")
    assert re.fullmatch(r"demo: .*(no such file|no pictures).*\n", done.stderr)


def test_an_empty_name_means_the_photos_of_packages(demo: ModuleType, photos: list[Path]):
    found = demo._photos([""])
    assert {path.name for path in found} & {path.name for path in photos}
    assert all(path.is_file() for path in found)


def test_the_jpeg_beside_it_is_the_best_of_its_size(demo: ModuleType):
    pixels, jpeg = picture(), find_peer("jpeg")
    result = demo._jpeg(Path("a.png"), pixels, 4000)
    quality = int(result.codec.removeprefix("JPEG q"))
    assert result.bytes == len(jpeg.encode(pixels, quality, 1)) <= 4000
    assert len(jpeg.encode(pixels, quality + 1, 1)) > 4000
    assert demo._jpeg(Path("a.png"), pixels, 1).codec == "JPEG q1", "smaller there is none"


def test_the_detail_is_where_the_edges_are(demo: ModuleType):
    pixels = np.full((400, 600, 3), 90, np.uint8)
    pixels[100:140, 300:340] = picture()[20:60, 60:100]
    x, y, side = demo._busiest(pixels)
    assert side == 96
    assert x <= 300 and x + side >= 340
    assert y <= 100 and y + side >= 140
    assert demo._busiest(np.zeros((20, 30, 3), np.uint8))[2] == 20, "no larger than the picture"


def test_the_picture_shows_three_panels_and_their_detail(demo: ModuleType):
    original = picture()
    jpeg = demo._jpeg(Path("a.png"), original, 4000)
    sheet = np.asarray(demo._draw(original, jpeg, jpeg))
    x, y, side = demo._busiest(original)
    detail = np.asarray(
        Image.fromarray(original).crop((x, y, x + side, y + side)).resize((480, 480), 0)
    )
    assert np.array_equal(sheet[-488:-8, 8:488], detail)
    assert not np.array_equal(sheet[-488:-8, 496:976], detail)
    assert np.array_equal(sheet[-488:-8, 496:976], sheet[-488:-8, 984:1464])
