"""The public functions, with the lossless codec and with a lossy one of another package."""

from __future__ import annotations

import io
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import PIL.Image
import pytest

import nacre
from nacre.compare import psnr_db
from nacre.stream import ImageShape, Section, SectionKind, Stream, build_archive

Pictures = dict[str, np.ndarray]
WriteModel = Callable[[str, float], Path]


def same(image: nacre.Image, pixels: np.ndarray) -> bool:
    return image.pixels.dtype == pixels.dtype and np.array_equal(image.pixels, pixels)


@pytest.mark.parametrize("name", ["grey", "rgb", "rgba", "grey16", "pixel"])
def test_lossless_round_trip(pictures: Pictures, name: str) -> None:
    data = nacre.encode(pictures[name], lossless=True)
    assert same(nacre.decode(data), pictures[name])
    assert data == nacre.encode(pictures[name], codec="adaptive-image")


def test_every_kind_of_source_gives_the_same_file(picture_file: Path, pictures: Pictures) -> None:
    import torch

    pixels = pictures["rgb"]
    sources: list[Any] = [
        picture_file,
        str(picture_file),
        picture_file.read_bytes(),
        io.BytesIO(picture_file.read_bytes()),
        PIL.Image.open(picture_file),
        pixels,
        torch.from_numpy(pixels.transpose(2, 0, 1).copy()),
        nacre.load_image(picture_file),
    ]
    assert len({nacre.encode(source, lossless=True) for source in sources}) == 1


def test_every_kind_of_data_is_decoded(pictures: Pictures, tmp_path: Path) -> None:
    data = nacre.encode(pictures["rgb"], lossless=True)
    path = tmp_path / "a.ncr"
    path.write_bytes(data)
    for source in (data, bytearray(data), memoryview(data), path, str(path), io.BytesIO(data)):
        assert same(nacre.decode(source), pictures["rgb"])


def test_real_photos_survive(photos: list[Path]) -> None:
    for path in photos[:3]:
        data = nacre.encode(path, lossless=True, effort=1)
        original = nacre.load_image(path)
        decoded = nacre.decode(data)
        assert same(decoded, original.pixels)
        assert decoded.metadata == original.metadata


def test_region_is_the_same_part(pictures: Pictures) -> None:
    data = nacre.encode(pictures["rgb"], lossless=True)
    part = nacre.decode(data, region=(5, 7, 20, 11))
    assert same(part, pictures["rgb"][7:18, 5:25])


@pytest.mark.parametrize(
    "region", [(-1, 0, 2, 2), (0, 0, 0, 1), (60, 0, 5, 1), (0, 48, 1, 1), (1, 2, 3)]
)
def test_regions_outside_the_picture(pictures: Pictures, region: Any) -> None:
    data = nacre.encode(pictures["rgb"], lossless=True)
    with pytest.raises(nacre.InputError, match="region"):
        nacre.decode(data, region=region)


def test_settings_are_checked_by_name_type_and_range(toy: Path, pictures: Pictures) -> None:
    picture = pictures["rgb"]
    cases: list[tuple[str, dict[str, Any]]] = [
        ("no setting 'qualty'; did you mean 'quality'.*known: quality, channels", {"qualty": 3}),
        ("'quality' is 'high'; expected float", {"quality": "high"}),
        ("'quality' is True; expected float", {"quality": True}),
        ("'channels' is 1.5; expected int or NoneType", {"channels": 1.5}),
        ("101 is outside", {"quality": 101}),
    ]
    for message, settings in cases:
        with pytest.raises(nacre.InputError, match=message):
            nacre.encode(picture, codec="toy", **settings)
    numpy_values = nacre.encode(picture, codec="toy", quality=np.int64(60), channels=np.int8(2))
    assert numpy_values == nacre.encode(picture, codec="toy", quality=60.0, channels=2)


def test_lossless_is_insisted_on(toy: Path, pictures: Pictures) -> None:
    with pytest.raises(nacre.InputError, match="'toy' is lossy"):
        nacre.encode(pictures["rgb"], codec="toy", lossless=True)


