"""Codec 0 is exact for every shape and depth, and never larger than its pixels."""

from __future__ import annotations

import tracemalloc
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from nacre.codecs.base import Codec
from nacre.codecs.stored import Stored, StoredSettings
from nacre.entropy.deflate import (
    GRADIENT,
    LEFT,
    PLAIN,
    RAW,
    UP,
    decode_plane,
    decode_samples,
    encode_plane,
    encode_samples,
)
from nacre.errors import FormatError, InputError, ModelError
from nacre.media.image import Image
from nacre.media.metadata import Metadata
from nacre.registry import codec_class
from nacre.stream import ImageShape, MeshShape, Section, SectionKind, Stream, deflate

CODEC = Stored()
PIXELS = st.sampled_from([np.uint8, np.uint16]).flatmap(
    lambda dtype: hnp.arrays(
        dtype, st.tuples(st.integers(1, 20), st.integers(1, 20), st.integers(1, 4))
    )
)


def round_trip(pixels: npt.NDArray[Any], metadata: Metadata = Metadata()) -> Image:  # noqa: B008
    data = CODEC.encode(Image(pixels, metadata), StoredSettings()).to_bytes()
    return CODEC.decode(Stream.from_bytes(data))


def slopes(height: int, width: int, channels: int = 3) -> npt.NDArray[np.uint8]:
    y, x, c = np.mgrid[0:height, 0:width, 0:channels]
    return ((x * (3 + c) + y * 2 + (x * y) % 5) % 256).astype(np.uint8)


def test_it_is_a_codec_of_the_registry() -> None:
    assert isinstance(CODEC, Codec)
    assert codec_class("stored") is codec_class(0) is Stored
    with pytest.raises(ModelError):
        Stored(model="some.safetensors")


@given(PIXELS, st.integers(1, 9))
@settings(max_examples=60, deadline=None)
def test_every_picture_comes_back(pixels: npt.NDArray[Any], effort: int) -> None:
    stream = CODEC.encode(Image(pixels), StoredSettings(effort))
    assert len(stream.payload) <= pixels.nbytes + 1
    decoded = CODEC.decode(Stream.from_bytes(stream.to_bytes()))
    assert decoded.pixels.dtype == pixels.dtype
    assert np.array_equal(decoded.pixels, pixels)


@given(PIXELS, st.data())
@settings(max_examples=60, deadline=None)
def test_a_region_is_that_part_of_the_picture(
    pixels: npt.NDArray[Any], data: st.DataObject
) -> None:
    height, width = pixels.shape[:2]
    x, y = data.draw(st.integers(0, width - 1)), data.draw(st.integers(0, height - 1))
    w, h = data.draw(st.integers(1, width - x)), data.draw(st.integers(1, height - y))
    stream = CODEC.encode(Image(pixels), StoredSettings())
    region = CODEC.decode(stream, region=(x, y, w, h))
    assert np.array_equal(region.pixels, pixels[y : y + h, x : x + w])


def test_metadata_is_carried() -> None:
    metadata = Metadata(b"icc", b"II*\0", b"<x/>", (("comment", "naïve"),))
    assert round_trip(slopes(3, 4), metadata).metadata == metadata


def residuals(x: npt.NDArray[np.uint8], method: int) -> npt.NDArray[np.uint8]:
    """What docs/format.md says of the methods 1 to 4."""
    padded = np.pad(x, ((1, 0), (1, 0), (0, 0)))
    left, up, corner = padded[1:, :-1], padded[:-1, 1:], padded[:-1, :-1]
    return {PLAIN: x, LEFT: x - left, UP: x - up, GRADIENT: x - left - up + corner}[method]


@pytest.mark.parametrize("seed", range(4))
def test_the_smallest_method_is_taken(seed: int) -> None:
    rng = np.random.default_rng(seed)
    x = (np.cumsum(rng.integers(0, 3, (32, 32, 3)), axis=seed % 2) // (1 + seed)).astype(np.uint8)
    bodies = {m: deflate(residuals(x, m).tobytes(), level=6) for m in (PLAIN, LEFT, UP, GRADIENT)}
    best = min(bodies.values(), key=len)
    data = encode_samples(x)
    assert data[1:] == best
    assert bodies[data[0]] == best


def test_noise_is_stored_raw() -> None:
    noise = np.random.default_rng(0).integers(0, 256, (64, 64, 3), np.uint8)
    assert encode_samples(noise) == bytes([RAW]) + noise.tobytes()


def test_methods_are_those_of_the_specification() -> None:
    x = np.array([[10, 12, 15], [9, 200, 1]], np.uint8)
    expected_residuals = {
        PLAIN: [10, 12, 15, 9, 200, 1],
        LEFT: [10, 2, 3, 9, 191, 57],
        UP: [10, 12, 15, 255, 188, 242],
        GRADIENT: [10, 2, 3, 255, 189, 54],
    }
    for method, expected in expected_residuals.items():
        data = bytes([method]) + deflate(bytes(expected))
        assert np.array_equal(decode_samples(data, (2, 3, 1), np.uint8)[:, :, 0], x)
    wide = np.array([[0x0102, 0x0304], [0x0506, 0xFFFF]], np.uint16)
    rows = bytes([2, 4, 1, 3, 6, 0xFF, 5, 0xFF])
    decoded = decode_samples(bytes([PLAIN]) + deflate(rows), (2, 2, 1), np.uint16)
    assert np.array_equal(decoded[:, :, 0], wide)
    raw = bytes([RAW]) + wide.astype("<u2").tobytes()
    assert np.array_equal(decode_samples(raw, (2, 2, 1), np.uint16)[:, :, 0], wide)


def test_planes() -> None:
    mask = np.zeros((100, 200), np.uint8)
    mask[20:80, 50:150] = 255
    data = encode_plane(mask)
    assert len(data) < 200
    assert np.array_equal(decode_plane(data, 100, 200), mask)
    with pytest.raises(FormatError, match="ALPHA"):
        decode_plane(data, 100, 201, where="ALPHA")


def test_a_small_payload_cannot_ask_for_much_memory() -> None:
    payload = bytes([GRADIENT]) + deflate(bytes(1000))
    shape = ImageShape(16_000, 16_000)
    stream = Stream(0, None, shape, (Section(SectionKind.PAYLOAD, payload),))
    tracemalloc.start()
    with pytest.raises(FormatError, match="are expected"):
        CODEC.decode(stream)
    with pytest.raises(FormatError, match="are needed"):
        CODEC.decode(stream, region=(0, 0, 10, 16_000))
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 100_000


@pytest.mark.parametrize(
    "stream",
    [
        Stream(0, None, MeshShape(1, 1), (Section(SectionKind.PAYLOAD, b""),)),
        Stream(0, None, ImageShape(1, 1, 1, 1), (Section(SectionKind.PAYLOAD, b"\0\0"),)),
        Stream(
            0, None, ImageShape(1, 1, 1),
            (Section(SectionKind.INDEX, b"\0"), Section(SectionKind.PAYLOAD, b"")), items=0,
        ),
    ],
    ids=["mesh", "bilevel", "archive"],
)  # fmt: skip
def test_what_it_does_not_hold_is_refused(stream: Stream) -> None:
    with pytest.raises(FormatError):
        CODEC.decode(stream)


@pytest.mark.parametrize("effort", [0, 10])
def test_effort_has_a_range(effort: int) -> None:
    with pytest.raises(InputError, match=r"1\.\.9"):
        StoredSettings(effort)
