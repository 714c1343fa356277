"""The documents are enough for another decoder: one written from them agrees with nacre.

``ncr_reader``, ``range_decoder`` and ``walloc_decoder`` know docs/format.md, docs/entropy.md and
docs/walloc.md and nothing of nacre. Where the two differ, a document or the code is wrong.
"""

from __future__ import annotations

import ast
import dataclasses
import functools
import sys
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest
import range_decoder
from goldens import GOLDEN, File, decode_all, drawer, is_picture
from ncr_reader import (
    EXIF,
    ICC,
    TAGS,
    XMP,
    RefusedError,
    Stream,
    lanes_in,
    metadata,
    pictures_in,
    read,
    stored_picture,
    tags,
)
from walloc_decoder import Model, Payload, picture

import nacre
from nacre.entropy import coder
from nacre.entropy.tables import Tables
from nacre.errors import ModelError
from nacre.media.image import Image
from nacre.media.metadata import Metadata
from nacre.models import find_model
from nacre.stream import Lanes, read_header
from nacre.stream import Stream as NacreStream

Pixels = npt.NDArray[np.uint8]

FOLDER = Path(__file__).parent
DECODER_FILES = ("ncr_reader.py", "range_decoder.py", "walloc_decoder.py")
VALID = [file for file in drawer("common") + drawer("unusual") if is_picture(file)]
OWN_DECODER = ("stored", "walloc-rgb")
"""Codecs for which there is a second decoder."""


@functools.cache
def model(identity: bytes) -> Model:
    return Model(find_model(identity, codec="walloc-rgb").path)


def decode_independently(stream: Stream) -> tuple[npt.NDArray[np.generic], Payload | None]:
    """Pixels, and for codec 1 what its payload holds."""
    if stream.codec == 0:
        return stored_picture(stream), None
    if stream.codec != 1 or stream.model is None:
        raise RefusedError("an unknown codec, or no model")
    payload = Payload(stream, model(stream.model))
    return picture(stream, payload, model(stream.model)), payload


def check(data: bytes) -> Payload:
    """Both decoders agree on a stream of codec 1."""
    pixels, payload = decode_independently(read(data))
    assert payload is not None
    np.testing.assert_array_equal(payload.symbols, nacre.symbols(data))
    expected = nacre.decode(data).pixels
    assert pixels.shape == expected.shape
    assert np.abs(pixels.astype(int) - expected).max() <= 1
    return payload


def drawing(height: int, width: int, channels: int) -> Pixels:
    """Waves, an edge and some noise, ``[height, width, channels]``."""
    y, x, c = np.mgrid[:height, :width, :channels]
    waves = 128 + 70 * np.sin(x / (3 + c) + c) * np.cos(y / 5) + 40 * (x > y)
    noise = np.random.default_rng(3).normal(0, 6, waves.shape)
    return np.rint(waves + noise).clip(0, 255).astype(np.uint8)


@pytest.mark.parametrize("name", DECODER_FILES)
def test_the_decoder_imports_nothing_of_nacre(name: str) -> None:
    permitted = {*sys.stdlib_module_names, "numpy", "safetensors"}
    permitted |= {Path(other).stem for other in DECODER_FILES}
    for node in ast.walk(ast.parse((FOLDER / name).read_text())):
        if isinstance(node, ast.Import):
            assert {alias.name.partition(".")[0] for alias in node.names} <= permitted
        elif isinstance(node, ast.ImportFrom):
            assert (node.module or "").partition(".")[0] in permitted


@pytest.mark.parametrize("file", VALID, ids=str)
def test_golden_streams_are_read(file: File) -> None:
    stream, own = read(file.data), NacreStream.from_bytes(file.data)
    assert (stream.codec, stream.model, stream.items) == (own.codec, own.model, own.items)
    shape = (stream.width, stream.height, stream.channels, stream.depth)
    assert shape == dataclasses.astuple(own.shape)
    known = {section.kind: section.data for section in own.sections if section.kind < 8}
    assert stream.sections == known


@pytest.mark.parametrize("file", [f for f in VALID if f.entry.get("lanes")], ids=str)
def test_items_in_lanes_are_found(file: File) -> None:
    head, lanes = lanes_in(read(file.data))
    own = NacreStream.from_bytes(file.data)
    found = Lanes.of(own)
    assert head == found.head(own.payload)
    expected = [(n, found.lane(own.payload, i)) for i, n in enumerate(found.counts)]
    assert lanes == expected


@pytest.mark.parametrize("file", [f for f in VALID if f.entry["codec"] in OWN_DECODER], ids=str)
def test_golden_streams_decode_to_the_same(file: File) -> None:
    stream = read(file.data)
    if stream.codec == 1 and stream.items is None:
        check(file.data)
    expected = decode_all(file.data)
    found = [decode_independently(item)[0] for item in pictures_in(stream)]
    assert len(found) == len(expected)
    for pixels, image in zip(found, expected, strict=True):
        assert pixels.shape == image.pixels.shape
        difference = np.abs(pixels.astype(int) - image.pixels.astype(int)).max()
        assert difference <= (0 if stream.codec == 0 else 1)
        contents, known = metadata(stream), image.metadata
        if stream.items is None:
            assert [contents.get(kind) for kind in (ICC, EXIF, XMP)] == [
                known.icc,
                known.exif,
                known.xmp,
            ]
            assert tags(contents.get(TAGS, b"")) == list(known.tags)


