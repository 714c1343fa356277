"""The photo codec with the models that ship: any picture in, latents, regions, tiles, targets."""

from __future__ import annotations

import io
from pathlib import Path

import numpy as np
import numpy.typing as npt
import PIL.Image
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

import nacre
from nacre.codecs.walloc_rgb import STRIDE, WallocRGB, WallocRGBSettings
from nacre.entropy.context import ContextCoder
from nacre.errors import FormatError, InputError, ModelError, NacreError
from nacre.media.image import Image
from nacre.media.metadata import Metadata
from nacre.models import find_model
from nacre.registry import load_codec
from nacre.stream import ImageShape, Section, SectionKind, Stream

Pixels = npt.NDArray[np.uint8]


@pytest.fixture(scope="module")
def codec() -> WallocRGB:
    loaded = load_codec("walloc-rgb")
    assert isinstance(loaded, WallocRGB)
    return loaded


@pytest.fixture(scope="module")
def photo(photos: list[Path]) -> Pixels:
    """A corner of a real photo, ``[200, 264, 3]``, neither side a multiple of a tile."""
    with PIL.Image.open(photos[0]) as picture:
        return np.asarray(picture.convert("RGB"))[:200, :264].copy()


def psnr_db(a: npt.NDArray[np.generic], b: npt.NDArray[np.generic]) -> float:
    error = np.square(a.astype(np.float64) - b.astype(np.float64)).mean()
    return float(10 * np.log10(255**2 / max(error, 1e-9)))


def synthetic(height: int, width: int, channels: int) -> Pixels:
    y, x = np.mgrid[:height, :width, :channels][:2]
    waves = 127 + 90 * np.sin(x / 17.0 + y / 29.0) + 20 * np.sin(x * y / 700.0)
    return waves.clip(0, 255).astype(np.uint8)


def test_quality_is_monotone_in_bytes_and_fidelity(photo: Pixels) -> None:
    rows = []
    for quality in (0, 20, 40, 60, 80, 100):
        data = nacre.encode(photo, quality=quality)
        rows.append((len(data), psnr_db(nacre.decode(data).pixels, photo)))
    assert rows == sorted(rows)
    assert rows[-1][1] > 42


def test_more_channels_give_more_fidelity(photo: Pixels) -> None:
    figures = [
        psnr_db(nacre.decode(nacre.encode(photo, quality=70, channels=n)).pixels, photo)
        for n in (12, 48, 192)
    ]
    assert figures == sorted(figures)
    assert figures[0] > 24


