"""Peak memory: of real processes, and it follows what they hold."""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from nacre.bench import memory
from nacre.bench.memory import measure, tile_photo
from nacre.errors import InputError

MIB = 1 << 20

pytestmark = pytest.mark.skipif(
    sys.platform not in memory.PLATFORMS, reason="peak memory is not known on this system"
)


def hold(size_bytes: int) -> None:
    """Fill so many bytes, then let them go."""
    np.ones(size_bytes, np.uint8).sum()


@pytest.fixture
def photo(tmp_path: Path) -> Path:
    pixels = np.random.default_rng(0).integers(0, 256, (48, 80, 3), dtype=np.uint8)
    Image.fromarray(pixels).save(tmp_path / "photo.png")
    return tmp_path / "photo.png"


def test_the_peak_is_the_childs_own_and_counts_what_it_let_go():
    ballast = np.ones(300 * MIB, np.uint8)
    little = memory._in_fresh_process(hold, MIB)
    much = memory._in_fresh_process(hold, 201 * MIB)
    assert little < ballast.nbytes, "what the parent holds is not counted"
    assert much - little == pytest.approx(200 * MIB, rel=0.1)


def test_encode_and_decode_are_measured(photo, tmp_path):
    large = tmp_path / "large.png"
    tile_photo(photo, 6, large)
    report = measure(large, tmp_path, codec="stored")
    assert report.width * report.height == pytest.approx(6e6, rel=0.01)
    assert report.stream_bytes == (tmp_path / "memory.ncr").stat().st_size
    pixels_bytes = 3 * report.width * report.height
    for peak in (report.encode_bytes, report.decode_bytes):
        assert report.start_bytes + pixels_bytes < peak < report.start_bytes + 20 * pixels_bytes


def test_tiles_have_the_photos_pixels_and_no_seams(photo, tmp_path):
    target = tmp_path / "tiled.png"
    tile_photo(photo, 0.06, target)
    tiled, original = np.asarray(Image.open(target)), np.asarray(Image.open(photo))
    assert tiled.shape == (200, 300, 3)
    assert np.array_equal(tiled[:48, :80], original)
    assert np.array_equal(tiled[48:96, :80], original[::-1])
    assert np.array_equal(tiled[:48, 80:160], original[:, ::-1])
    assert np.array_equal(tiled[96:144, 160:240], original)


@pytest.mark.parametrize("megapixels", [0, -1, 1000])
def test_sizes_that_make_no_sense(photo, tmp_path, megapixels):
    with pytest.raises(InputError, match="megapixels"):
        tile_photo(photo, megapixels, tmp_path / "tiled.png")


def test_an_error_in_the_other_process_is_this_ones(tmp_path):
    (tmp_path / "bad.png").write_bytes(b"no picture")
    with pytest.raises(InputError, match=r"bad\.png"):
        measure(tmp_path / "bad.png", tmp_path, codec="stored")
