"""Pictures come in from everything that holds one, go out again, and bad input is named."""

from __future__ import annotations

import io
import subprocess
import sys
import zlib
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import PIL.Image
import PIL.PngImagePlugin
import pytest
from pictures import file_bytes, noise

from nacre.errors import InputError, LimitExceeded
from nacre.limits import Limits
from nacre.media.image import Image, load_image
from nacre.stream import ImageShape, Section, SectionKind, Stream

ROOT = Path(__file__).resolve().parents[2]


def test_every_kind_of_source(tmp_path: Path) -> None:
    pixels = noise(5, 7, 3)
    picture = PIL.Image.fromarray(pixels)
    data = file_bytes(picture)
    path = tmp_path / "photo.png"
    path.write_bytes(data)
    sources = [path, str(path), data, bytearray(data), memoryview(data), io.BytesIO(data),
               picture, pixels, Image(pixels)]  # fmt: skip
    for source in sources:
        image = load_image(source)
        assert np.array_equal(image.pixels, pixels)
        assert image.shape == ImageShape(7, 5, 3, 8)
    with path.open("rb") as file:
        assert np.array_equal(load_image(file).pixels, pixels)


def test_tensors() -> None:
    torch = pytest.importorskip("torch")
    pixels = noise(4, 6, 3)
    tensor = torch.from_numpy(pixels).permute(2, 0, 1)
    for source in (tensor, tensor.float() / 255, (tensor / 255).requires_grad_()):
        assert np.array_equal(load_image(source).pixels, pixels)
    coarse = torch.tensor([[0.0, 0.5, 1.0]], dtype=torch.bfloat16)
    assert load_image(coarse).pixels.ravel().tolist() == [0, 128, 255]
    back = load_image(tensor).torch()
    assert back.dtype == torch.uint8
    assert torch.equal(back, tensor)
    wide = load_image(noise(3, 3, 1, np.uint16))
    assert torch.equal(load_image(wide.torch()).torch(), wide.torch())
    with pytest.raises(InputError, match="one picture at a time"):
        load_image(tensor[None])
    with pytest.raises(InputError, match="channels come first"):
        load_image(tensor.permute(1, 2, 0)[:, :5].repeat(2, 1, 1))


def test_arrays() -> None:
    grey = noise(4, 6, 1)
    assert np.array_equal(load_image(grey[:, :, 0]).pixels, grey)
    wide = noise(4, 6, 4, np.uint16)
    assert load_image(wide).depth == 16
    assert np.array_equal(load_image(wide.astype(">u2")).pixels, wide)
    rgb = noise(4, 6, 3)
    assert np.array_equal(load_image(rgb / 255).pixels, rgb)
    assert np.array_equal(load_image((rgb / 255).astype(np.float32)).pixels, rgb)


@pytest.mark.parametrize(
    ("array", "words"),
    [
        (np.zeros((3, 8, 9), np.uint8), "channels come last"),
        (np.zeros((2, 8, 9, 3), np.uint8), "[H, W, C]"),
        (np.zeros((8, 9), np.int64), "int64"),
        (np.zeros((8, 9), np.uint32), "uint32"),
        (np.zeros((8, 9), bool), "bool"),
        (np.full((8, 9), 255.0), "0 to 1"),
        (np.full((8, 9), -0.1), "0 to 1"),
        (np.array([[0.5, np.nan]]), "NaN"),
        (np.full((2, 2), np.inf), "infinity"),
        (np.zeros((0, 9), np.uint8), "no pixels"),
    ],
    ids=str,
)
def test_arrays_that_are_no_pictures(array: npt.NDArray[Any], words: str) -> None:
    with pytest.raises(InputError) as caught:
        load_image(array)
    assert words in str(caught.value)


@pytest.mark.parametrize(
    ("mode", "channels"),
    [("1", 1), ("L", 1), ("LA", 2), ("P", 3), ("PA", 4), ("RGB", 3), ("RGBA", 4), ("RGBX", 3),
     ("CMYK", 3), ("YCbCr", 3), ("HSV", 3), ("La", 2), ("RGBa", 4)],
)  # fmt: skip
def test_modes_of_pillow(mode: str, channels: int) -> None:
    base = PIL.Image.fromarray(noise(6, 5, 4))
    if mode in ("La", "PA"):
        picture = base.convert("LA").convert(mode)
    elif mode == "RGBa":
        picture = base.convert(mode)
    else:
        picture = base.convert("RGB").convert(mode)
    image = load_image(picture)
    assert image.channels == channels
    target = {1: "L", 2: "LA", 3: "RGB", 4: "RGBA"}[channels]
    expected = np.asarray(picture.convert(target)).reshape(6, 5, channels)
    assert np.array_equal(image.pixels, expected)
    assert bool(image.notes) == (mode == "CMYK")


