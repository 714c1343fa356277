"""``nacre train``: a table of recipes, each with flags of its own."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

import nacre
from nacre.cli import run


def said(capsys: pytest.CaptureFixture[str]) -> str:
    """The one line on standard error."""
    (line,) = capsys.readouterr().err.splitlines()
    return line


def test_flags_that_a_recipe_does_not_know_are_refused(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for flag in ("--steps=5", "--cache=x", "--precision=32-true", "--devices=1"):
        assert run(["train", "circuit-image", str(tmp_path), flag]) == 2
        name = flag.partition("=")[0]
        assert f"{name} is not known to the recipe of circuit-image" in said(capsys)
    assert run(["train", "circuit-image", str(tmp_path), "--preset", "latents-12"]) == 2
    assert "is not one of tiny, small, full" in said(capsys)
    assert run(["train", "stored", str(tmp_path)]) == 2
    assert "there are walloc-rgb, walloc-stereo" in said(capsys)


def test_a_circuit_is_trained_and_used(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    y, x = np.mgrid[:6, :5]
    shift = np.random.default_rng(1).integers(0, 4, (240, 1, 1))
    pictures = ((x + y + shift) % 4 * 60 + 20).astype(np.uint8)
    nacre.load_image_set(pictures).save(tmp_path / "set.npy")
    command = ["train", "circuit-image", str(tmp_path / "set.npy"), "--preset", "tiny"]
    assert run([*command, "-o", str(tmp_path / "run"), "--device", "cpu"]) == 0
    assert "held out" in capsys.readouterr().err
    model = tmp_path / "run" / "circuit-image.safetensors"
    data = nacre.encode(pictures, codec="circuit-image", model=model)
    assert np.array_equal(nacre.decode(data, model=model), pictures)
    assert len(data) < pictures.nbytes / 8


def test_a_model_of_sound_is_trained_and_used(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    noise = np.random.default_rng(0).normal(size=(1, 9000)).cumsum(axis=1) * 100
    audio = nacre.Audio(np.rint(noise.clip(-30000, 30000)).astype(np.int32), 16000)
    audio.save(tmp_path / "a.wav")
    command = ["train", "walloc-speech", str(tmp_path / "a.wav"), "--preset", "tiny"]
    assert run([*command, "-o", str(tmp_path / "run"), "--name", "mine"]) == 0
    assert "learning from 1 recordings" in capsys.readouterr().err
    model = tmp_path / "run" / "mine.safetensors"
    data = nacre.encode(audio, codec="walloc-speech", model=model, quality=70)
    back = nacre.decode(data, model=model)
    assert back.shape == audio.shape
    assert nacre.latents(data, model=model, channels=32).shape == (32, 15)
    assert run([*command, "-o", str(tmp_path / "run"), "--steps", "3"]) == 2
    assert "is not known to the recipe" in said(capsys)