@settings(max_examples=25, deadline=None)
@given(st.integers(1, 41), st.integers(1, 41), st.integers(1, 4), st.sampled_from([12, 48, 192]))
def test_any_size_and_kind_comes_back_near(h: int, w: int, channels: int, kept: int) -> None:
    pixels = synthetic(h, w, channels)
    data = nacre.encode(pixels, quality=90, channels=kept)
    decoded = nacre.decode(data).pixels
    assert decoded.shape == pixels.shape
    if channels in (2, 4):
        assert (decoded[..., -1] == pixels[..., -1]).all()
    colours = slice(None) if channels in (1, 3) else slice(-1)
    assert psnr_db(decoded[..., colours], pixels[..., colours]) > (24 if kept == 12 else 30)
    assert nacre.latents(data).shape == (kept, -(-h // STRIDE), -(-w // STRIDE))


def test_sixteen_bits_are_reduced() -> None:
    deep = synthetic(24, 40, 1).astype(np.uint16) * 257
    file = io.BytesIO()
    PIL.Image.fromarray(deep[..., 0]).save(file, "PNG")
    image = nacre.load_image(file.getvalue())
    decoded = nacre.decode(nacre.encode(image, quality=90))
    assert decoded.depth == 8
    assert psnr_db(decoded.pixels, deep // 257) > 35


@pytest.mark.parametrize("size", [(1100, 40), (40, 1100)])
def test_tiles_and_bands_leave_no_seam(codec: WallocRGB, size: tuple[int, int]) -> None:
    pixels = synthetic(*size, 3)
    stream = codec.encode(Image(pixels), WallocRGBSettings(quality=60))
    decoded = codec.decode(stream).pixels
    errors = np.abs(decoded.astype(int) - pixels).max(axis=(1, 2) if size[0] > 1000 else (0, 2))
    border = errors[1024 - 12 : 1024 + 12].max()
    assert border <= errors[:900].max() + 2


@pytest.mark.parametrize(
    "region",
    [(0, 0, 264, 200), (0, 0, 1, 1), (263, 199, 1, 1), (37, 51, 90, 64), (128, 8, 64, 100)],
)
def test_a_region_is_that_part_of_the_whole(
    codec: WallocRGB, photo: Pixels, region: tuple[int, int, int, int]
) -> None:
    stream = codec.encode(Image(photo), WallocRGBSettings(quality=50))
    whole = codec.decode(stream).pixels
    x, y, width, height = region
    part = codec.decode(stream, region=region).pixels
    difference = np.abs(part.astype(int) - whole[y : y + height, x : x + width])
    assert difference.max() <= 1  # a float rounded the other way now and then
    assert (difference > 0).mean() < 0.001


def test_a_region_across_tiles_reads_only_its_tiles(codec: WallocRGB) -> None:
    pixels = synthetic(64, 1100, 3)
    stream = codec.encode(Image(pixels), WallocRGBSettings(quality=60))
    whole = codec.decode(stream).pixels
    for x in (1000, 1023, 1024, 1090):
        part = codec.decode(stream, region=(x, 5, 10, 20)).pixels
        assert np.abs(part.astype(int) - whole[5:25, x : x + 10]).max() <= 1
    # Damage in the second tile does not reach a region of the first.
    _, payload = codec._open(stream)
    for i in range(1, len(payload.segments), 2):
        payload.segments[i] = memoryview(b"")
    far = codec._synthesize(payload, stream.shape, (100, 0, 300, 64))  # type: ignore[arg-type]
    assert np.abs(far.astype(int) - whole[:, 100:400]).max() <= 1


def test_threads_and_repetition_change_no_byte(codec: WallocRGB, photo: Pixels) -> None:
    threads = torch.get_num_threads()
    files = []
    try:
        for count in (1, 2, 1):
            torch.set_num_threads(count)
            files.append(codec.encode(Image(photo), WallocRGBSettings()).to_bytes())
    finally:
        torch.set_num_threads(threads)
    assert files[0] == files[1] == files[2]


def test_latents_are_symbols_times_the_step_and_prefixes_are_prefixes(photo: Pixels) -> None:
    data = nacre.encode(photo, quality=50)
    symbols, latents = nacre.symbols(data), nacre.latents(data)
    assert symbols.dtype == np.int16
    assert latents.dtype == np.float32
    step = 2.0 ** (WallocRGBSettings(quality=50).step_code / 32)
    np.testing.assert_allclose(latents, symbols * step, rtol=1e-6)
    for channels in (3, 12, 48):
        assert (nacre.symbols(data, channels=channels) == symbols[:channels]).all()
    assert np.abs(symbols[:3]).mean() > np.abs(symbols[100:]).mean()
    with pytest.raises(InputError, match="3, 12, 48, 192"):
        nacre.latents(data, channels=13)


def test_latents_are_the_linear_code_of_the_picture(codec: WallocRGB, photo: Pixels) -> None:
    data = nacre.encode(photo, quality=100)
    x = torch.from_numpy(photo).permute(2, 0, 1)[None].float()
    with torch.no_grad():
        exact = codec._analysis(x)[0].numpy()
    step = 2.0 ** (WallocRGBSettings(quality=100).step_code / 32)
    assert np.abs(nacre.latents(data) - exact).max() < 0.7 * step


def test_target_size_bpp_and_psnr_are_met(photo: Pixels) -> None:
    pixels = photo.shape[0] * photo.shape[1]
    assert 0.96 * 6000 < len(nacre.encode(photo, target_size=6000)) <= 6000
    assert abs(8 * len(nacre.encode(photo, target_bpp=1.5)) / pixels / 1.5 - 1) < 0.02
    data = nacre.encode(photo, target_psnr=36)
    assert 36 <= psnr_db(nacre.decode(data).pixels, photo) < 36.4


def test_metadata_travels_with_the_picture(photo: Pixels) -> None:
    metadata = Metadata(icc=b"profile" * 9, xmp=b"<x/>", tags=(("artist", "nobody"),))
    decoded = nacre.decode(nacre.encode(Image(photo[:16, :16], metadata)))
    assert decoded.metadata == metadata


def test_a_decoder_takes_many_small_items(codec: WallocRGB) -> None:
    items = [nacre.encode(synthetic(24, 24, 3) // (i + 1), quality=60) for i in range(6)]
    decoded = nacre.Decoder().decode_batch(items)
    for data, image in zip(items, decoded, strict=True):
        assert (image.pixels == nacre.decode(data).pixels).all()


def test_every_partial_sum_of_the_shipped_models_fits_float32() -> None:
    for name in WallocRGB.models:
        coder: ContextCoder = WallocRGB(model=find_model(name).path)._context
        for net in coder.nets:
            for part in (net.deep, net.shortcut, net.mean):
                assert part is None or all(layer.bound < 1 << 24 for layer in part.bounds)


def test_settings_outside_their_range_are_refused(photo: Pixels) -> None:
    for wrong in ({"quality": 101}, {"quality": -1}, {"channels": 13}):
        with pytest.raises(InputError):
            nacre.encode(photo, **wrong)  # type: ignore[arg-type]
    with pytest.raises(InputError, match="channels 192"):
        nacre.encode(photo, channels=192, model="walloc-rgb-12")


def test_a_stream_of_another_model_is_refused(codec: WallocRGB, photo: Pixels) -> None:
    stream = codec.encode(Image(photo[:8, :8]), WallocRGBSettings())
    other = Stream(stream.codec, b"\0\0\0", stream.shape, stream.sections)
    with pytest.raises(ModelError, match="000000"):
        nacre.decode(other.to_bytes())


def test_alpha_must_be_there_if_and_only_if_the_header_says_so(
    codec: WallocRGB, photo: Pixels
) -> None:
    stream = codec.encode(Image(photo[:8, :8]), WallocRGBSettings())
    stray = Section(SectionKind.ALPHA, b"")
    for sections, shape in (
        ((stray, *stream.sections), stream.shape),
        (stream.sections, ImageShape(8, 8, 4, 8)),
    ):
        with pytest.raises(FormatError, match="ALPHA"):
            codec.decode(Stream(stream.codec, stream.model, shape, sections))


def test_damaged_payloads_behind_good_checksums_raise_nacre_errors(
    codec: WallocRGB, photo: Pixels
) -> None:
    stream = codec.encode(Image(photo[:48, :40]), WallocRGBSettings(quality=40))
    payload = stream.payload
    rng = np.random.default_rng(0)
    for _ in range(120):
        damaged = bytearray(payload)
        for _ in range(int(rng.integers(1, 4))):
            damaged[int(rng.integers(len(damaged)))] = int(rng.integers(256))
        cut = bytes(damaged[: int(rng.integers(1, len(damaged) + 1))])
        sections = tuple(
            type(s)(s.kind, cut) if s.kind == SectionKind.PAYLOAD else s for s in stream.sections
        )
        try:
            image = codec.decode(Stream(stream.codec, stream.model, stream.shape, sections))
            assert image.pixels.shape == (48, 40, 3)
        except NacreError as error:
            assert isinstance(error, FormatError)
