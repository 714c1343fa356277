"""Mode photo of codec 7: single pictures of layouts that no circuit has."""

from __future__ import annotations

import shutil
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from circuit_files import GREY, drawn, write_circuit

import nacre
from nacre import models
from nacre.entropy.pyramid import encode_pyramid
from nacre.errors import FormatError, InputError, ModelError, NacreError
from nacre.stream import ImageShape, Section, SectionKind, Stream

NAME = "circuit-photo"


def photo(height: int, width: int, channels: int = 3, seed: int = 0) -> Any:
    rng = np.random.default_rng(seed)
    y, x = np.mgrid[:height, :width]
    base = 120 + 60 * np.sin(y / 17)[..., None] * np.cos(x / 23)[..., None] * [1, 0.9, 0.8]
    pixels = np.clip(np.rint(base + rng.normal(0, 2, base.shape)), 0, 255).astype(np.uint8)
    colours = pixels[..., : channels // 3 * 2 + 1]
    alpha = (255 * (y[..., None] > x[..., None])).astype(np.uint8)
    return colours if channels % 2 else np.concatenate([colours, alpha], axis=2)


def encode(picture: Any, **settings: Any) -> bytes:
    return nacre.encode(picture, codec="circuit-image", **settings)


@pytest.mark.parametrize("channels", [1, 2, 3, 4])
def test_photos_come_back_with_their_metadata(channels: int) -> None:
    pixels = photo(61, 83, channels)
    image = nacre.Image(pixels, nacre.Metadata(tags=(("Title", "rings"),)))
    data = encode(image)
    info = nacre.info(data)
    assert info.details["mode"] == "photo"
    assert (info.model, info.items) == (models.find_model(NAME).id, None)
    back = nacre.decode(data)
    assert np.array_equal(back.pixels, pixels)
    assert back.metadata == image.metadata
    part = nacre.decode(data, region=(5, 6, 20, 10))
    assert np.array_equal(part.pixels, pixels[6:16, 5:25])
    assert len(data) < len(nacre.encode(pixels, codec="stored"))
    assert nacre.verify(data, original=image).equal


@pytest.mark.parametrize("height, width", [(1, 1), (1, 40), (50, 1), (2, 9)])
@pytest.mark.parametrize("channels", [1, 2, 3, 4])
def test_the_smallest_pictures_come_back(height: int, width: int, channels: int) -> None:
    pixels = photo(height, width, channels)
    data = encode(pixels)
    assert np.array_equal(nacre.decode(data).pixels, pixels)
    assert len(data) < pixels.size + 40


def test_alpha_goes_with_the_channels() -> None:
    pixels = photo(30, 40, 4)
    stream = Stream.from_bytes(encode(pixels))
    payload, alpha = stream.sections
    assert alpha.kind == SectionKind.ALPHA
    short = Section(SectionKind.ALPHA, alpha.data[:-3])
    cases = [
        (replace(stream, sections=(payload,)), "no ALPHA section"),
        (replace(stream, shape=ImageShape(40, 30, 3, 8)), "an ALPHA section"),
        (replace(stream, sections=(payload, short)), "ALPHA"),
    ]
    for bad, message in cases:
        with pytest.raises(FormatError, match=message):
            nacre.decode(bad.to_bytes())


def test_threads_and_devices_change_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    pixels = photo(70, 90)
    found = set()
    for threads in ("1", "3", "", "2,1"):
        monkeypatch.setenv("OMP_NUM_THREADS", threads)
        found.add(encode(pixels))
        assert np.array_equal(nacre.decode(next(iter(found))).pixels, pixels)
    payload = Stream.from_bytes(next(iter(found))).payload
    assert encode_pyramid(pixels, device="cpu") == payload[1:]
    assert len(found) == 1


def test_a_circuit_that_fits_goes_first(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = tmp_path / "weights"
    folder.mkdir()
    for suffix in (".safetensors", ".json"):
        shutil.copy(models.SHIPPED / (NAME + suffix), folder)
    monkeypatch.setattr(models, "SHIPPED", folder)
    circuit = write_circuit(folder, "grey", GREY)
    picture = drawn(GREY, 1)[0]
    data = encode(picture)
    assert nacre.info(data).model == models.model_id(circuit).hex()
    assert nacre.info(encode(photo(40, 40))).details["mode"] == "photo"
    named = encode(photo(40, 40, 1), model=NAME)
    assert nacre.info(named).details["mode"] == "photo"
    for picture in (photo(40, 40, 1), photo(40, 40)):
        with pytest.raises(InputError, match="but the model is for"):
            encode(picture, model=circuit)


def test_noise_is_stored() -> None:
    noise = np.random.default_rng(0).integers(0, 256, (40, 50, 3), np.uint8)
    data = encode(noise)
    info = nacre.info(data)
    assert (info.details["mode"], info.model) == ("stored", None)
    assert np.array_equal(nacre.decode(data).pixels, noise)


def test_other_pictures_are_refused() -> None:
    for picture in (np.zeros((9, 9, 4), np.uint16), np.zeros((9, 9, 3), np.uint16)):
        with pytest.raises(InputError, match="no circuit for pictures of 9 x 9"):
            encode(picture)
        with pytest.raises(InputError, match="the model is for single photos"):
            encode(picture, model=NAME)
    with pytest.raises(InputError, match="the model is for single photos"):
        encode(np.zeros((3, 9, 9), np.uint8), model=NAME)
    with pytest.raises(InputError, match="leave out embed"):
        encode(photo(20, 20), embed=True)


def test_streams_that_are_wrong_are_refused(tmp_path: Path) -> None:
    pixels = photo(30, 40)
    stream = Stream.from_bytes(encode(pixels))
    body = stream.payload
    circuit = write_circuit(tmp_path, "grey", GREY)
    single = Stream.from_bytes(encode(drawn(GREY, 1)[0], model=circuit))
    own = stream.model

    def with_payload(data: bytes) -> Stream:
        return replace(stream, sections=(Section(SectionKind.PAYLOAD, data),))

    cases = [
        replace(stream, model=None),
        replace(stream, shape=ImageShape(40, 30, 4, 8)),
        replace(stream, shape=ImageShape(40, 30, 3, 16)),
        replace(stream, shape=ImageShape(40, 29, 3, 8)),
        with_payload(body[:1]),
        with_payload(body[:20]),
        with_payload(body + b"\1"),
        with_payload(b"\1" + body[1:]),
        with_payload(b"\3" + body[1:]),
        with_payload(b""),
        replace(single, model=own),
    ]
    for bad in cases:
        with pytest.raises(FormatError):
            nacre.decode(bad.to_bytes())
    with pytest.raises(FormatError, match="names no model of photos"):
        swapped = replace(stream, model=single.model)
        nacre.decode(swapped.to_bytes(), model=circuit)
    with pytest.raises(ModelError, match="not found"):
        nacre.decode(replace(stream, model=b"\0\1\2").to_bytes())


def test_damage_raises_nothing_but_nacres_errors() -> None:
    rng = np.random.default_rng(9)
    pixels = photo(30, 40)
    stream = Stream.from_bytes(encode(pixels))
    for _ in range(60):
        body = bytearray(stream.payload)
        body[rng.integers(len(body))] ^= 1 << int(rng.integers(8))
        bad = replace(stream, sections=(Section(SectionKind.PAYLOAD, bytes(body)),)).to_bytes()
        try:
            assert nacre.decode(bad).pixels.shape == pixels.shape
        except NacreError:
            continue


def test_a_damaged_model_is_named(tmp_path: Path) -> None:
    from safetensors.numpy import load_file, save_file

    arrays = load_file(models.SHIPPED / f"{NAME}.safetensors")
    path = tmp_path / "other.safetensors"
    save_file(
        {**arrays, "decay": arrays["decay"][:3]}, path, {"codec": "circuit-image", "kind": "photo"}
    )
    with pytest.raises(ModelError, match=r"other\.safetensors"):
        encode(photo(20, 20), model=path)


def test_no_torch(tmp_path: Path) -> None:
    np.save(tmp_path / "photo.npy", photo(40, 50))
    script = """
import sys, numpy, nacre
pixels = numpy.load("photo.npy")
data = nacre.encode(pixels, codec="circuit-image")
assert (nacre.decode(data).pixels == pixels).all()
assert "torch" not in sys.modules
"""
    subprocess.run([sys.executable, "-c", script], cwd=tmp_path, check=True)
