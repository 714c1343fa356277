"""Model files: NAME.safetensors with a card NAME.json beside it, found by name, path or id.

A model is known by its id, the first three bytes of the SHA-256 of the .safetensors file; a
stream names the model that it needs by that id and by nothing else. Files are looked for in the
folder that ships with the package and in the folder that the environment variable ``NACRE_MODELS``
names. Nothing is ever downloaded, no path is ever read out of a stream, and safetensors is the only
format read, so that opening a model runs no code.
"""

from __future__ import annotations

import functools
import hashlib
import json
import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from nacre.errors import ModelError

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

SHIPPED = Path(__file__).parent / "weights"
"""Folder of the models that come with the package."""

ID_BYTES = 3
SUFFIX = ".safetensors"


@dataclass(frozen=True)
class ModelCard:
    """What is known of one model file.

    Attributes:
        name: the file's name without its suffix, such as ``"walloc-rgb"``.
        id: six hexadecimal digits, as ``nacre info`` prints them.
        codec: the codec that the model belongs to.
        path: the .safetensors file.
        data: what it was trained on, in words.
        steps: optimiser steps.
        seconds: training time.
        device: what it was trained on, such as ``"cpu"``.
        figures: measured results, such as ``{"quality": 50, "bpp": 0.6, "psnr_db": 32.1}``.
    """

    name: str
    id: str
    codec: str
    path: Path
    data: str = ""
    steps: int = 0
    seconds: float = 0.0
    device: str = ""
    figures: tuple[Mapping[str, float], ...] = ()


def folders() -> list[Path]:
    """Where models are looked for, in order."""
    extra = os.environ.get("NACRE_MODELS")
    return [SHIPPED, Path(extra)] if extra else [SHIPPED]


def model_files() -> list[Path]:
    """Every model file that can be found by name or id, in the order of :func:`folders`.

    Those are the files with a card beside them; others, such as checkpoints, are found by path.
    """
    return [
        path
        for folder in folders()
        for path in sorted(folder.glob("*" + SUFFIX))
        if path.with_suffix(".json").is_file()
    ]


def models() -> list[ModelCard]:
    """The cards of all models that can be found by name or id.

    Raises:
        ModelError: a file or its card is damaged.
    """
    return [read_card(path) for path in model_files()]


def model_id(path: Path) -> bytes:
    """The first three bytes of the file's SHA-256.

    Raises:
        ModelError: the file cannot be read.
    """
    try:
        status = path.stat()
        return _hash(path, status.st_size, status.st_mtime_ns)
    except OSError as error:
        raise ModelError(f"{path}: model file cannot be read: {error.strerror}") from error


