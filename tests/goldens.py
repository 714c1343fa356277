"""The golden files and what their manifests say of them."""

from __future__ import annotations

import importlib.util
import json
import sys
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import Any

from nacre.registry import load_codec
from nacre.stream import Archive, Stream

ROOT = Path(__file__).resolve().parent.parent
GOLDEN = ROOT / "tests" / "golden"


@dataclass(frozen=True)
class File:
    """One golden file: its path, its bytes, and its entry in the manifest."""

    path: Path
    data: bytes
    entry: dict[str, Any]

    def __str__(self) -> str:
        return self.path.stem


def drawer(name: str) -> list[File]:
    """The files of a drawer, in the manifest's order."""
    folder = GOLDEN / name
    manifest = json.loads((folder / "manifest.json").read_text())
    return [
        File(path := folder / f"{stem}.ncr", path.read_bytes(), entry)
        for stem, entry in manifest.items()
    ]


def decode_all(data: bytes) -> list[Any]:
    """What is in a stream: one thing, or the items of an archive, every checksum checked."""
    stream = Stream.from_bytes(data)
    if stream.items is None:
        return [load_codec(stream.codec, model=stream.model).decode(stream)]
    archive = Archive.from_bytes(data)
    codec: Any = load_codec(stream.codec, model=stream.model)
    if archive.lanes is not None:
        return [codec.decode_item(archive, i) for i in range(len(archive))]
    return [codec.decode(archive.item(i)) for i in range(len(archive))]


def is_picture(file: File) -> bool:
    """Whether a golden file holds pictures; the manifest names every other medium."""
    return "medium" not in file.entry


def golden_script(name: str = "golden") -> ModuleType:
    """``scripts/golden.py``, or another script beside it, as a module."""
    module_name = f"{name}_script"
    if module_name not in sys.modules:
        path = ROOT / "scripts" / f"{name}.py"
        spec = importlib.util.spec_from_file_location(module_name, path)
        assert spec is not None
        assert spec.loader is not None
        module = importlib.util.module_from_spec(spec)
        sys.modules[module_name] = module
        spec.loader.exec_module(module)
    return sys.modules[module_name]
