"""Old bytes decode to what they always did."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest
from goldens import GOLDEN, ROOT, File, decode_all, drawer, golden_script, is_picture

from nacre.limits import Limits
from nacre.media.image import Image, load_image
from nacre.registry import load_codec
from nacre.stream import Stream

VALID = drawer("common") + drawer("unusual")
PICTURES = [file for file in VALID if is_picture(file)]


@pytest.mark.parametrize("file", PICTURES, ids=str)
def test_decodes_to_what_the_manifest_records(file: File) -> None:
    pictures = decode_all(file.data)
    stream = Stream.from_bytes(file.data)
    assert (stream.items is not None) == file.entry["archive"]
    if "symbols_sha256" in file.entry:
        symbols = load_codec(stream.codec, model=stream.model).symbols(stream)
        assert golden_script().digest(symbols) == file.entry["symbols_sha256"]
        expected = load_image(file.path.with_suffix(".png")).pixels.astype(np.int32)
        assert np.abs(pictures[0].pixels - expected).max() <= 1
        return
    if "lanes" in file.entry:
        pictures = [Image(np.concatenate([picture.pixels for picture in pictures]))]
    assert len(pictures) == len(file.entry["pictures"])
    for picture, expected in zip(pictures, file.entry["pictures"], strict=True):
        assert list(picture.pixels.shape) == expected["shape"]
        assert picture.depth == expected["depth"]
        assert golden_script().digest(picture.pixels) == expected["sha256"]


@pytest.mark.parametrize(
    "file", [f for f in VALID if f.entry.get("medium") in ("mesh", "splat")], ids=str
)
def test_scenes_decode_to_what_the_manifest_records(file: File) -> None:
    (scene,) = decode_all(file.data)
    assert Stream.from_bytes(file.data).shape.medium.name.lower() == file.entry["medium"]
    assert golden_script("golden_scenes").digest_scene(scene) == file.entry["sha256"]


@pytest.mark.parametrize("file", [f for f in VALID if f.entry.get("medium") == "audio"], ids=str)
def test_sounds_decode_to_what_the_manifest_records(file: File) -> None:
    (sound,) = decode_all(file.data)
    script = golden_script("golden_sounds")
    assert script.digest_metadata(sound.metadata) == file.entry["metadata"]
    if "sha256" in file.entry:
        assert script.digest_sound(sound) == file.entry["sha256"]
        return
    assert str(sound.shape) == file.entry["shape"]
    expected = np.array(file.entry["samples"].split(), np.int32).reshape(sound.channels, -1)
    full_scale = 1 << (sound.depth - 1)
    assert np.abs(script.some_of(sound) - expected).max(initial=0) <= full_scale / 1000


@pytest.mark.parametrize("file", [f for f in PICTURES if not f.entry["archive"]], ids=str)
def test_metadata_is_what_the_manifest_records(file: File) -> None:
    metadata = decode_all(file.data)[0].metadata
    for name in ("icc", "exif", "xmp"):
        expected = file.entry["metadata"].get(name)
        assert getattr(metadata, name) == (bytes.fromhex(expected) if expected else None)
    assert [list(tag) for tag in metadata.tags] == file.entry["tags"]


@pytest.mark.parametrize("file", VALID, ids=str)
def test_writing_again_gives_the_same_bytes(file: File) -> None:
    assert Stream.from_bytes(file.data).to_bytes() == file.data


def test_sections_of_unknown_kind_are_kept() -> None:
    data = (GOLDEN / "unusual" / "ancillary.ncr").read_bytes()
    section = Stream.from_bytes(data).sections[0]
    assert (section.kind, section.data) == (77, b"from the future")


@pytest.mark.parametrize("name", ["common", "unusual", "hostile"])
def test_drawers_hold_what_their_manifest_lists(name: str) -> None:
    files = drawer(name)
    assert {f.path for f in files} == set((GOLDEN / name).glob("*.ncr"))
    assert all(len(f.data) <= 8192 for f in files)


def test_the_specification_takes_a_real_stream_apart() -> None:
    data = (GOLDEN / "common" / "first.ncr").read_bytes()
    text = (ROOT / "docs" / "format.md").read_text()
    assert golden_script().dissect(data) in text


def test_the_table_of_limits_is_true() -> None:
    text = (ROOT / "docs" / "security.md").read_text()
    for field in dataclasses.fields(Limits):
        default = getattr(Limits.DEFAULT, field.name).bit_length() - 1
        strict = getattr(Limits.STRICT, field.name).bit_length() - 1
        assert f"| `{field.name}` |" in text
        assert f"| 2^{default} | 2^{strict} |\n" in text.partition(f"| `{field.name}` |")[2]