def test_metadata_is_kept_unless_stripped(pictures: Pictures) -> None:
    exif = PIL.Image.Exif()
    exif[0x0112] = 6  # turn by 90 degrees to see it upright
    file = io.BytesIO()
    PIL.Image.fromarray(pictures["rgb"]).save(file, "PNG", exif=exif, icc_profile=b"profile")
    source = file.getvalue()
    kept = nacre.decode(nacre.encode(source, lossless=True))
    assert (kept.metadata.icc, kept.width) == (b"profile", 64)
    for strip in ("exif,xmp", ["exif", "xmp"]):
        image = nacre.decode(nacre.encode(source, lossless=True, strip=strip))
        assert (image.metadata.icc, image.metadata.exif, image.width) == (b"profile", None, 48)
        assert same(image, np.rot90(pictures["rgb"], -1))
    bare = nacre.decode(nacre.encode(source, lossless=True, strip="all"))
    assert bare.metadata == nacre.Metadata()
    with pytest.raises(nacre.InputError, match="iptc"):
        nacre.encode(source, lossless=True, strip="iptc")


@pytest.mark.parametrize("target_bpp", [2.6, 4.0, 9.0])
def test_target_bpp_is_met(toy: Path, photos: list[Path], target_bpp: float) -> None:
    image = nacre.decode(nacre.encode(photos[0], lossless=True), region=(0, 0, 200, 150))
    data = nacre.encode(image, codec="toy", target_bpp=target_bpp, strip="all")
    assert nacre.info(data).bpp == pytest.approx(target_bpp, rel=0.02)


@pytest.mark.parametrize("target_size", [9500, 23_456])
def test_target_size_is_the_most(toy: Path, photos: list[Path], target_size: int) -> None:
    image = nacre.decode(nacre.encode(photos[0], lossless=True), region=(0, 0, 200, 150))
    data = nacre.encode(image, codec="toy", target_size=target_size, strip="all")
    assert 0.97 * target_size <= len(data) <= target_size


@pytest.mark.parametrize("target_psnr", [25.0, 38.5])
def test_target_psnr_is_reached_and_not_by_much(
    toy: Path, pictures: Pictures, target_psnr: float
) -> None:
    data = nacre.encode(pictures["rgb"], codec="toy", target_psnr=target_psnr)
    reached = psnr_db(nacre.Image(pictures["rgb"]), nacre.decode(data))
    assert target_psnr <= reached <= target_psnr + 0.5


def test_targets_at_the_ends_of_the_range(toy: Path, pictures: Pictures) -> None:
    picture = pictures["rgb"]
    best = nacre.encode(picture, codec="toy", quality=100)
    worst = nacre.encode(picture, codec="toy", quality=0)
    assert nacre.encode(picture, codec="toy", target_size=10**6) == best
    assert nacre.encode(picture, codec="toy", target_psnr=1) == worst


@pytest.mark.parametrize(
    ("target", "message"),
    [
        ({"target_size": 20}, r"20 bytes is out of reach: quality 0, the lowest, takes [\d,]+ byt"),
        ({"target_bpp": 500.0}, r"500 bits per pixel is out of reach: the nearest is [\d.]+ bits"),
        ({"target_bpp": 0.001}, r"0.001 bits per pixel is out of reach: the nearest is [\d.]+ "),
        ({"target_bpp": -1.0}, "above 0"),
        ({"target_size": 500, "quality": 50}, "exclude each other"),
        ({"target_size": 500, "target_bpp": 1.0}, "exclude each other"),
    ],
)
def test_targets_out_of_reach(
    toy: Path, pictures: Pictures, target: dict[str, Any], message: str
) -> None:
    with pytest.raises(nacre.InputError, match=message):
        nacre.encode(pictures["rgb"], codec="toy", **target)


def test_target_psnr_out_of_reach(toy: Path, pictures: Pictures, write_model: WriteModel) -> None:
    write_model("toy-model-1", 8.0)  # its grid is never finer than 8
    with pytest.raises(nacre.InputError, match=r"60 dB is out of reach: quality 100.* gives 4\d"):
        nacre.encode(pictures["rgb"], codec="toy-model", target_psnr=60)


