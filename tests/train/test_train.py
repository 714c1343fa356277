"""Training: the loss falls, a stopped run goes on bit for bit, and what is exported works."""

from __future__ import annotations

import json
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import PIL.Image
import pytest
import torch
from safetensors.torch import load_file

import nacre
from nacre.cli import run
from nacre.errors import InputError, ModelError
from nacre.train.context import laplace_bits
from nacre.train.export import laplace_tables
from nacre.train.loop import Plan, Progress, train
from nacre.train.photos import PhotoSet, find_photos, open_photos
from nacre.train.walloc import (
    LAGRANGE,
    PRESETS,
    Preset,
    WallocRecipe,
    klt,
    make_model,
    train_walloc,
)

PLAN = Plan(steps=12, batch=2, side=64, rate=4e-3, warmup=2, average=0.9, seed=3)


@pytest.fixture(scope="module")
def photo_set(photos: list[Path], tmp_path_factory: pytest.TempPathFactory) -> PhotoSet:
    return open_photos(photos, tmp_path_factory.mktemp("cache"))


def recipe(photo_set: PhotoSet, plan: Plan) -> WallocRecipe:
    return WallocRecipe(make_model(photo_set, width=16, blocks=1, seed=plan.seed), photo_set, plan)


def test_every_photo_is_decoded_once_into_the_cache(photos: list[Path], tmp_path: Path) -> None:
    first = open_photos(photos, tmp_path)
    stamp = {path: path.stat().st_mtime_ns for path in tmp_path.iterdir()}
    again = open_photos(photos, tmp_path)
    assert {path: path.stat().st_mtime_ns for path in tmp_path.iterdir()} == stamp
    for index, path in enumerate(find_photos(photos)):
        with PIL.Image.open(path) as picture:
            assert (again.photo(index) == np.asarray(picture.convert("RGB"))).all()
    assert (first.crops(1, 2, 4, 32) == again.crops(1, 2, 4, 32)).all()
    assert (first.crops(1, 2, 4, 32) != again.crops(1, 3, 4, 32)).any()
    train_part, held = first.split(3)
    assert len(train_part) + len(held) == len(first)


def test_the_transform_to_start_from_is_orthonormal_and_ordered(photo_set: PhotoSet) -> None:
    axes, deviation = klt(photo_set)
    torch.testing.assert_close(axes @ axes.T, torch.eye(192), atol=1e-4, rtol=0)
    assert (deviation[:-1] >= deviation[1:]).all()
    assert deviation[0] > 20 * deviation[100]


def test_laplace_bits_are_the_tables_bits() -> None:
    tables = laplace_tables()
    number = 4 * 30 + 2
    frequencies = tables.frequencies_of(number).astype(np.float64)[:-1]
    values = np.arange(len(frequencies)) + tables.minimum[number]
    inner = np.abs(values) <= 6
    scale = -3.184424571137428 + 30 * (8 + 3.184424571137428) / 63
    bits = laplace_bits(
        torch.from_numpy(values.astype(np.float64)),
        torch.zeros(1, dtype=torch.float64),
        torch.full((1,), scale, dtype=torch.float64),
    ).numpy()
    expected = -np.log2(frequencies / 2**24)
    np.testing.assert_allclose(bits[inner], expected[inner], atol=0.01)


def test_the_loss_falls(photo_set: PhotoSet, tmp_path: Path) -> None:
    plan = replace(PLAN, steps=60)
    reports: list[Progress] = []
    job = recipe(photo_set, plan)
    pixels = torch.from_numpy(photo_set.crops(9, 9, 8, 64)).permute(0, 3, 1, 2).float()

    def cost() -> float:
        with torch.no_grad():
            bits, error = job.model(pixels, torch.full((8,), 4.5), 192, None)
        return float((bits + LAGRANGE * error / 2**9).mean())

    before = cost()
    outcome = train(job, plan, tmp_path, device="cpu", report=reports.append, every=15)
    assert outcome is not None
    assert outcome.steps == 60
    assert [report.step for report in reports] == [15, 30, 45, 60]
    assert cost() < 0.95 * before
    assert any(path.name.startswith("events") for path in tmp_path.iterdir())


