"""Codec 7 gives back what went in: sets of every layout, single items, single pictures."""

from __future__ import annotations

import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import PIL.Image
import pytest
from circuit_files import BILEVEL, DEEP, GREY, RGB, drawn, write_circuit

import nacre
from nacre import models
from nacre.codecs.base import SetCodec
from nacre.codecs.circuit_image import CircuitImage, CircuitImageSettings
from nacre.errors import FormatError, InputError, LimitExceeded, ModelError, NacreError
from nacre.media.image_sets import ImageSet
from nacre.stream import Archive, ImageShape, Section, SectionKind, Stream

LAYOUTS = {"grey": GREY, "rgb": RGB, "deep": DEEP, "bilevel": BILEVEL}
SEEDS = {"grey": 1, "rgb": 2, "deep": 3, "bilevel": 4}


@pytest.fixture(scope="module")
def circuits(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    folder = tmp_path_factory.mktemp("circuits")
    return {
        name: write_circuit(folder, name, shape, seed=SEEDS[name])
        for name, shape in LAYOUTS.items()
    }


@pytest.fixture
def shipped(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty folder of shipped models."""
    folder = tmp_path / "weights"
    folder.mkdir()
    monkeypatch.setattr(models, "SHIPPED", folder)
    return folder


def encode(pictures: Any, model: Path, **settings: Any) -> bytes:
    return nacre.encode(pictures, codec="circuit-image", model=model, **settings)


def same(decoded: Any, expected: npt.NDArray[Any]) -> bool:
    kind = (decoded.dtype, decoded.shape) == (expected.dtype, expected.shape)
    return kind and bool(np.array_equal(decoded, expected))


def test_it_is_a_codec_of_sets() -> None:
    assert isinstance(CircuitImage(), SetCodec)
    assert not isinstance(nacre.registry.load_codec("stored"), SetCodec)
    with pytest.raises(InputError, match="lanes 0"):
        CircuitImageSettings(lanes=0)


@pytest.mark.parametrize("name", LAYOUTS)
@pytest.mark.parametrize("settings", [{}, {"lanes": 3}, {"lanes": 500}, {"embed": True}], ids=str)
def test_arrays_come_back(circuits: dict[str, Path], name: str, settings: dict[str, Any]) -> None:
    count = 8000 if settings.get("embed") else 90  # the tables must be worth their room
    pictures = drawn(LAYOUTS[name], count, seed=SEEDS[name])
    data = encode(pictures, circuits[name], **settings)
    model = None if settings.get("embed") else circuits[name]
    assert same(nacre.decode(data, model=model), pictures)
    info = nacre.info(data)
    assert (info.codec, info.items, info.shape) == ("circuit-image", count, LAYOUTS[name])
    assert info.details["mode"] == "set"
    assert (info.model is None) == bool(settings.get("embed"))
    assert info.bpp == 8 * len(data) / (count * LAYOUTS[name].width * LAYOUTS[name].height)
    decoder = nacre.Decoder(model=model)
    for index in (0, 31, count - 1):
        item = decoder.decode_item(data, index)
        assert np.array_equal(item.pixels, ImageSet(_axes(pictures)).item(index).pixels)
    part = nacre.decode(data, item=31, region=(1, 2, 3, 1), model=model)
    whole = decoder.decode_item(data, 31)
    assert np.array_equal(part.pixels, whole.pixels[2:3, 1:4])
    assert [i.pixels.tolist() for i in decoder.decode_archive(data)][31] == whole.pixels.tolist()
    for index in (-1, count):
        with pytest.raises(InputError, match="no item"):
            decoder.decode_item(data, index)


def _axes(pictures: npt.NDArray[Any]) -> npt.NDArray[Any]:
    return pictures if pictures.ndim == 4 else pictures[..., None]


@pytest.mark.parametrize("count", [0, 1, 2])
def test_sets_of_few(circuits: dict[str, Path], count: int) -> None:
    for settings in ({}, {"lanes": 5}, {"embed": True}):
        pictures = drawn(GREY, 2)[:count]
        data = encode(pictures, circuits["grey"], **settings)
        assert same(nacre.decode(data, model=circuits["grey"]), pictures)
        assert nacre.verify(data, original=pictures, model=circuits["grey"]).equal


def test_the_last_axis_comes_back_if_it_was_there(circuits: dict[str, Path]) -> None:
    pictures = drawn(GREY, 5)[..., None]
    assert same(nacre.decode(encode(pictures, circuits["grey"]), model=circuits["grey"]), pictures)


def test_black_and_white_in_whole_bytes(circuits: dict[str, Path]) -> None:
    pictures = drawn(BILEVEL, 40, seed=4) * np.uint8(255)
    data = encode(pictures, circuits["bilevel"])
    assert nacre.info(data).shape.depth == 1
    assert same(nacre.decode(data, model=circuits["bilevel"]), pictures)
    with pytest.raises(InputError, match="but the model is for"):
        encode(pictures // 2, circuits["bilevel"])
    with pytest.raises(InputError, match="but the model is for"):
        encode(drawn(BILEVEL, 3, seed=4)[:, :5, :6], circuits["grey"])


def test_an_item_needs_no_other_lane(circuits: dict[str, Path]) -> None:
    pictures = drawn(GREY, 60)
    data = bytearray(encode(pictures, circuits["grey"], lanes=6))
    archive = Archive.from_bytes(bytes(data))
    assert archive.lanes is not None
    payload = next(e for e in archive.header.sections if e.kind == SectionKind.PAYLOAD)
    first, second = (payload.offset + archive.lanes.offsets[lane] for lane in (2, 3))
    data[payload.offset + 2 : first] = bytes(first - payload.offset - 2)
    data[second : payload.offset + payload.length] = bytes(payload.offset + payload.length - second)
    for index in range(20, 30):
        item = nacre.decode(bytes(data), item=index, model=circuits["grey"])
        assert np.array_equal(item.pixels[..., 0], pictures[index])
    with pytest.raises(nacre.ChecksumMismatch):
        nacre.decode(bytes(data), model=circuits["grey"])


@pytest.mark.parametrize("name", LAYOUTS)
@pytest.mark.parametrize("count", [1, 70])
def test_noise_is_stored(circuits: dict[str, Path], name: str, count: int) -> None:
    shape = LAYOUTS[name]
    size = (count, shape.height, shape.width, shape.channels)
    rng = np.random.default_rng(count)
    kind = {1: np.uint8, 8: np.uint8, 16: np.uint16}[shape.depth]
    pictures: Any = rng.integers(0, 1 << shape.depth, size, kind)
    pictures = pictures != 0 if shape.depth == 1 else pictures
    data = encode(pictures, circuits[name], embed=shape.depth == 1)
    info = nacre.info(data)
    assert (info.details["mode"], info.model) == ("stored", None)
    row = -(-shape.width // 8) if shape.depth == 1 else pictures[0, 0].nbytes
    assert len(data) <= count * shape.height * row + 40
    assert same(nacre.decode(data), pictures)
    item = nacre.decode(data, item=count - 1)
    assert np.array_equal(item.pixels, ImageSet(pictures).item(count - 1).pixels)


def test_single_pictures_and_their_metadata(circuits: dict[str, Path]) -> None:
    pixels = drawn(RGB, 1, seed=2)[0]
    image = nacre.Image(pixels, nacre.Metadata(tags=(("Title", "digit"),)))
    for settings in ({}, {"embed": True}):
        back = nacre.decode(encode(image, circuits["rgb"], **settings), model=circuits["rgb"])
        assert np.array_equal(back.pixels, pixels)
        assert back.metadata == image.metadata
    data = encode(pixels, circuits["rgb"])
    assert nacre.info(data).items is None
    part = nacre.decode(data, region=(1, 0, 2, 2), model=circuits["rgb"])
    assert np.array_equal(part.pixels, pixels[:2, 1:3])
    noise = np.random.default_rng(0).integers(0, 256, pixels.shape, np.uint8)
    assert nacre.info(encode(noise, circuits["rgb"])).details["mode"] == "stored"
    assert np.array_equal(nacre.decode(encode(noise, circuits["rgb"])).pixels, noise)
    black = drawn(BILEVEL, 1, seed=4)[0] * np.uint8(255)
    back = nacre.decode(encode(black, circuits["bilevel"]), model=circuits["bilevel"])
    assert np.array_equal(back.pixels[..., 0], black)


def test_folders_keep_the_names(circuits: dict[str, Path], tmp_path: Path) -> None:
    pictures = drawn(GREY, 3)
    for name, picture in zip(("c", "a", "b"), pictures, strict=True):
        PIL.Image.fromarray(picture).save(tmp_path / f"{name}.png")
    data = encode(tmp_path, circuits["grey"])
    assert same(nacre.decode(data, model=circuits["grey"]), pictures[[1, 2, 0]])
    decoder = nacre.Decoder(model=circuits["grey"])
    assert decoder.decode_set(data).names == ("a.png", "b.png", "c.png")
    bare = encode(tmp_path, circuits["grey"], strip="tags")
    assert decoder.decode_set(bare).names == ()
    assert nacre.verify(data, original=tmp_path, model=circuits["grey"]).equal
    assert nacre.verify(bare, original=pictures[[1, 2, 0]], model=circuits["grey"]).equal
    report = nacre.verify(data, original=pictures, model=circuits["grey"])
    assert (report.ok, report.equal) == (False, False)
    report = nacre.verify(data, original=pictures[:2], model=circuits["grey"])
    assert (report.ok, report.psnr_db) == (False, None)


def test_the_best_of_the_shipped_models_is_taken(shipped: Path) -> None:
    paths = [write_circuit(shipped, f"m{seed}", GREY, seed=seed) for seed in (1, 7)]
    write_circuit(shipped, "other", RGB)
    for seed, path in zip((1, 7), paths, strict=True):
        pictures = drawn(GREY, 80, seed=seed)
        data = nacre.encode(pictures, codec="circuit-image")
        assert nacre.info(data).model == models.model_id(path).hex()
        assert same(nacre.decode(data), pictures)
        assert nacre.encode(nacre.load_image_set(pictures)) == data, "a set needs no codec's name"
    path = shipped / "elsewhere.npy"
    nacre.load_image_set(pictures).save(path)
    assert nacre.encode(path) == data


def test_single_pictures_take_the_smaller_of_two_codecs(shipped: Path) -> None:
    shape = ImageShape(17, 11, 1, 8)
    write_circuit(shipped, "m", shape)
    picture = drawn(shape, 1)[0]
    data = nacre.encode(picture, lossless=True)
    assert nacre.info(data).codec == "circuit-image"
    assert np.array_equal(nacre.decode(data).pixels[..., 0], picture)
    flat = np.full_like(picture, 7)
    assert nacre.info(nacre.encode(flat, lossless=True)).codec != "circuit-image"


def test_pictures_without_a_model(shipped: Path, circuits: dict[str, Path]) -> None:
    pictures = drawn(GREY, 3)
    for source in (pictures, pictures[0]):
        with pytest.raises(InputError, match=r"6 x 5, .*nacre train circuit-image FOLDER"):
            nacre.encode(source, codec="circuit-image")
    with pytest.raises(InputError, match="but the model is for"):
        encode(pictures, circuits["rgb"])
    with pytest.raises(ModelError, match="not found"):
        nacre.decode(encode(pictures, circuits["grey"]))
    with pytest.raises(InputError, match="no setting 'quality'"):
        nacre.encode(pictures[..., None], quality=50)


def test_models_that_are_none(tmp_path: Path, circuits: dict[str, Path]) -> None:
    from safetensors.numpy import load_file, save_file

    tables = load_file(circuits["grey"])["circuit"]
    sizes = {"codec": "circuit-image", "width": "6", "height": "5", "channels": "1", "depth": "8"}
    cases: list[tuple[npt.NDArray[Any], dict[str, str]]] = [
        (tables, sizes | {"width": "7"}),
        (tables, sizes | {"depth": "9"}),
        (tables, {"codec": "circuit-image"}),
        (tables[: len(tables) // 2], sizes),
        (tables.astype(np.int16), sizes),
    ]
    for number, (array, header) in enumerate(cases):
        path = tmp_path / f"{number}.safetensors"
        save_file({"circuit": array}, path, header)
        with pytest.raises(ModelError, match=path.name):
            encode(drawn(GREY, 2), path)


def changed(data: bytes, **parts: Any) -> bytes:
    return replace(Stream.from_bytes(data), **parts).to_bytes()


def test_streams_that_are_wrong_are_refused(circuits: dict[str, Path]) -> None:
    grey = circuits["grey"]
    data = encode(drawn(GREY, 20), grey, lanes=2)
    stream = Stream.from_bytes(data)
    single = Stream.from_bytes(encode(drawn(GREY, 1)[0], grey))
    payload = stream.payload

    def with_payload(body: bytes) -> bytes:
        sections = (stream.sections[0], Section(SectionKind.PAYLOAD, body))
        return changed(data, sections=sections)

    embedded = Stream.from_bytes(encode(drawn(GREY, 8000), grey, embed=True, lanes=2))
    assert embedded.find(SectionKind.MODEL)
    cases = [
        with_payload(b"\x02" + payload[1:]),
        with_payload(b"\x09" + payload[1:]),
        with_payload(payload[:1] + b"\x02" + payload[2:]),
        with_payload(b"\x00" + payload[1:]),
        changed(data, model=None),
        changed(data, shape=ImageShape(6, 5, 3, 8)),
        changed(data, shape=ImageShape(5, 6, 1, 8)),
        changed(single.to_bytes(), sections=(Section(SectionKind.PAYLOAD, b""),)),
        changed(embedded.to_bytes(), model=stream.model),
        changed(
            embedded.to_bytes(),
            sections=tuple(
                replace(s, data=s.data[:40]) if s.kind == SectionKind.MODEL else s
                for s in embedded.sections
            ),
        ),
    ]
    for number, bad in enumerate(cases):
        with pytest.raises(FormatError):
            nacre.decode(bad, model=grey if nacre.info(bad).model else None)
        if nacre.info(bad).items is not None and number not in (6,):
            with pytest.raises(FormatError):
                nacre.decode(bad, item=13, model=grey if nacre.info(bad).model else None)


def test_damage_raises_nothing_but_nacres_errors(circuits: dict[str, Path]) -> None:
    rng = np.random.default_rng(9)
    for settings in ({"lanes": 2}, {"embed": True}):
        count = 20 if "lanes" in settings else 8000
        stream = Stream.from_bytes(encode(drawn(GREY, count), circuits["grey"], **settings))
        for _ in range(60):
            sections = list(stream.sections)
            chosen = rng.integers(len(sections))
            body = bytearray(sections[chosen].data)
            body[rng.integers(len(body))] ^= 1 << int(rng.integers(8))
            sections[chosen] = replace(sections[chosen], data=bytes(body))
            bad = replace(stream, sections=tuple(sections)).to_bytes()
            for item in (None, 11):
                try:
                    nacre.decode(bad, item=item, model=circuits["grey"])
                except NacreError:
                    continue


def test_limits_hold_for_all_items_together(circuits: dict[str, Path]) -> None:
    data = encode(drawn(GREY, 50), circuits["grey"])
    for limits in (nacre.Limits(bytes=1499), nacre.Limits(items=49), nacre.Limits(pixels=29)):
        with pytest.raises(LimitExceeded):
            nacre.decode(data, model=circuits["grey"], limits=limits)
    many = changed(data, items=(1 << 24) - 1)
    with pytest.raises(NacreError):
        nacre.decode(many, model=circuits["grey"])


def test_no_torch(circuits: dict[str, Path], tmp_path: Path) -> None:
    np.save(tmp_path / "set.npy", drawn(GREY, 5))
    script = f"""
import sys
from nacre.cli import run
model = ["--model", {str(circuits["grey"])!r}]
assert run(["encode", "set.npy", *model, "--verify"]) == 0
assert run(["decode", "set.npy.ncr", "-o", "out", *model]) == 0
assert run(["info", "set.npy.ncr"]) == 0
import nacre
assert (nacre.Circuit.load(model[1]).likelihood("set.npy") < 0).all()
assert "torch" not in sys.modules
"""
    result = subprocess.run(
        [sys.executable, "-c", script], cwd=tmp_path, capture_output=True, text=True, check=False
    )
    assert result.returncode == 0, result.stderr
    assert (tmp_path / "out" / "4.png").is_file()