def test_targets_need_a_quality(pictures: Pictures) -> None:
    with pytest.raises(
        nacre.InputError, match="'adaptive-image' has no quality to search for a target_"
    ):
        nacre.encode(pictures["rgb"], lossless=True, target_size=100)


def test_latents_and_symbols(toy: Path, pictures: Pictures) -> None:
    data = nacre.encode(pictures["rgb"], codec="toy", quality=100)
    assert np.array_equal(nacre.symbols(data), pictures["rgb"].transpose(2, 0, 1))
    latents = nacre.latents(data, channels=2)
    assert (latents.shape, latents.dtype) == ((2, 48, 64), np.float32)
    with pytest.raises(nacre.InputError, match=r"outside 1\.\.3"):
        nacre.latents(data, channels=4)
    exact = nacre.encode(pictures["rgb"], lossless=True)
    with pytest.raises(nacre.InputError, match="'adaptive-image' has no latents"):
        nacre.latents(exact)


def test_a_decoder_serves_many(toy: Path, pictures: Pictures) -> None:
    decoder = nacre.Decoder()
    names = ["grey", "rgb", "rgba", "pixel"]
    batch = [nacre.encode(pictures[name], lossless=True) for name in names]
    for image, name in zip(decoder.decode_batch(batch), names, strict=True):
        assert same(image, pictures[name])
    lossy = nacre.encode(pictures["rgb"], codec="toy")
    assert np.array_equal(decoder.decode(lossy).pixels, nacre.decode(lossy).pixels)
    assert np.array_equal(decoder.latents(lossy), nacre.latents(lossy))
    assert np.array_equal(decoder.symbols(lossy), nacre.symbols(lossy))


def test_the_model_is_the_one_that_the_stream_names(
    toy: Path, pictures: Pictures, write_model: WriteModel, tmp_path: Path
) -> None:
    first, second = write_model("toy-model-1", 1.0), write_model("other", 2.0)
    data = nacre.encode(pictures["rgb"], codec="toy-model", model="other", quality=100)
    assert nacre.info(data).model == nacre.models.find_model(second).id
    assert psnr_db(nacre.Image(pictures["rgb"]), nacre.decode(data)) > 45
    with pytest.raises(nacre.ModelError, match="the stream was made with model"):
        nacre.decode(data, model=first)
    elsewhere = tmp_path / "moved.safetensors"
    second.rename(elsewhere)
    second.with_suffix(".json").rename(elsewhere.with_suffix(".json"))
    with pytest.raises(nacre.ModelError, match="of codec 'toy-model' not found"):
        nacre.decode(data)
    assert np.array_equal(
        nacre.decode(data, model=elsewhere).pixels,
        nacre.Decoder(model=elsewhere).decode(data).pixels,
    )


def test_info_needs_no_model_and_no_codec(pictures: Pictures) -> None:
    sections = (Section(SectionKind.PAYLOAD, b"12345"),)
    stream = Stream(codec=9999, model=b"\x01\x02\x03", shape=ImageShape(8, 5), sections=sections)
    info = nacre.info(stream.to_bytes())
    assert (info.codec, info.codec_number, info.lossless) == (None, 9999, None)
    assert (info.model, info.shape) == ("010203", ImageShape(8, 5))
    assert info.sections == (nacre.SectionInfo("PAYLOAD", 5),)
    assert info.bytes == len(stream.to_bytes())
    assert info.bpp == 8 * info.bytes / 40
    with pytest.raises(nacre.UnsupportedVersion, match="9999"):
        nacre.decode(stream.to_bytes())


def test_verify(toy: Path, pictures: Pictures) -> None:
    exact = nacre.encode(pictures["rgb"], lossless=True)
    lossy = nacre.encode(pictures["rgb"], codec="toy", quality=70)
    assert nacre.verify(exact) == nacre.Report(True, "adaptive-image", len(exact))
    report = nacre.verify(exact, original=pictures["rgb"])
    assert (report.ok, report.equal, report.psnr_db) == (True, True, float("inf"))
    report = nacre.verify(lossy, original=pictures["rgb"])
    assert report.ok
    assert not report.equal
    assert report.psnr_db is not None
    assert 20 < report.psnr_db < 60
    changed = pictures["rgb"].copy()
    changed[3, 4, 1] ^= 1
    report = nacre.verify(exact, original=changed)
    assert (report.ok, report.equal) == (False, False)
    assert "the decoded picture differs" in str(report.problem)
    with pytest.raises(nacre.InputError, match="cannot be compared"):
        nacre.verify(lossy, original=pictures["grey"])


