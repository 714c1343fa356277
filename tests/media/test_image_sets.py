"""Sets of pictures come back from every kind of source as they went in."""

from __future__ import annotations

import gzip
import io
from pathlib import Path
from typing import Any

import numpy as np
import PIL.Image
import pytest
import torch

from nacre.errors import InputError, LimitExceeded
from nacre.limits import Limits
from nacre.media.array_files import is_array_file, to_idx
from nacre.media.image_sets import ImageSet, is_image_set, load_image_set
from nacre.stream import ImageShape

RNG = np.random.default_rng(5)
GREY = RNG.integers(0, 256, (6, 7, 9), np.uint8)
RGB = RNG.integers(0, 256, (4, 5, 6, 3), np.uint8)
DEEP = RNG.integers(0, 65536, (3, 8, 6), np.uint16)
BLACK_AND_WHITE = RNG.integers(0, 2, (5, 6, 11)).astype(bool)


@pytest.mark.parametrize("array", [GREY, RGB, DEEP, BLACK_AND_WHITE, GREY[..., None]])
@pytest.mark.parametrize("name", ["set.npy", "set.npz"])
def test_arrays_come_back_from_array_files(array: Any, name: str, tmp_path: Path) -> None:
    load_image_set(array).save(tmp_path / name)
    back = load_image_set(tmp_path / name).numpy()
    assert (back.dtype, back.shape) == (array.dtype, array.shape)
    assert np.array_equal(back, array)
    assert np.array_equal(load_image_set((tmp_path / name).read_bytes()).numpy(), array)


@pytest.mark.parametrize("name", ["set.idx", "set.idx.gz", "train-images-idx3-ubyte.gz"])
def test_idx_is_the_format_of_mnist(name: str, tmp_path: Path) -> None:
    load_image_set(GREY).save(tmp_path / name)
    data = (tmp_path / name).read_bytes()
    plain = gzip.decompress(data) if name.endswith("gz") else data
    assert plain[:4].hex() == "00000803"
    assert np.frombuffer(plain[4:16], ">u4").tolist() == [6, 7, 9]
    assert plain[16:] == GREY.tobytes()
    assert np.array_equal(load_image_set(io.BytesIO(data)).numpy(), GREY)
    assert is_image_set(tmp_path / name)
    with pytest.raises(InputError, match="16 bits"):
        load_image_set(DEEP).save(tmp_path / "deep.idx")


def test_mnist_itself(shared_data: Path) -> None:
    images = load_image_set(shared_data / "mnist" / "t10k-images-idx3-ubyte.gz")
    assert (len(images), images.shape) == (10_000, ImageShape(28, 28, 1, 8))
    assert images.numpy()[0].sum() == 18_454
    with pytest.raises(InputError, match="is expected"):
        load_image_set(shared_data / "mnist" / "t10k-labels-idx1-ubyte.gz")


@pytest.mark.parametrize("array", [GREY, RGB, DEEP, BLACK_AND_WHITE])
def test_a_folder_of_pictures_there_and_back(array: Any, tmp_path: Path) -> None:
    load_image_set(array).save(tmp_path / "set")
    names = sorted(path.name for path in (tmp_path / "set").iterdir())
    assert names == [f"{i}.png" for i in range(len(array))]
    images = load_image_set(tmp_path / "set")
    wanted = array * np.uint8(255) if array.dtype == bool else array
    assert np.array_equal(images.numpy(), wanted)
    assert images.names == tuple(names)
    assert images.notes == ()
    assert images.bilevel == (array.dtype == bool)
    images.save(tmp_path / "again")
    assert np.array_equal(load_image_set(tmp_path / "again").numpy(), wanted)