@pytest.mark.parametrize("file", drawer("hostile"), ids=str)
def test_hostile_streams_are_refused(file: File) -> None:
    with pytest.raises((RefusedError, ModelError)):  # ModelError: there is no such model to read
        stream = read(file.data)
        tags(metadata(stream).get(TAGS, b""))
        for item in pictures_in(stream):
            decode_independently(item)


@pytest.mark.parametrize("escapes", [0.0, 0.2])
def test_messages_of_any_symbols(escapes: float) -> None:
    rng = np.random.default_rng(11)
    probabilities = [rng.gamma(0.3, size=n) + 1e-6 for n in (2, 9, 40, 200)]
    tables = Tables.from_probabilities([p / p.sum() for p in probabilities], [0, -4, -20, -100])
    table = rng.integers(0, tables.count, 1500)
    inside = tables.minimum[table] + rng.integers(0, tables.sizes[table])
    anywhere = rng.integers(-(2**31), 2**31, len(table)) >> rng.integers(0, 32, len(table))
    symbols = np.where(rng.random(len(table)) < escapes, anywhere, inside).astype(np.int32)
    message = coder.encode(symbols, table, tables)
    own = range_decoder.Tables.from_arrays(
        *(tables.to_arrays()[name] for name in ("minimum", "sizes", "low", "high"))
    )
    assert range_decoder.decode(message, table.tolist(), own) == symbols.tolist()
    with pytest.raises(RefusedError):
        range_decoder.decode(message + b"\1", table.tolist(), own)


@pytest.mark.parametrize("quality", [0, 35, 70, 100])
def test_colour_at_several_qualities(quality: int) -> None:
    payload = check(nacre.encode(drawing(24, 31, 3), codec="walloc-rgb", quality=quality))
    assert payload.symbols.any()


@pytest.mark.parametrize(
    ("shape", "channels"),
    [((1, 1, 3), 192), ((17, 9, 1), 192), ((40, 3, 3), 48), ((30, 45, 3), 12)],
    ids=["pixel", "grey", "48 channels", "12 channels"],
)
def test_shapes_and_prefixes(shape: tuple[int, int, int], channels: int) -> None:
    data = nacre.encode(drawing(*shape), codec="walloc-rgb", quality=60, channels=channels)
    assert check(data).channels == channels


@pytest.mark.parametrize("channels", [2, 4])
def test_alpha_is_exact(channels: int) -> None:
    pixels = drawing(19, 22, channels)
    data = nacre.encode(pixels, codec="walloc-rgb", quality=50)
    check(data)
    np.testing.assert_array_equal(decode_independently(read(data))[0][..., -1], pixels[..., -1])


def test_tiles() -> None:
    data = nacre.encode(drawing(8, 1040, 3), codec="walloc-rgb", quality=30, channels=12)
    assert check(data).symbols.shape == (12, 1, 130)


def test_channels_that_are_not_active() -> None:
    data = nacre.encode(np.full((9, 9, 3), 128, np.uint8), codec="walloc-rgb", quality=0)
    assert check(data).active < 12


def one_bit_flipped(data: bytes, place: int) -> bytes:
    return data[:place] + bytes([data[place] ^ 1 << place % 8]) + data[place + 1 :]


def test_every_flipped_bit_of_a_small_stream_is_refused() -> None:
    data = (GOLDEN / "common" / "first.ncr").read_bytes()
    number = int.from_bytes(data, "little")
    for bit in range(8 * len(data)):
        with pytest.raises(RefusedError):
            read((number ^ 1 << bit).to_bytes(len(data), "little"))


def check_flips(data: bytes) -> None:
    """A flipped bit is refused: one in each byte of the header, three in each section."""
    entries = read_header(data).sections
    for place in range(min(entry.offset for entry in entries)):
        with pytest.raises(RefusedError):
            read(one_bit_flipped(data, place))
    for entry in entries:
        end = entry.offset + entry.length + 4
        for place in (entry.offset, (entry.offset + end) // 2, end - 1):
            with pytest.raises(RefusedError, match="checksum"):
                read(one_bit_flipped(data, place))


@pytest.mark.parametrize("file", VALID, ids=str)
def test_a_flipped_bit_in_any_section_is_refused(file: File) -> None:
    check_flips(file.data)


def test_a_flipped_bit_in_the_sections_of_a_photo_is_refused() -> None:
    image = Image(drawing(9, 14, 4), Metadata(icc=b"profile", tags=(("Title", "a photo"),)))
    data = nacre.encode(image, codec="walloc-rgb")
    assert len(read_header(data).sections) == 4
    check_flips(data)
