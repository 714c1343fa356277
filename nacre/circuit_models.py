"""Model files of circuits: an integer circuit, and which pictures it is for.

``NAME.safetensors`` holds one array, ``circuit`` (uint8: :meth:`IntegerCircuit.to_bytes`), and says
in its header the ``codec`` and ``width``, ``height``, ``channels`` and ``depth`` of the pictures.
One whose header says the ``kind`` ``photo`` holds the networks of photographs of any size instead.
"""

from __future__ import annotations

import functools
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from nacre import models
from nacre.entropy.circuits.integer import IntegerCircuit
from nacre.entropy.pyramid_model import KIND, SHIPPED_NAME, Pyramid
from nacre.errors import FormatError, ModelError
from nacre.media.image_sets import ImageSet
from nacre.media.image_symbols import values_of, variables_of
from nacre.stream import ImageShape

SIZES = ("width", "height", "channels", "depth")


@dataclass(frozen=True, eq=False)
class CircuitModel:
    """A circuit and the pictures that it is for.

    Attributes:
        circuit: over the variables of one picture.
        shape: of that picture.
        id: of the model file; None when the circuit lies in a stream.

    Raises:
        ModelError: the circuit has not as many variables and values as such a picture.
    """

    circuit: IntegerCircuit
    shape: ImageShape
    id: bytes | None = None

    def __post_init__(self) -> None:
        found = (self.circuit.variables, self.circuit.values)
        expected = (variables_of(self.shape), values_of(self.shape))
        if found != expected:
            raise ModelError(
                f"a circuit of {found[0]:,} variables of {found[1]} values, but {self.shape} has "
                f"{expected[0]:,} of {expected[1]}"
            )


def load_model(path: Path) -> CircuitModel:
    """The circuit in a model file; kept in memory for the next time.

    Raises:
        ModelError: the file is missing or damaged, or holds no circuit.
    """
    return _load(path, models.model_id(path))


@functools.lru_cache(maxsize=8)
def _load(path: Path, identity: bytes) -> CircuitModel:
    tables: Any = models.load_arrays(path).get("circuit")
    if tables is None or tables.dtype != np.uint8:
        raise ModelError(f"{path}: no array of bytes called circuit; it is a model of other codecs")
    try:
        circuit = IntegerCircuit.from_bytes(tables.tobytes())
        return CircuitModel(circuit, model_shape(path), identity)
    except (FormatError, ModelError) as error:
        raise ModelError(f"{path}: no circuit that can be used ({error}); copy it again") from error


@dataclass(frozen=True, eq=False)
class PhotoModel:
    """The networks of photographs, and the ``id`` of their model file."""

    networks: Pyramid
    id: bytes

    @staticmethod
    def takes(shape: ImageShape) -> bool:
        """Whether such pictures can be coded: those of 8 bits."""
        return shape.depth == 8


def is_photo_model(path: Path) -> bool:
    """Whether a model file holds the networks of photographs; no array is read.

    Raises:
        ModelError: the file is missing or damaged.
    """
    return models.read_metadata(path).get("kind") == KIND


def load_photo_model(path: Path) -> PhotoModel:
    """The networks in a model file; kept in memory for the next time.

    Raises:
        ModelError: the file is missing or damaged, or holds no such networks.
    """
    return _load_photo(path, models.model_id(path))


@functools.lru_cache(maxsize=2)
def _load_photo(path: Path, identity: bytes) -> PhotoModel:
    try:
        return PhotoModel(Pyramid.from_arrays(models.load_arrays(path)), identity)
    except ModelError as error:
        raise ModelError(f"{path}: no networks that can be used ({error})") from error


def shipped_photo_model() -> PhotoModel | None:
    """The networks of photographs that ship with nacre, unless they were left out."""
    path = models.SHIPPED / SHIPPED_NAME
    return load_photo_model(path) if path.is_file() else None


def model_shape(path: Path) -> ImageShape:
    """The pictures that a model file says its circuit is for; no array is read.

    Raises:
        ModelError: it does not say, or says what no picture is.
    """
    fields = models.read_metadata(path)
    try:
        shape = ImageShape(*(int(fields[name]) for name in SIZES))
    except (KeyError, ValueError) as error:
        raise ModelError(f"{path}: it does not say which pictures it is for ({error})") from error
    bilevel = shape.depth == 1 and shape.channels == 1
    if (
        min(shape.width, shape.height) < 1
        or shape.channels not in (1, 2, 3, 4)
        or not (bilevel or shape.depth in (8, 16))
    ):
        raise ModelError(f"{path}: a model for {shape}, which no picture has")
    return shape


def fits(shape: ImageShape, images: ImageSet) -> bool:
    """Whether a model for ``shape`` can code ``images``; bilevel ones may be in whole bytes."""
    own = images.shape
    sizes = (shape.width, shape.height, shape.channels)
    if sizes != (own.width, own.height, own.channels):
        return False
    return shape.depth == own.depth or (shape.depth == 1 and images.bilevel)


def shipped_models(codec: str) -> list[tuple[Path, ImageShape]]:
    """The circuits of ``codec`` that ship with nacre, and the pictures that each is for.

    Only these are tried without being named: whoever has nacre can decode what they make.
    """
    return [
        (path, model_shape(path))
        for path in models.model_files()
        if path.parent == models.SHIPPED
        and models.read_metadata(path).get("codec") == codec
        and not is_photo_model(path)
    ]


@functools.lru_cache(maxsize=2)
def embedded_model(section: bytes, shape: ImageShape) -> CircuitModel:
    """The circuit in a stream's MODEL section; kept, as items may be taken out one by one.

    Raises:
        FormatError: it is damaged, or not for pictures of ``shape``.
    """
    try:
        return CircuitModel(IntegerCircuit.from_bytes(section), shape)
    except ModelError as error:
        raise FormatError(f"section MODEL: {error}") from error