def test_folders_are_read_in_the_order_of_names_and_hidden_files_left_out(tmp_path: Path) -> None:
    for level, name in enumerate(("b/2.png", "a.png", ".hidden.png", "b/1.png", "c.txt")):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        PIL.Image.new("L", (4, 6), level).save(tmp_path / name, "PNG")
    images = load_image_set(tmp_path)
    assert images.names == ("a.png", "b/1.png", "b/2.png")
    assert images.numpy()[:, 0, 0].tolist() == [1, 3, 0]
    images.save(tmp_path / "out")
    assert (tmp_path / "out" / "b" / "1.png").is_file()


def test_metadata_is_said_to_be_left_out_and_its_orientation_applied(tmp_path: Path) -> None:
    exif = PIL.Image.Exif()
    exif[0x0112] = 6
    PIL.Image.fromarray(RGB[0]).save(tmp_path / "a.png", exif=exif)
    images = load_image_set(tmp_path)
    assert images.notes == ("1 pictures have metadata, which a set does not keep",)
    assert np.array_equal(images.pixels[0], np.rot90(RGB[0], -1))


def test_the_first_picture_that_differs_is_named(tmp_path: Path) -> None:
    for name, mode, size in (("a", "L", (8, 6)), ("b", "L", (8, 6)), ("c", "RGB", (8, 6))):
        PIL.Image.new(mode, size).save(tmp_path / f"{name}.png")
    with pytest.raises(InputError, match=r"c\.png is 8 x 6, RGB of 8 bits, but .*a\.png is 8 x 6"):
        load_image_set(tmp_path)
    PIL.Image.new("L", (9, 6)).save(tmp_path / "b.png")
    with pytest.raises(InputError, match=r"b\.png is 9 x 6"):
        load_image_set(tmp_path)


def test_tensors_have_channels_first() -> None:
    assert np.array_equal(load_image_set(torch.from_numpy(RGB).movedim(-1, 1)).numpy(), RGB)
    assert np.array_equal(load_image_set(torch.from_numpy(GREY)).numpy(), GREY)
    narrow = torch.zeros(5, 7, 3, dtype=torch.uint8)
    assert load_image_set(narrow).numpy().shape == (5, 7, 3)
    assert load_image_set(torch.from_numpy(BLACK_AND_WHITE)).numpy().dtype == np.bool_


def test_items_and_strip() -> None:
    images = load_image_set(BLACK_AND_WHITE)
    assert images.shape == ImageShape(11, 6, 1, 1)
    assert np.array_equal(images.item(2).pixels[..., 0], BLACK_AND_WHITE[2] * np.uint8(255))
    assert np.array_equal(images.strip().pixels[6:12, :, 0], BLACK_AND_WHITE[1] * np.uint8(255))
    for index in (-1, 5):
        with pytest.raises(InputError, match="no picture"):
            images.item(index)


@pytest.mark.parametrize(
    ("array", "message"),
    [
        (np.zeros((5, 7, 3), np.uint8), r"taken as one picture \[H, W, C\]"),
        (np.zeros((5, 7), np.uint8), "is expected"),
        (np.zeros((5, 7, 8, 5), np.uint8), "C from 1 to 4"),
        (np.zeros((5, 7, 8)), "float64"),
        (np.zeros((5, 7, 8), np.int16), "int16"),
        (np.zeros((5, 0, 8), np.uint8), "C from 1 to 4"),
        (np.zeros((5, 7, 8, 3), bool), "neither bool"),
    ],
)
def test_arrays_that_are_no_sets(array: Any, message: str) -> None:
    with pytest.raises(InputError, match=message):
        load_image_set(array)


def test_what_is_a_set_for_certain(tmp_path: Path) -> None:
    assert is_image_set(RGB)
    assert is_image_set(torch.zeros(1, 3, 4, 5))
    assert is_image_set(to_idx(GREY))
    PIL.Image.fromarray(GREY[0]).save(tmp_path / "a.png")
    for single in (GREY, RGB[0], tmp_path, tmp_path / "a.png", tmp_path / "none", b"", None):
        assert not is_image_set(single)
    assert not is_array_file(b"\0\0\x0a\x03"), "a TGA picture"


