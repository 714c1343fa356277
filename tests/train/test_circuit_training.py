"""The recipe of circuit-image: sets of pictures in, a model file and its card out."""

from __future__ import annotations

import itertools
import json
from pathlib import Path

import numpy as np
import numpy.typing as npt
import PIL.Image
import pytest
import torch

import nacre
from nacre.entropy.circuits.learning import Plan, Stage
from nacre.errors import InputError
from nacre.models import find_model
from nacre.stream import ImageShape
from nacre.train.circuit_image import PRESETS, Preset, mover, read_symbols, train_circuit_image
from nacre.train.loop import Progress

QUICK = Preset(Plan((Stage(4, 2), Stage(8, 2, keep=0.75)), batch=32), "a test")


def pictures(count: int, channels: int, depth: int, seed: int = 0) -> npt.NDArray[np.generic]:
    """Discs of two sizes on noisy grounds, ``[count, 8, 9, channels]``."""
    rng = np.random.default_rng(seed)
    y, x = np.mgrid[0:8, 0:9]
    radius = rng.integers(2, 5, (count, 1, 1, 1))
    disc = ((y - 4) ** 2 + (x - 4) ** 2)[None, :, :, None] < radius**2
    if depth == 1:
        return disc.astype(bool)
    noise = rng.normal(0, 3, (count, 8, 9, channels))
    values = (60 + 120 * disc + noise).clip(0, 255)
    return values.astype(np.uint8) if depth == 8 else (values * 256).astype(np.uint16)


@pytest.mark.parametrize(("channels", "depth"), [(1, 1), (1, 8), (3, 8), (1, 16)])
def test_a_model_of_every_kind_of_picture_codes_them(
    channels: int, depth: int, tmp_path: Path
) -> None:
    source = tmp_path / "set.npy"
    pixels = pictures(200, channels, depth)
    np.save(source, pixels)
    reports: list[Progress] = []
    stages: list[str] = []
    model = train_circuit_image(
        [source], tmp_path, QUICK, name="discs", report=reports.append, say=stages.append
    )
    assert model == tmp_path / "discs.safetensors"
    assert [report.step for report in reports] == [1, 2, 3, 4]
    assert len(stages) >= 4
    card = find_model(model, codec="circuit-image")
    assert card.steps == 4
    assert card.data == "200 pictures of 9 x 8 of set.npy"
    figure = card.figures[0]
    assert figure["held_out_items"] == 16
    other = pictures(100, channels, depth, seed=1)
    data = nacre.encode(other, codec="circuit-image", model=str(model))
    decoded = nacre.decode(data, model=str(model))
    assert isinstance(decoded, np.ndarray)
    assert np.array_equal(decoded, other)
    assert 8 * len(data) / other.size < 8 * (2 if depth == 16 else 1)
    with pytest.raises(InputError, match="exists"):
        train_circuit_image([source], tmp_path, QUICK, name="discs")


def test_time_runs_out_and_the_same_call_goes_on(tmp_path: Path) -> None:
    source = tmp_path / "set.npy"
    np.save(source, pictures(120, 1, 8))
    calls = 0
    model = None
    while model is None:
        calls += 1
        model = train_circuit_image([source], tmp_path / "legs", QUICK, minutes=0)
    assert calls == 4
    whole = train_circuit_image([source], tmp_path / "whole", QUICK)
    assert whole is not None
    assert model.read_bytes() == whole.read_bytes()
    cards = [json.loads(path.with_suffix(".json").read_text()) for path in (model, whole)]
    assert cards[0]["figures"] == cards[1]["figures"]


def test_folders_and_several_sources_are_read_as_one_set(tmp_path: Path) -> None:
    pixels = pictures(6, 1, 8)[..., 0]
    folder = tmp_path / "pictures"
    folder.mkdir()
    for number in range(3):
        PIL.Image.fromarray(pixels[number]).save(folder / f"{number}.png")
    np.save(tmp_path / "rest.npy", pixels[3:])
    symbols, shape = read_symbols([folder, tmp_path / "rest.npy"])
    assert shape == ImageShape(9, 8, 1, 8)
    assert np.array_equal(symbols, pixels.reshape(6, -1))


def test_what_cannot_be_learned_from_is_refused(tmp_path: Path) -> None:
    np.save(tmp_path / "grey.npy", pictures(20, 1, 8))
    np.save(tmp_path / "rgb.npy", pictures(20, 3, 8))
    np.save(tmp_path / "large.npy", np.ones((3, 80, 80, 1), np.uint8))
    grey, rgb = tmp_path / "grey.npy", tmp_path / "rgb.npy"
    with pytest.raises(InputError, match="one layout"):
        read_symbols([grey, rgb])
    with pytest.raises(InputError, match="variables"):
        read_symbols([tmp_path / "large.npy"])
    with pytest.raises(InputError, match="no pictures"):
        read_symbols([])
    with pytest.raises(InputError, match="--validation"):
        train_circuit_image([grey], tmp_path, QUICK, validation=[rgb])


def test_presets_double_their_states() -> None:
    assert set(PRESETS) == {"tiny", "small", "full"}
    assert PRESETS["tiny"].plan.stages[0].states == 8
    for preset in PRESETS.values():
        states = [stage.states for stage in preset.plan.stages]
        assert all(b == 2 * a for a, b in itertools.pairwise(states))


@pytest.mark.slow
def test_the_tiny_preset_on_digits(shared_data: Path, tmp_path: Path) -> None:
    source = shared_data / "mnist" / "train-images-idx3-ubyte.gz"
    model = train_circuit_image([source], tmp_path, PRESETS["tiny"])
    assert model is not None
    assert find_model(model).figures[0]["bits_per_dimension"] < 1.40


def test_moved_pictures_are_the_pictures_moved_by_one_pixel() -> None:
    shape = ImageShape(5, 4, 3, 16)
    rng = np.random.default_rng(0)
    symbols = rng.integers(0, 256, (200, 4 * 5 * 3 * 2)).astype(np.uint8)
    draw = torch.Generator().manual_seed(0)
    moved = mover(shape)(torch.from_numpy(symbols), draw).numpy().reshape(200, 4, 5, 6)
    padded = np.pad(symbols.reshape(200, 4, 5, 6), ((0, 0), (1, 1), (1, 1), (0, 0)), mode="edge")
    choices = [
        padded[:, 1 + a : 5 + a, 1 + b : 6 + b] for a, b in ((0, 1), (0, -1), (1, 0), (-1, 0))
    ]
    equal = np.array([(moved == choice).all(axis=(1, 2, 3)) for choice in choices])
    assert equal.any(axis=0).all()
    assert (equal.sum(axis=1) > 25).all()