def test_verify_reports_damage_and_raises_for_what_is_no_stream(pictures: Pictures) -> None:
    data = nacre.encode(pictures["rgb"], lossless=True)
    flipped = bytearray(data)
    flipped[-20] ^= 1
    for bad in (bytes(flipped), data[:-3], data + b"x"):
        report = nacre.verify(bad)
        assert not report.ok
        assert report.problem
    with pytest.raises(nacre.NotNacre, match="JPEG"):
        nacre.verify(b"\xff\xd8\xff\xe0 and so on")
    other_version = bytes([data[0] + 1]) + data[1:]
    with pytest.raises(nacre.UnsupportedVersion, match="version 2"):
        nacre.verify(other_version)


def test_limits_are_checked_at_both_ends(pictures: Pictures) -> None:
    few = nacre.Limits(pixels=100)
    data = nacre.encode(pictures["rgb"], lossless=True)
    for call in (nacre.decode, nacre.verify, nacre.latents, nacre.symbols):
        with pytest.raises(nacre.LimitExceeded, match="3,072 pixels"):
            call(data, limits=few)
    with pytest.raises(nacre.LimitExceeded):
        nacre.encode(pictures["rgb"], lossless=True, limits=few)
    with pytest.raises(nacre.LimitExceeded):
        nacre.verify(data, original=pictures["rgb"], limits=few)


def test_archives_and_other_media_are_named(pictures: Pictures) -> None:
    one = Stream.from_bytes(nacre.encode(pictures["rgb"], codec="stored"))
    archive = build_archive(0, [one, one]).to_bytes()
    with pytest.raises(nacre.InputError, match="archive of 2 items"):
        nacre.decode(archive)
    assert nacre.info(archive).items == 2


def test_unreadable_paths_are_input_errors(tmp_path: Path) -> None:
    for path in (tmp_path / "nothere.ncr", tmp_path):
        with pytest.raises(nacre.InputError, match="cannot be read"):
            nacre.decode(path)


def test_pillow_opens_and_saves(toy: Path, pictures: Pictures, tmp_path: Path) -> None:
    nacre.register_pillow()
    for name in ("grey", "rgb", "rgba", "grey16"):
        path = tmp_path / f"{name}.ncr"
        path.write_bytes(nacre.encode(pictures[name], lossless=True))
        with PIL.Image.open(path) as opened:
            assert opened.format == "NCR"
            assert np.array_equal(np.asarray(opened), np.squeeze(pictures[name]))
    again = tmp_path / "again.ncr"
    PIL.Image.fromarray(pictures["rgb"]).save(again, codec="toy", quality=90)
    assert nacre.info(again).codec == "toy"
    damaged = again.read_bytes()[:-1]
    with pytest.raises(nacre.Truncated):
        PIL.Image.open(io.BytesIO(damaged))


def test_pillow_carries_metadata(pictures: Pictures) -> None:
    nacre.register_pillow()
    image = nacre.Image(pictures["rgb"], nacre.Metadata(icc=b"profile", tags=(("Title", "x"),)))
    with PIL.Image.open(io.BytesIO(nacre.encode(image, lossless=True))) as opened:
        assert opened.info["icc_profile"] == b"profile"
        assert opened.info["Title"] == "x"


def test_an_archive_gives_its_pictures_one_after_another() -> None:
    items = [np.full((4, 6, 1), 40 * i, np.uint8) for i in range(5)]
    streams = [Stream.from_bytes(nacre.encode(item, codec="stored")) for item in items]
    data = build_archive(0, streams).to_bytes()
    decoded = list(nacre.Decoder().decode_archive(data))
    assert [image.pixels.tolist() for image in decoded] == [item.tolist() for item in items]
    with pytest.raises(nacre.InputError, match="decode_archive"):
        nacre.decode(data)
    with pytest.raises(nacre.FormatError):
        list(nacre.Decoder().decode_archive(data[:-1]))
