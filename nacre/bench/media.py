"""The media that the benchmark knows, and which of them a folder holds."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType

from nacre.bench.medium import Medium
from nacre.bench.meshes import MESHES
from nacre.bench.runner import PICTURES
from nacre.bench.sounds import SOUNDS
from nacre.bench.splats import SPLATS

# Textures lie beside meshes and covers beside songs: pictures come last.
_ALL = (SPLATS, MESHES, SOUNDS, PICTURES)

MEDIA: Mapping[str, Medium] = MappingProxyType({medium.name: medium for medium in _ALL})
"""By name."""


def medium_of(source: Path) -> Medium:
    """The medium of the files in and below a folder, or of one file; pictures if of none."""
    files = sorted(source.rglob("*")) if source.is_dir() else [source]
    return next((one for one in _ALL if any(map(one.is_file, files))), PICTURES)
