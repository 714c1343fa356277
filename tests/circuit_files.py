"""Small circuits as model files, and pictures that are drawn from them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from nacre.entropy.circuits.integer import IntegerCircuit
from nacre.entropy.circuits.model import random_hclt
from nacre.entropy.circuits.queries import sample
from nacre.media.image_sets import ImageSet
from nacre.media.image_symbols import from_symbols, values_of, variables_of
from nacre.stream import ImageShape
from nacre.train.export import write_model

GREY = ImageShape(6, 5, 1, 8)
RGB = ImageShape(4, 3, 3, 8)
DEEP = ImageShape(5, 4, 1, 16)
BILEVEL = ImageShape(9, 7, 1, 1)


def drawn(shape: ImageShape, count: int, *, seed: int = 1) -> npt.NDArray[Any]:
    """Pictures from the circuit of that seed: ``[count, H, W]``, or with C as the last axis."""
    tree = random_hclt(variables_of(shape), 4, values_of(shape), seed)
    symbols = sample(tree, count, seed=seed + 100)
    return ImageSet(from_symbols(symbols, shape), shape.channels > 1).numpy()


def write_circuit(folder: Path, name: str, shape: ImageShape, *, seed: int = 1) -> Path:
    """The model file of that circuit, with its card."""
    tree = random_hclt(variables_of(shape), 4, values_of(shape), seed)
    data = IntegerCircuit.from_hclt(tree, step=2**-9).to_bytes()
    path = folder / f"{name}.safetensors"
    header = {key: str(value) for key, value in vars(shape).items()}
    arrays = {"circuit": np.frombuffer(data, np.uint8)}
    write_model(path, arrays, {"codec": "circuit-image"}, force=True, header=header)
    return path
