"""Model files of meshes: a network that predicts positions, tables that connectivity begins with.

``NAME.safetensors`` holds the layers of the network (``0.weight``, ``0.bias``, ``0.shift`` and so
on: see ``entropy/mesh/network.py``) and ``primed`` (uint8), and says in its header the ``codec``.
"""

from __future__ import annotations

import functools
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from nacre import models
from nacre.entropy.mesh.network import Network
from nacre.errors import ModelError

CODEC = "circuit-mesh"
SHIPPED_SMALL, SHIPPED_LARGE = "circuit-mesh.safetensors", "circuit-mesh-large.safetensors"


@dataclass(frozen=True, eq=False)
class MeshModel:
    """What a model file holds.

    Attributes:
        network: predicts a vertex from those that are known.
        primed: what connectivity starts from; None if from nothing.
        id: of the model file.
    """

    network: Network
    primed: bytes | None
    id: bytes


def load_model(path: Path) -> MeshModel:
    """The model in a file; kept in memory for the next time. torch is not imported.

    Raises:
        ModelError: the file is missing or damaged, or holds no such model.
    """
    return _load(path, models.model_id(path))


@functools.lru_cache(maxsize=4)
def _load(path: Path, identity: bytes) -> MeshModel:
    arrays = models.load_arrays(path)
    primed = arrays.get("primed")
    if primed is None or primed.dtype != np.uint8:
        raise ModelError(f"{path}: no array of bytes called primed; it is a model of other codecs")
    try:
        return MeshModel(Network.from_arrays(arrays), primed.tobytes() or None, identity)
    except ModelError as error:
        raise ModelError(f"{path}: no network that can be used ({error}); copy it again") from error


def shipped_model(*, large: bool = False) -> MeshModel | None:
    """The small or the large model that ships with nacre, unless it was left out."""
    path = models.SHIPPED / (SHIPPED_LARGE if large else SHIPPED_SMALL)
    return load_model(path) if path.is_file() else None