@functools.lru_cache(maxsize=64)
def _hash(path: Path, size_bytes: int, modified_ns: int) -> bytes:
    """Hash ``path``; size and time of change are in the key so that a new file is hashed again."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").digest()[:ID_BYTES]


def find_model(reference: str | Path | bytes, *, codec: str | None = None) -> ModelCard:
    """The model that ``reference`` means.

    Args:
        reference: a path, a name, an id of six hexadecimal digits, or the three bytes of an id.
        codec: when given, the model must belong to it.

    Raises:
        ModelError: there is no such model, the file or its card is damaged, or it belongs to
            another codec.
    """
    card = read_card(_locate(reference, codec))
    if codec is not None and card.codec != codec:
        raise ModelError(
            f"{card.path}: a model of codec {card.codec!r}, but {codec!r} was asked for; "
            "name the codec with --codec, or choose another model (`nacre codecs` lists them)"
        )
    return card


def _locate(reference: str | Path | bytes, codec: str | None) -> Path:
    owner = f" of codec {codec!r}" if codec else ""
    if isinstance(reference, bytes):
        return _locate_id(reference, owner)
    text = str(reference)
    if isinstance(reference, Path) or text.endswith(SUFFIX) or Path(text).name != text:
        path = Path(reference)
        if not path.is_file():
            raise ModelError(f"{path}: no such model file (expected a path to NAME{SUFFIX})")
        return path
    for path in model_files():
        if path.stem == text:
            return path  # folders are in order: what ships cannot be replaced by accident
    if len(text) == 2 * ID_BYTES and all(digit in "0123456789abcdef" for digit in text.lower()):
        return _locate_id(bytes.fromhex(text), owner)
    known = ", ".join(sorted({path.stem for path in model_files()})) or "none"
    raise ModelError(
        f"model {text!r}{owner} not found in {_searched()}; models found: {known}; "
        f"give a path to a {SUFFIX} file, or put it into the folder that NACRE_MODELS names"
    )


def _locate_id(identity: bytes, owner: str) -> Path:
    for path in model_files():
        if model_id(path) == identity:
            return path
    raise ModelError(
        f"model {identity.hex()}{owner} not found in {_searched()}; get the {SUFFIX} file whose "
        f"SHA-256 begins with {identity.hex()} from where the stream came from, and give it with "
        "--model PATH or put it into the folder that NACRE_MODELS names"
    )


def _searched() -> str:
    return " and ".join(str(folder) for folder in folders())


def read_card(path: Path) -> ModelCard:
    """The card beside a model file; without one, what the file's own header says.

    Raises:
        ModelError: the model or the card cannot be read, or the card is of another file.
    """
    identity = model_id(path).hex()
    card = path.with_suffix(".json")
    if card.is_file():
        fields = _read_json(card)
        if fields.get("id") != identity:
            raise ModelError(
                f"{path}: the file's id is {identity}, its card {card.name} says "
                f"{fields.get('id')!r}: one of them is damaged or belongs to another model; "
                "copy both again"
            )
    else:
        fields = dict(read_metadata(path))
    codec = fields.get("codec")
    if not isinstance(codec, str):
        raise ModelError(
            f"{path}: neither a card {card.name} nor the file's header says which codec it is for; "
            "put the card that was exported with it beside it"
        )
    try:
        return ModelCard(
            name=path.stem,
            id=identity,
            codec=codec,
            path=path,
            data=str(fields.get("data", "")),
            steps=int(fields.get("steps", 0)),
            seconds=float(fields.get("seconds", 0.0)),
            device=str(fields.get("device", "")),
            figures=tuple(dict(figure) for figure in fields.get("figures", ())),
        )
    except (TypeError, ValueError) as error:
        raise ModelError(f"{card}: the card is damaged ({error}); copy it again") from error


def _read_json(path: Path) -> dict[str, Any]:
    try:
        fields = json.loads(path.read_bytes())
    except (OSError, ValueError) as error:
        raise ModelError(f"{path}: the card cannot be read ({error}); copy it again") from error
    if not isinstance(fields, dict):
        raise ModelError(f"{path}: the card is not a JSON object; copy it again")
    return fields


def read_metadata(path: Path) -> dict[str, str]:
    """The free text in a safetensors header; no array is read.

    Raises:
        ModelError: the file is not a whole safetensors file.
    """
    from safetensors import SafetensorError, safe_open

    try:
        with safe_open(path, framework="numpy") as file:
            return dict(file.metadata() or {})
    except (SafetensorError, OSError, ValueError) as error:
        raise _damaged(path, error) from error


def load_arrays(path: Path) -> dict[str, npt.NDArray[np.generic]]:
    """All arrays of a model file, by name, in NumPy (torch is not imported).

    Raises:
        ModelError: the file is not a whole safetensors file.
    """
    from safetensors import SafetensorError
    from safetensors.numpy import load_file

    try:
        return dict(load_file(path))
    except (SafetensorError, OSError, ValueError) as error:
        raise _damaged(path, error) from error


def _damaged(path: Path, error: Exception) -> ModelError:
    return ModelError(f"{path}: not a whole safetensors file ({error}); copy or train it again")