def test_sixteen_bit_grey_is_kept() -> None:
    pixels = noise(6, 5, 1, np.uint16)
    data = file_bytes(PIL.Image.fromarray(pixels[:, :, 0]))
    image = load_image(data)
    assert image.depth == 16
    assert np.array_equal(image.pixels, pixels)
    assert image.notes == ()
    tiff = file_bytes(PIL.Image.fromarray(pixels[:, :, 0]), "TIFF")
    assert np.array_equal(load_image(tiff).pixels, pixels)


def test_32_bit_samples_are_kept_where_they_fit() -> None:
    small = PIL.Image.fromarray(np.array([[0, 65535]], np.int32))
    assert load_image(small).pixels.ravel().tolist() == [0, 65535]
    with pytest.raises(InputError, match="0 to 65536"):
        load_image(PIL.Image.fromarray(np.array([[0, 65536]], np.int32)))
    with pytest.raises(InputError, match="mode F"):
        load_image(PIL.Image.fromarray(np.zeros((2, 2), np.float32)))


def png16_rgb(width: int, height: int, rows: bytes) -> bytes:
    """A 16-bit RGB PNG, which Pillow can read but not write."""

    def chunk(name: bytes, body: bytes) -> bytes:
        crc = zlib.crc32(name + body).to_bytes(4, "big")
        return len(body).to_bytes(4, "big") + name + body + crc

    header = width.to_bytes(4, "big") + height.to_bytes(4, "big") + bytes([16, 2, 0, 0, 0])
    body = chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(rows)) + chunk(b"IEND", b"")
    return b"\x89PNG\r\n\x1a\n" + body


def test_sixteen_bit_colour_is_reduced_and_said_to_be() -> None:
    pixels = noise(6, 5, 3, np.uint16)
    rows = b"".join(b"\0" + row.astype(">u2").tobytes() for row in pixels)
    image = load_image(png16_rgb(5, 6, rows))
    assert image.depth == 8
    assert np.array_equal(image.pixels, pixels >> 8)
    assert image.notes == ("16-bit colour was reduced to 8 bits",)


def test_transparency_of_palettes_and_colour_keys() -> None:
    palette = PIL.Image.fromarray(noise(6, 5, 3)).quantize(16)
    keyed = load_image(file_bytes(palette, transparency=3))
    assert keyed.channels == 4
    assert set(np.unique(keyed.pixels[..., 3])) <= {0, 255}
    rgb = PIL.Image.new("RGB", (3, 3), (1, 2, 3))
    assert load_image(file_bytes(rgb, transparency=(1, 2, 3))).pixels[..., 3].max() == 0
    grey = PIL.Image.new("L", (3, 3), 9)
    assert load_image(file_bytes(grey, transparency=9)).channels == 2


def test_only_the_first_picture_is_taken_and_said_to_be() -> None:
    frames = [PIL.Image.new("RGB", (4, 4), (i * 60, 0, 0)) for i in range(3)]
    data = file_bytes(frames[0], "GIF", save_all=True, append_images=frames[1:])
    assert load_image(data).notes == ("only the first of 3 pictures is taken",)


def test_cmyk_profiles_are_left_out() -> None:
    data = file_bytes(PIL.Image.new("CMYK", (8, 8)), "JPEG", icc_profile=b"of inks")
    image = load_image(data)
    assert image.metadata.icc is None
    assert "CMYK" in image.notes[0]


@pytest.fixture
def png() -> bytes:
    return file_bytes(PIL.Image.fromarray(noise(64, 64, 3)))


