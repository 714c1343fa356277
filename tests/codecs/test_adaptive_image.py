"""adaptive-image gives every picture back, in either mode, and refuses what no encoder writes."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
import PIL.Image
import PIL.ImageDraw
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import nacre
from nacre.entropy.adaptive import photo
from nacre.entropy.adaptive.photo import decode_photo, encode_photo
from nacre.entropy.adaptive.screen import decode_screen, encode_screen, screen_likeness
from nacre.errors import FormatError, InputError
from nacre.stream import Stream

Pixels = npt.NDArray[Any]
slow = settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.too_slow])


def smooth(height: int, width: int, channels: int, depth: int, seed: int = 1) -> Pixels:
    """Waves and noise, ``[H, W, C]``."""
    y, x, c = np.mgrid[:height, :width, :channels]
    noise = np.random.default_rng(seed).normal(0, 0.01, y.shape)
    waves = 0.5 + 0.3 * np.sin(x / 9 + c) * np.cos(y / 7) + noise
    return (waves.clip(0, 1) * ((1 << depth) - 1)).astype(np.uint8 if depth == 8 else np.uint16)


def window(height: int, width: int) -> Pixels:
    """Text in boxes, ``[H, W, 3]``."""
    picture = PIL.Image.new("RGB", (width, height), (240, 240, 236))
    draw = PIL.ImageDraw.Draw(picture)
    for top in range(4, height - 14, 16):
        draw.rectangle((2, top - 2, width - 3, top + 12), outline=(90, 90, 120))
        draw.text((6, top), f"row {top % 48} of the list, as before", fill=(10, 20, 60))
    return np.asarray(picture)


@st.composite
def pictures(draw: st.DrawFn) -> Pixels:
    """Any small picture: smooth, noisy, of few colours or of few values."""
    height, width = draw(st.integers(1, 24)), draw(st.integers(1, 24))
    channels, depth = draw(st.integers(1, 4)), draw(st.sampled_from([8, 16]))
    rng = np.random.default_rng(draw(st.integers(0, 99)))
    dtype = np.uint8 if depth == 8 else np.uint16
    kind = draw(st.sampled_from(["smooth", "noise", "colours", "values"]))
    if kind == "smooth":
        return smooth(height, width, channels, depth, draw(st.integers(0, 99)))
    if kind == "noise":
        return rng.integers(0, 1 << depth, (height, width, channels)).astype(dtype)
    if kind == "colours":
        colours = rng.integers(0, 1 << depth, (draw(st.integers(1, 9)), channels))
        return colours[rng.integers(0, len(colours), (height, width))].astype(dtype)
    return (rng.integers(0, 3, (height, width, channels)) * 17).astype(dtype)


def depth_of(pixels: Pixels) -> int:
    return 8 * pixels.dtype.itemsize


def sizes(pixels: Pixels) -> tuple[int, int, int]:
    height, width, channels = pixels.shape
    return height, width, channels


@slow
@given(pixels=pictures(), effort=st.sampled_from([1, 5, 9]))
def test_photos_come_back(pixels: Pixels, effort: int) -> None:
    data = encode_photo(pixels, effort=effort)
    np.testing.assert_array_equal(decode_photo(data, sizes(pixels), depth_of(pixels)), pixels)


@slow
@given(pixels=pictures())
def test_screens_come_back_or_are_refused(pixels: Pixels) -> None:
    flat = pixels.reshape(-1, pixels.shape[2])
    most = max(len(np.unique(flat[:, k])) for k in range(flat.shape[1]))
    if most > 256 and len(np.unique(flat, axis=0)) > 2:
        with pytest.raises(InputError, match="values"):
            encode_screen(pixels)
        return
    data = encode_screen(pixels)
    np.testing.assert_array_equal(decode_screen(data, sizes(pixels), depth_of(pixels)), pixels)


@slow
@given(pixels=pictures())
def test_pictures_come_back_and_hardly_grow(pixels: Pixels) -> None:
    data = nacre.encode(pixels, codec="adaptive-image", effort=6)
    np.testing.assert_array_equal(nacre.decode(data).pixels, pixels)
    assert len(data) <= len(nacre.encode(pixels, codec="stored")) + 1


@slow
@given(
    place=st.integers(0, 10_000), change=st.integers(1, 255), cut=st.integers(0, 40),
    screen=st.booleans(),
)  # fmt: skip
def test_damage_is_an_error_or_another_picture(
    place: int, change: int, cut: int, screen: bool
) -> None:
    pixels = window(40, 50) if screen else smooth(20, 23, 3, 8)
    data = bytearray(encode_screen(pixels) if screen else encode_photo(pixels, effort=5))
    data[place % len(data)] ^= change
    damaged = bytes(data[: len(data) - cut])
    try:
        found = (
            decode_screen(damaged, sizes(pixels), 8)
            if screen
            else decode_photo(damaged, sizes(pixels), 8)
        )
    except FormatError as error:
        assert "\n" not in str(error)
    else:
        assert found.shape == pixels.shape


def test_photos_are_told_from_screens(photos: list[Any]) -> None:
    with PIL.Image.open(photos[0]) as opened:
        photograph = np.asarray(opened.convert("RGB"))[:256, :256]
    assert screen_likeness(photograph) < 0.3
    assert screen_likeness(window(200, 300)) > 0.7
    for pixels, mode in ((photograph, "photo"), (window(200, 300), "screen")):
        data = nacre.encode(pixels, lossless=True)
        assert nacre.info(data).details["mode"] == mode
        assert len(data) < 0.8 * len(nacre.encode(pixels, codec="stored", effort=9))


def test_stripes_and_threads_do_not_change_bytes(monkeypatch: pytest.MonkeyPatch) -> None:
    pixels = smooth(64, 40, 3, 8)
    whole = encode_photo(pixels, effort=5)
    monkeypatch.setattr(photo, "STRIPE", 700)
    one, two = (encode_photo(pixels, effort=5, threads=n) for n in (1, 2))
    assert one == two
    assert one != whole
    for threads in (1, 2):
        found = decode_photo(one, (64, 40, 3), 8, threads=threads)
        np.testing.assert_array_equal(found, pixels)
    monkeypatch.undo()
    with pytest.raises(FormatError, match="stripes"):
        decode_photo(one, (64, 40, 3), 8)


def test_constant_planes_are_nearly_free() -> None:
    pixels = smooth(60, 70, 4, 8)
    pixels[..., 3] = 255
    with_alpha, without = encode_photo(pixels, effort=5), encode_photo(pixels[..., :3], effort=5)
    assert len(with_alpha) <= len(without) + 4
    assert len(nacre.encode(np.full((900, 700, 3), 9, np.uint8), lossless=True)) < 64


def test_regions_and_settings() -> None:
    pixels = smooth(30, 40, 3, 8)
    data = nacre.encode(pixels, codec="adaptive-image", effort=1)
    np.testing.assert_array_equal(
        nacre.decode(data, region=(5, 6, 20, 10)).pixels, pixels[6:16, 5:25]
    )
    assert Stream.from_bytes(data).model is None
    with pytest.raises(InputError, match="outside"):
        nacre.encode(pixels, codec="adaptive-image", effort=10)
    with pytest.raises(nacre.ModelError, match="no models"):
        nacre.encode(pixels, codec="adaptive-image", model="x")
