"""Latents as WebP mosaics: nothing is lost, and what is counted is real."""

from __future__ import annotations

import io
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

import nacre
from nacre.bench.candidates import candidate
from nacre.bench.latents import compare, mosaics, symbols_of, webp_bytes
from nacre.errors import InputError


def symbols(channels: int, *, deviation: float, seed: int = 0) -> np.ndarray:
    rng = np.random.default_rng(seed)
    return np.round(rng.laplace(0, deviation, (channels, 5, 7))).astype(np.int16)


@pytest.mark.parametrize("channels", [1, 3, 5, 12, 48, 192])
@pytest.mark.parametrize("deviation", [2.0, 300.0])
def test_mosaics_hold_every_symbol(channels, deviation):
    original = symbols(channels, deviation=deviation)
    original.flat[0], original.flat[-1] = (-128, 127) if deviation < 10 else (-32768, 32767)
    for colour in (False, True) if channels % 3 == 0 else (False,):
        pictures = mosaics(original, colour=colour)
        assert len(pictures) == (1 if deviation < 10 else 2)
        for picture in pictures:
            assert picture.dtype == np.uint8
            assert picture.ndim == (3 if colour else 2)
            assert picture.size == original.size
        assert np.array_equal(symbols_of(pictures, channels), original)


def test_a_channel_stays_together_in_its_tile():
    original = np.zeros((12, 5, 7), np.int16)
    original[5] = 9
    (grey,) = mosaics(original, colour=False)
    assert grey.shape == (3 * 5, 4 * 7)
    assert (grey[5:10, 7:14] == 137).all(), "row 1, column 1 of 3 x 4"
    assert (grey == 137).sum() == 35
    (colour,) = mosaics(original, colour=True)
    assert colour.shape == (2 * 5, 2 * 7, 3)
    assert (colour[:5, 7:, 1] == 137).all(), "plane 1, row 0, column 1 of 2 x 2"


def test_the_smaller_arrangement_is_counted():
    original = symbols(12, deviation=2.0)
    sizes = []
    for colour in (False, True):
        (picture,) = mosaics(original, colour=colour)
        out = io.BytesIO()
        Image.fromarray(picture).save(out, "WEBP", lossless=True, method=6, quality=100)
        with Image.open(io.BytesIO(out.getvalue())) as back:
            kept = np.asarray(back if colour else back.convert("L"))
        assert np.array_equal(symbols_of([kept], 12), original)
        sizes.append(len(out.getvalue()))
    assert webp_bytes(original) == min(sizes)


def test_a_mosaic_too_large_for_webp():
    with pytest.raises(InputError, match="16383"):
        webp_bytes(np.zeros((1, 1, 16384), np.int16))


def test_rows_of_a_codec(tmp_path: Path, monkeypatch):
    """Symbols and payload come from the stream that the codec wrote."""
    Image.fromarray(np.full((8, 8, 3), 7, np.uint8)).save(tmp_path / "a.png")
    coded = symbols(12, deviation=2.0)
    streams = []

    def symbols_in(data: bytes, *, model: str | None) -> np.ndarray:
        streams.append(data)
        return coded

    monkeypatch.setattr(nacre, "symbols", symbols_in)
    seen = []
    (row,) = compare([tmp_path / "a.png"], candidate("stored"), [None], on_row=seen.append)
    assert seen == [row]
    payload = nacre.info(streams[0]).sections[0]
    assert (payload.kind, row.payload_bytes) == ("PAYLOAD", payload.bytes)
    assert (row.channels, row.webp_bytes) == (12, webp_bytes(coded))


def test_a_codec_without_latents_is_refused(tmp_path: Path):
    Image.fromarray(np.zeros((8, 8, 3), np.uint8)).save(tmp_path / "a.png")
    with pytest.raises(InputError, match="latents"):
        compare([tmp_path / "a.png"], candidate("stored"), [None])