def test_big_endian_arrays_come_back_in_native_order() -> None:
    assert np.array_equal(load_image_set(DEEP.astype(">u2")).numpy(), DEEP)
    assert load_image_set(DEEP.astype(">u2")).numpy().dtype == np.uint16


def test_limits_are_checked_before_memory_is_taken(tmp_path: Path) -> None:
    huge = bytes.fromhex("00000803") + np.array([4000, 60000, 60000], ">u4").tobytes()
    with pytest.raises(LimitExceeded, match="bytes"):
        load_image_set(huge)
    with pytest.raises(InputError, match="cut short: 0 bytes of"):
        load_image_set(huge, limits=Limits.UNLIMITED)
    with pytest.raises(LimitExceeded, match="6 items"):
        load_image_set(GREY, limits=Limits(items=5))
    with pytest.raises(LimitExceeded, match="63 pixels"):
        load_image_set(GREY, limits=Limits(pixels=62))
    load_image_set(GREY).save(tmp_path / "set")
    for few in (Limits(items=5), Limits(pixels=62), Limits(bytes=377)):
        with pytest.raises(LimitExceeded):
            load_image_set(tmp_path / "set", limits=few)


def test_damaged_array_files_are_input_errors(tmp_path: Path) -> None:
    objects = io.BytesIO()
    np.save(objects, np.array([{}], object), allow_pickle=True)
    two = io.BytesIO()
    np.savez(two, a=GREY, b=GREY)
    whole = {}
    for name in ("a.npy", "a.npz", "a.idx", "a.idx.gz"):
        load_image_set(GREY).save(tmp_path / name)
        whole[name] = (tmp_path / name).read_bytes()
    cases = [data[: len(data) // 2] for data in whole.values()]
    cases += [data[:5] for data in whole.values()] + [whole["a.idx"] + b"x"]
    cases += [objects.getvalue(), two.getvalue(), b"\x1f\x8bgarbage", b"PK\x03\x04garbage", b"abc"]
    for data in cases:
        with pytest.raises(InputError):
            load_image_set(data)
    flipped = bytearray(whole["a.npz"])
    flipped[len(flipped) // 2] ^= 255
    with pytest.raises(InputError, match="damaged"):
        load_image_set(bytes(flipped))
    for path in (tmp_path / "none", tmp_path / "text.txt"):
        (tmp_path / "text.txt").write_text("hello")
        with pytest.raises(InputError, match=r"no such file|no set of pictures"):
            load_image_set(path)
    (tmp_path / "empty").mkdir()
    with pytest.raises(InputError, match="no pictures"):
        load_image_set(tmp_path / "empty")


def test_nothing_is_overwritten_without_force(tmp_path: Path) -> None:
    images = load_image_set(GREY)
    for name in ("set", "set.npy", "set.npz", "set.idx"):
        images.save(tmp_path / name)
        with pytest.raises(InputError, match="exists"):
            images.save(tmp_path / name)
        images.save(tmp_path / name, force=True)
    for name in ("a.png", "a.ncr", "a.tar"):
        with pytest.raises(InputError, match="a set of pictures is written as"):
            images.save(tmp_path / name)


@pytest.mark.parametrize(
    "names",
    [
        ("../a.png", "b.png"),
        ("/etc/a.png", "b.png"),
        ("a/../../b.png", "c.png"),
        (".hidden.png", "b.png"),
        ("a.png", "A.jpg"),
        ("a\\b.png", "b.png"),
        ("a\0.png", "b.png"),
        ("", "b.png"),
    ],
)
def test_names_that_would_lead_out_of_the_folder_become_numbers(
    names: tuple[str, ...], tmp_path: Path
) -> None:
    ImageSet(GREY[:2, ..., None], names=names).save(tmp_path / "in" / "set")
    found = sorted(str(p.relative_to(tmp_path)) for p in tmp_path.rglob("*") if p.is_file())
    assert found == ["in/set/0.png", "in/set/1.png"]
