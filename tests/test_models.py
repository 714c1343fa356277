"""Model files: finding them by name, path and id, and refusing those that are not whole."""

from __future__ import annotations

import hashlib
import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from nacre import models
from nacre.errors import ModelError

WriteModel = Callable[[str, float], Path]


def test_id_is_the_beginning_of_the_sha256(write_model: WriteModel) -> None:
    path = write_model("m", 2.0)
    assert models.model_id(path) == hashlib.sha256(path.read_bytes()).digest()[:3]


def test_id_follows_a_file_that_is_written_anew(write_model: WriteModel) -> None:
    before = models.model_id(write_model("m", 2.0))
    assert models.model_id(write_model("m", 3.0)) != before


def test_found_by_name_path_and_id(write_model: WriteModel) -> None:
    path = write_model("m", 2.0)
    card = models.find_model("m")
    assert (card.path, card.codec, card.steps, card.figures) == (
        path,
        "toy-model",
        3,
        ({"quality": 50, "psnr_db": 30.0},),
    )
    for reference in (path, str(path), card.id, card.id.upper(), bytes.fromhex(card.id)):
        assert models.find_model(reference, codec="toy-model") == card
    assert card in models.models()


def test_arrays_are_read_whole(write_model: WriteModel) -> None:
    arrays = models.load_arrays(write_model("m", 2.5))
    assert set(arrays) == {"gain"}
    assert arrays["gain"].dtype == np.float32
    assert arrays["gain"] == 2.5


def test_a_model_without_card_says_its_codec_in_its_header(
    write_model: WriteModel, tmp_path: Path
) -> None:
    from safetensors.numpy import save_file

    path = tmp_path / "bare.safetensors"
    save_file({"gain": np.ones(1, np.float32)}, path, metadata={"codec": "toy-model"})
    assert models.find_model(path).codec == "toy-model"
    save_file({"gain": np.ones(1, np.float32)}, path)
    with pytest.raises(ModelError, match=r"neither a card bare\.json nor"):
        models.find_model(path)


def test_a_file_without_card_is_found_by_path_only(write_model: WriteModel) -> None:
    path = write_model("checkpoint", 2.0)
    path.with_suffix(".json").unlink()
    assert path not in models.model_files()
    with pytest.raises(ModelError, match="not found"):
        models.find_model("checkpoint")


@pytest.mark.parametrize("reference", ["nothere", b"\x12\x34\x56", "123456", Path("x.safetensors")])
def test_a_missing_model_says_which_and_how_to_get_it(
    write_model: WriteModel, reference: str | Path | bytes
) -> None:
    name = reference.hex() if isinstance(reference, bytes) else str(reference)
    with pytest.raises(ModelError, match=name) as caught:
        models.find_model(reference, codec="toy-model")
    if not isinstance(reference, Path):
        assert "toy-model" in str(caught.value)
        assert "NACRE_MODELS" in str(caught.value)


def test_a_model_of_another_codec_is_refused(write_model: WriteModel) -> None:
    write_model("m", 2.0)
    with pytest.raises(ModelError, match="'toy-model', but 'walloc-rgb' was asked for"):
        models.find_model("m", codec="walloc-rgb")


def test_the_first_folder_with_a_name_wins(
    write_model: WriteModel, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = write_model("m", 2.0)
    shipped = tmp_path / "shipped"
    shipped.mkdir()
    monkeypatch.setattr(models, "SHIPPED", shipped)
    for suffix in (".safetensors", ".json"):
        shutil.copy(path.with_suffix(suffix), shipped)
    other = write_model("m", 3.0)
    assert models.find_model("m").path == shipped / "m.safetensors"
    assert models.find_model(models.model_id(other)).path == other  # by its id it is found as well


def truncate(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-1])


def make_text(path: Path) -> None:
    path.write_text("not safetensors at all")


def claim_a_long_header(path: Path) -> None:
    path.write_bytes((1 << 62).to_bytes(8, "little") + b"{}")


@pytest.mark.parametrize("damage", [truncate, make_text, claim_a_long_header])
def test_a_damaged_model_is_refused(
    write_model: WriteModel, damage: Callable[[Path], None]
) -> None:
    path = write_model("m", 2.0)
    damage(path)
    with pytest.raises(ModelError, match="its card"):
        models.find_model("m")
    path.with_suffix(".json").unlink()
    with pytest.raises(ModelError, match="not a whole safetensors file"):
        models.find_model(path)
    with pytest.raises(ModelError, match="not a whole safetensors file"):
        models.load_arrays(path)


@pytest.mark.parametrize("card", ["", "[]", "{", '{"id": 3}', "\xff"])
def test_a_damaged_card_is_refused(write_model: WriteModel, card: str) -> None:
    path = write_model("m", 2.0)
    path.with_suffix(".json").write_text(card, encoding="latin-1")
    with pytest.raises(ModelError, match="card"):
        models.find_model("m")
