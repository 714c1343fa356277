"""Which codecs there are, those of other packages included."""

from __future__ import annotations

from collections.abc import Callable
from importlib.metadata import EntryPoint
from pathlib import Path

import pytest

from nacre import registry
from nacre.errors import InputError, ModelError, UnsupportedVersion

WriteModel = Callable[[str, float], Path]


@pytest.mark.parametrize("entry", registry.CODECS.values(), ids=lambda entry: entry.name)
def test_each_line_says_what_its_class_says(entry: registry.CodecEntry) -> None:
    loaded = registry.codec_class(entry.name)
    assert (loaded.name, loaded.number, loaded.medium, loaded.lossless) == (
        entry.name,
        entry.number,
        entry.medium,
        entry.lossless,
    )
    assert registry.entry(entry.number) is registry.entry(entry.name) is entry


def test_names_and_numbers_are_given_once_and_below_those_of_third_parties() -> None:
    numbers = [entry.number for entry in registry.CODECS.values()]
    assert len(set(numbers)) == len(numbers)
    assert max(numbers) < registry.THIRD_PARTY.start


def test_default_codecs() -> None:
    assert registry.default_codec("image", lossless=True).name == "adaptive-image"
    assert registry.default_codec("image", lossless=False).name == "walloc-rgb"
    for lossless in (True, False):
        assert registry.default_codec("audio", lossless=lossless).name == "adaptive-audio"
    with pytest.raises(InputError, match="no lossy codec for smell"):
        registry.default_codec("smell", lossless=False)


def test_unknown_codecs() -> None:
    with pytest.raises(InputError, match="did you mean 'stored'"):
        registry.entry("stord")
    with pytest.raises(UnsupportedVersion, match="newer nacre"):
        registry.entry(63)
    with pytest.raises(UnsupportedVersion, match="another package"):
        registry.entry(7000)


def test_a_codec_is_built_once() -> None:
    assert registry.load_codec("stored") is registry.load_codec(0, device="auto")
    with pytest.raises(ModelError, match="has no models"):
        registry.load_codec("stored", model="m")


def test_codecs_of_other_packages(toy: Path) -> None:
    entry = registry.entry("toy")
    assert entry == registry.entry(64)
    assert (entry.target, entry.medium, entry.lossless) == ("nacre_toy:Toy", "image", False)
    assert entry.summary.startswith("Samples on a grid")
    assert {"stored", "toy", "toy-model"} <= {entry.name for entry in registry.entries()}
    assert registry.load_codec("toy").name == "toy"


def test_models_of_codecs(toy: Path, write_model: WriteModel) -> None:
    with pytest.raises(ModelError, match="'toy-model-1' of codec 'toy-model' not found"):
        registry.load_codec("toy-model")
    path = write_model("toy-model-1", 2.0)
    codec = registry.load_codec("toy-model")
    assert codec is registry.load_codec(65, model=path)
    assert codec.gain == 2.0
    write_model("toy-model-1", 3.0)
    assert registry.load_codec("toy-model").gain == 3.0


@pytest.mark.parametrize(
    ("name", "value", "message"),
    [
        ("toy", "nacre_toy:Missing", "cannot be loaded"),
        ("toy", "nacre_missing:Toy", "cannot be loaded"),
        ("other", "nacre_toy:Toy", "calls itself 'toy'"),
        ("toy", "nacre_toy:ToySettings", "is not a codec"),
        ("stored", "nacre.codecs.stored:Stored", "number of at least 64"),
    ],
)
def test_bad_entry_points_are_named(toy: Path, name: str, value: str, message: str) -> None:
    with pytest.raises(InputError, match=message):
        registry._entry_of(EntryPoint(name, value, registry.GROUP))


def test_repeated_names_are_refused(toy: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    points = [EntryPoint("toy", "nacre_toy:Toy", registry.GROUP)] * 2
    monkeypatch.setattr(registry, "entry_points", lambda group: points)
    with pytest.raises(InputError, match="repeats the name or number"):
        registry.third_parties()


def test_devices() -> None:
    assert registry.resolve_device("cpu") == "cpu"
    assert registry.resolve_device("auto") in ("cpu", "cuda", "mps", "xpu")
    for wrong in ("quantum", "cuda:99"):
        with pytest.raises(InputError, match="cannot be used here"):
            registry.resolve_device(wrong)