def test_files_that_are_no_pictures(tmp_path: Path, png: bytes) -> None:
    stream = Stream(0, None, ImageShape(1, 1), (Section(SectionKind.PAYLOAD, b""),)).to_bytes()
    cases = {
        "empty.png": (b"", "is empty"),
        "text.png": (b"hello, world", "not a picture"),
        "sound.png": (b"RIFF\0\0\0\0WAVEfmt ", "a WAV recording"),
        "stream.png": (stream, "nacre decode"),
        "cut.png": (png[: len(png) // 2], "cut short"),
        "cut-header.png": (png[:20], "cut short"),
        "damaged.png": (png[:60] + b"\0" * 40 + png[100:], "damaged"),
        "cut.jpg": (
            file_bytes(PIL.Image.fromarray(noise(64, 64, 3)), "JPEG")[:900],
            "cut short",
        ),
    }
    for name, (data, words) in cases.items():
        path = tmp_path / name
        path.write_bytes(data)
        for source in (path, data):
            with pytest.raises(InputError, match=words) as caught:
                load_image(source)
            assert "\n" not in str(caught.value)
        with pytest.raises(InputError, match=name):
            load_image(path)
    with pytest.raises(InputError, match="no such file"):
        load_image(tmp_path / "missing.png")
    with pytest.raises(InputError, match="is a folder"):
        load_image(tmp_path)
    with pytest.raises(InputError, match="NoneType"):
        load_image(None)  # type: ignore[arg-type]


def test_every_truncation_of_a_png_is_one_clear_error(png: bytes) -> None:
    for length in range(1, len(png) - 12, 97):
        with pytest.raises(InputError):
            load_image(png[:length])


def test_bombs_are_refused_before_decoding() -> None:
    with pytest.raises(LimitExceeded, match="100000 x 100000"):
        load_image(png16_rgb(100_000, 100_000, b""))
    for source in (noise(8, 8, 3), PIL.Image.new("L", (8, 8)), Image(noise(8, 8, 1))):
        with pytest.raises(LimitExceeded, match="8 x 8"):
            load_image(source, limits=Limits(pixels=63))


def test_pillows_own_limit_is_not_in_the_way(png: bytes, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(PIL.Image, "MAX_IMAGE_PIXELS", 100)
    with pytest.raises(PIL.Image.DecompressionBombError):
        PIL.Image.open(io.BytesIO(png))
    assert load_image(png).width == 64
    assert PIL.Image.MAX_IMAGE_PIXELS == 100


def test_text_bombs_are_refused() -> None:
    chunks = PIL.PngImagePlugin.PngInfo()
    chunks.add_text("bomb", "x" * (1 << 22), zip=True)
    with pytest.raises(LimitExceeded, match="text"):
        load_image(file_bytes(PIL.Image.new("L", (2, 2)), pnginfo=chunks))


@pytest.mark.parametrize("channels", [1, 2, 3, 4])
@pytest.mark.parametrize("kind", ["png", "tiff", "webp", "jp2"])
def test_exact_kinds_of_file(tmp_path: Path, kind: str, channels: int) -> None:
    pixels = noise(20, 30, channels)
    path = tmp_path / f"photo.{kind}"
    Image(pixels).save(path)
    loaded = load_image(path).pixels
    if kind == "webp" and channels < 3:  # has no grey
        loaded = loaded[:, :, [0] if channels == 1 else [0, 3]]
    assert np.array_equal(loaded, pixels)


def test_sixteen_bits_out(tmp_path: Path) -> None:
    pixels = noise(20, 30, 1, np.uint16)
    Image(pixels).save(tmp_path / "grey.png")
    assert np.array_equal(load_image(tmp_path / "grey.png").pixels, pixels)
    assert Image(pixels).pil().mode == "I;16"
    for channels in (2, 3, 4):
        with pytest.raises(InputError, match="16-bit samples"):
            Image(noise(2, 2, channels, np.uint16)).save(tmp_path / "colour.png")


def test_what_a_kind_of_file_cannot_hold(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="JPEG cannot hold"):
        Image(noise(4, 4, 4)).save(tmp_path / "alpha.jpg")
    for name in ("photo", "photo.xyz", "photo.mp3"):
        with pytest.raises(InputError, match="extension"):
            Image(noise(4, 4, 3)).save(tmp_path / name)
    with pytest.raises(InputError, match="nacre encode"):
        Image(noise(4, 4, 3)).save(tmp_path / "photo.ncr")
    assert list(tmp_path.iterdir()) == []


def test_views() -> None:
    pixels = noise(4, 6, 4)
    image = Image(pixels)
    assert image.numpy() is pixels
    assert np.array_equal(np.asarray(image.pil()), pixels)
    with pytest.raises(InputError, match="float32"):
        Image(pixels.astype(np.float32))  # type: ignore[arg-type]
    with pytest.raises(InputError, match="shape"):
        Image(pixels[0])


def test_existing_files_are_kept_unless_forced(tmp_path: Path) -> None:
    path = tmp_path / "photo.png"
    path.write_bytes(b"precious")
    with pytest.raises(InputError, match="--force"):
        Image(noise(4, 4, 3)).save(path)
    assert path.read_bytes() == b"precious"
    Image(noise(4, 4, 3)).save(path, force=True)
    assert load_image(path).width == 4
    assert [p.name for p in tmp_path.iterdir()] == ["photo.png"]


def test_pictures_are_read_without_torch() -> None:
    code = "import sys, nacre.media.image; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], cwd=ROOT, check=False).returncode == 0
