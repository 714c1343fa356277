"""Metadata survives files and the container, and what cannot be carried is named."""

from __future__ import annotations

import io
from dataclasses import replace
from pathlib import Path

import numpy as np
import PIL.ExifTags
import PIL.Image
import PIL.ImageOps
import pytest
from pictures import file_bytes, noise

from nacre.errors import FormatError, InputError, LimitExceeded
from nacre.limits import Limits
from nacre.media.image import Image, load_image
from nacre.media.metadata import MAX_CONTENT, Metadata
from nacre.stream import ImageShape, Section, SectionKind, Stream


def exif_bytes(orientation: int) -> bytes:
    exif = PIL.Image.Exif()
    exif[PIL.ExifTags.Base.Orientation] = orientation
    exif[PIL.ExifTags.Base.Make] = "nacre"
    exif.get_ifd(PIL.ExifTags.IFD.Exif)[PIL.ExifTags.Base.ISOSpeedRatings] = 100
    return exif.tobytes()


ALL = Metadata(
    icc=b"profile " * 40,
    exif=exif_bytes(1).removeprefix(b"Exif\0\0"),
    xmp=b'<x:xmpmeta xmlns:x="adobe:ns:meta/"/>',
    tags=(("comment", "naïve"), ("Title", "pearl")),
)


@pytest.mark.parametrize("kind", ["png", "jpg", "webp", "tiff", "avif"])
def test_metadata_survives_saving_and_loading(tmp_path: Path, kind: str) -> None:
    path = tmp_path / f"photo.{kind}"
    Image(noise(16, 16, 3), ALL).save(path)
    loaded = load_image(path).metadata
    assert loaded.icc == ALL.icc
    assert loaded.xmp == ALL.xmp
    exif = PIL.Image.Exif()
    exif.load(loaded.exif)
    assert exif[PIL.ExifTags.Base.Make] == "nacre"
    assert exif.get_ifd(PIL.ExifTags.IFD.Exif) == {PIL.ExifTags.Base.ISOSpeedRatings: 100}
    if kind == "png":
        assert loaded.tags == ALL.tags
    if kind == "jpg":
        assert loaded.tags == ALL.tags[:1]


def test_metadata_survives_the_container() -> None:
    assert Metadata.from_stream(stream_of(ALL)) == ALL
    assert stream_of(Metadata()).sections == (Section(SectionKind.PAYLOAD, b""),)
    empty = Metadata(icc=b"", xmp=b"", tags=(("", ""),))
    assert Metadata.from_stream(stream_of(empty)) == empty


def stream_of(metadata: Metadata) -> Stream:
    sections = (*metadata.to_sections(), Section(SectionKind.PAYLOAD, b""))
    return Stream.from_bytes(Stream(0, None, ImageShape(1, 1), sections).to_bytes())


def test_metadata_obeys_limits() -> None:
    big = Metadata(xmp=b"x" * 10_000)
    with pytest.raises(LimitExceeded, match="XMP"):
        Metadata.from_stream(replace(stream_of(big), limits=Limits(bytes=9_999)))
    with pytest.raises(InputError, match="--strip icc"):
        Metadata(icc=bytes(MAX_CONTENT + 1)).to_sections()


def test_metadata_that_a_kind_of_file_cannot_hold(tmp_path: Path) -> None:
    tags = (("螺", "螺"), ("", "nameless"), ("k" * 100, "long"))
    Image(noise(2, 2, 3), Metadata(tags=tags)).save(tmp_path / "tags.png")
    loaded = load_image(tmp_path / "tags.png").metadata.tags
    assert loaded == (("?", "螺"), ("Comment", "nameless"), ("k" * 79, "long"))
    with pytest.raises(InputError, match="JPEG cannot hold this picture"):
        Image(noise(2, 2, 3), Metadata(exif=bytes(100_000))).save(tmp_path / "exif.jpg")
    with pytest.raises(InputError, match="TIFF cannot hold this picture"):
        Image(noise(2, 2, 3), Metadata(exif=b"no exif")).save(tmp_path / "exif.tiff")
    assert [path.name for path in tmp_path.iterdir()] == ["tags.png"]


def test_stripping() -> None:
    image = Image(noise(4, 4, 3), ALL)
    assert image.stripped(["all"]).metadata == Metadata()
    assert image.stripped(["icc", "xmp"]).metadata == Metadata(exif=ALL.exif, tags=ALL.tags)
    assert image.stripped([]).metadata == ALL
    with pytest.raises(InputError, match="iptc"):
        image.stripped(["iptc"])


@pytest.mark.parametrize("orientation", range(1, 9))
def test_orientation_is_carried_or_applied(orientation: int) -> None:
    picture = PIL.Image.fromarray(noise(4, 6, 3))
    data = file_bytes(picture, exif=exif_bytes(orientation))
    kept = load_image(data)
    assert kept.metadata.orientation == orientation
    assert np.array_equal(kept.pixels, np.asarray(picture))
    upright = load_image(data, strip=["exif"])
    expected = PIL.ImageOps.exif_transpose(PIL.Image.open(io.BytesIO(data)))
    assert upright.metadata.exif is None
    assert np.array_equal(upright.pixels, np.asarray(expected))


@pytest.mark.parametrize(
    "exif",
    [b"", b"II", b"XX*\0\x08\0\0\0", b"II*\0\xff\xff\xff\xff", b"MM\0*\0\0\0\x08\xff\xff",
     bytes.fromhex("49492a0008000000010012010300010000000900")],
)  # fmt: skip
def test_damaged_exif_has_no_orientation(exif: bytes) -> None:
    assert Metadata(exif=exif).orientation == 1


def test_tags_that_are_not_text_are_refused() -> None:
    sections = (Section(SectionKind.TAGS, b"\0\1\xff\0"), Section(SectionKind.PAYLOAD, b""))
    with pytest.raises(FormatError, match="UTF-8"):
        Metadata.from_stream(Stream(0, None, ImageShape(1, 1), sections))