def test_a_run_in_legs_equals_one_run_bit_for_bit(photo_set: PhotoSet, tmp_path: Path) -> None:
    whole = recipe(photo_set, PLAN)
    train(whole, PLAN, tmp_path / "whole", device="cpu")
    legs = 0
    while True:
        part = recipe(photo_set, PLAN)
        legs += 1
        if train(part, PLAN, tmp_path / "legs", device="cpu", seconds=0) is not None:
            break
    assert legs == PLAN.steps  # a leg of no time is one step
    for name, value in whole.model.state_dict().items():
        assert torch.equal(value, part.model.state_dict()[name]), name
    one, many = (
        load_file(tmp_path / name / "checkpoint.safetensors") for name in ("whole", "legs")
    )
    assert one.keys() == many.keys()
    assert all(torch.equal(one[name], many[name]) for name in one)


def test_a_checkpoint_of_another_plan_or_kind_is_refused(
    photo_set: PhotoSet, tmp_path: Path
) -> None:
    train(recipe(photo_set, PLAN), PLAN, tmp_path, device="cpu", seconds=0)
    other = replace(PLAN, steps=13)
    with pytest.raises(InputError, match="another plan"):
        train(recipe(photo_set, other), other, tmp_path, device="cpu")
    fewer = replace(recipe(photo_set, PLAN), draws=(12,))
    with pytest.raises(InputError, match="another plan"):
        train(fewer, PLAN, tmp_path, device="cpu")
    (tmp_path / "checkpoint.safetensors").write_bytes(b"nonsense")
    with pytest.raises(ModelError, match="not a checkpoint"):
        train(recipe(photo_set, PLAN), PLAN, tmp_path, device="cpu")


def test_an_exported_model_codes_pictures(photos: list[Path], tmp_path: Path) -> None:
    preset = Preset(replace(PLAN, steps=3), 16, 1, "a test")
    model = train_walloc(photos, tmp_path, preset, validation=photos[:1], device="cpu")
    assert model is not None
    card = json.loads(model.with_suffix(".json").read_text())
    assert card["steps"] == 3
    assert card["codec"] == "walloc-rgb"
    assert {row["channels"] for row in card["figures"]} == {12, 48, 192}
    with PIL.Image.open(photos[1]) as picture:
        pixels = np.asarray(picture.convert("RGB"))[:64, :64]
    data = nacre.encode(pixels, quality=90, model=str(model))
    decoded = nacre.decode(data, model=str(model)).pixels
    assert np.square(decoded.astype(float) - pixels).mean() < 30
    with pytest.raises(InputError, match="exists"):
        train_walloc(photos, tmp_path, preset, device="cpu")


def test_the_command_line_trains_and_refuses_what_it_cannot_do(
    photos: list[Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(["train", "walloc-rgb", str(tmp_path / "none"), "-o", str(tmp_path / "x")]) == 2
    assert "no such file" in capsys.readouterr().err
    assert run(["train", "walloc-rgb", str(photos[0]), "--preset", "huge"]) == 2
    message = capsys.readouterr().err
    assert all(name in message for name in PRESETS)
    assert run(["train", "jpeg", str(photos[0])]) == 2
    command = ["train", "walloc-rgb", *map(str, photos), "-o", str(tmp_path / "run")]
    options = ["--steps", "3", "--batch", "1", "--side", "64", "--preset", "tiny"]
    options += ["--validation", str(photos[0])]
    assert run([*command, *options, "--minutes", "0", "--device", "cpu"]) == 0
    assert "the same command goes on" in capsys.readouterr().err
    assert (tmp_path / "run" / "checkpoint.safetensors").exists()


@pytest.mark.slow
def test_two_processes_train_one_model(photos: list[Path], tmp_path: Path) -> None:
    command = [sys.executable, "-m", "nacre", "train", "walloc-rgb", *map(str, photos)]
    options = ["--steps", "4", "--batch", "1", "--side", "64", "--preset", "tiny"]
    options += ["--validation", str(photos[0]), "--device", "cpu", "--devices", "2"]
    subprocess.run([*command, *options, "-o", str(tmp_path)], check=True, timeout=300)
    assert json.loads((tmp_path / "walloc-rgb.json").read_text())["steps"] == 4
