"""What the coder of spectra looks at, and where it keeps what it has learnt.

Magnitudes lie in rows with a margin of zeros on either side, so that neighbours need no checks. All
sums are capped before they are used as contexts.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from nacre.entropy.mixing import Counters, Weights, new_counters, new_weights
from nacre.errors import ModelError

Int32s = npt.NDArray[np.int32]

MARGIN = 8
"""Zeros on either side of a row of magnitudes."""
NOW, BEFORE, EARLIER, MEAN = range(4)
"""Rows: of this block, of the last one, of the one before that, and a running mean (times 64)."""
CAP = 1023
"""Magnitudes are capped to this in the rows."""
LARGEST = (1 << 15) - 1
"""The greatest magnitude of a symbol."""

UNARY = 7
"""Magnitudes below this are told by "more?" alone; then a bit length follows."""
LENGTHS = 15
"""Bit lengths of what is beyond, at most."""
NODES = UNARY + LENGTHS
"""Decisions of a magnitude that have counters."""
FINE, COARSE, PLACES = 44, 11, 32
"""Levels of the expected magnitude, fine and coarse, and classes of frequency."""
CONTEXTS = (
    4 * FINE, 144, 360, 432, PLACES * COARSE, 16 * 9, 16 * 8, 192, 192, 16 * 10, 16 * 10, 12 * 14,
    16 * 9, 6 * 16 * 4, 8 * COARSE,
)  # fmt: skip
"""Contexts of each of the 15 counters that are mixed."""
INPUTS = 16
FIRST_SETS, SECOND_SETS = COARSE, 16
SETS = FIRST_SETS + SECOND_SETS
NEIGHBOURS = 12
"""Terms of the expected magnitude."""
BLEND_BITS = 10

NOISES = 24
"""Levels of noise, 3 dB apart; the last one is none."""
NOISE_CONTEXTS = (NOISES, NOISES, NOISES * NOISES, 32 * 2, NOISES * NOISES, NOISES * 2, NOISES)
NOISE_INPUTS = 8

MOST_SPLITS = 6
"""Splits of a frame are below this."""
ANGLES = 32
"""Directions of a pair of channels, over half a turn."""
ANGLE_FLAGS = 0
ANGLE_TREE = ANGLE_FLAGS + 2
SPLIT_FLAGS = ANGLE_TREE + ANGLES
REACH_FLAGS = SPLIT_FLAGS + MOST_SPLITS * MOST_SPLITS
REACH_NODES = 16
HEAD_FLAGS = REACH_FLAGS + 4 * REACH_NODES


def _levels(linear: int, steps: int, size: int) -> npt.NDArray[np.uint8]:
    """``linear`` levels of one value each, then ``steps`` an octave (steps = linear / 1)."""
    values = np.arange(size)
    octave = np.array([max(int(v) // linear, 1).bit_length() - 1 for v in values])
    inside = (values * steps >> octave) // linear - steps
    return np.where(values < linear, values, linear + octave * steps + inside).astype(np.uint8)


FINE_LEVEL: npt.NDArray[np.uint8] = _levels(4, 4, 4096)
"""Of an expected magnitude in sixteenths, below 4096: four an octave."""
HALF_LEVEL: npt.NDArray[np.uint8] = _levels(2, 2, 4096)
"""Of a sum of magnitudes below 4096: two an octave."""


class Model(NamedTuple):
    """What is learnt, and what is fixed by training.

    Attributes:
        counters: of magnitudes, uint32 ``[sum(CONTEXTS) * NODES]``.
        weights: int32 ``[SETS * NODES, INPUTS]``.
        flags: counters of what stands at the head of frames, uint32 ``[HEAD_FLAGS]``.
        noise_counters, noise_weights: of the levels of noise.
        blend: weights of neighbours in the expected magnitude, int32 ``[2, NEIGHBOURS]``, in
            1/1024, for the first and the second channel.
        inward: what decoded magnitudes 1, 2 and more lie nearer to zero, in 1/256 of a step, by
            expected magnitude, int32 ``[3, FINE]``.
    """

    counters: Counters
    weights: Weights
    flags: Counters
    noise_counters: Counters
    noise_weights: Weights
    blend: Int32s
    inward: Int32s


def new_model() -> Model:
    """A model that has seen nothing."""
    blend = np.array(
        [
            [220, 120, 60, 160, 70, 30, 60, 20, 130, 40, 10, 0],
            [220, 120, 60, 160, 70, 30, 60, 20, 130, 120, 40, 0],
        ],
        dtype=np.int32,
    )
    return Model(
        counters=new_counters(sum(CONTEXTS) * NODES),
        weights=new_weights(SETS * NODES, INPUTS, 0.12),
        flags=new_counters(HEAD_FLAGS),
        noise_counters=new_counters(sum(NOISE_CONTEXTS) * NOISES),
        noise_weights=new_weights(NOISES, NOISE_INPUTS, 0.3),
        blend=blend,
        inward=np.zeros((3, FINE), np.int32),
    )


def model_from_arrays(arrays: Mapping[str, npt.NDArray[Any]]) -> Model:
    """A model of the arrays of a model file.

    Raises:
        ModelError: one is missing, or is not what the coder can work with.
    """
    found = {}
    for name, blank in new_model()._asdict().items():
        array = arrays.get(name)
        if array is None or array.shape != blank.shape or array.dtype != blank.dtype:
            raise ModelError(f"array {name!r} of {blank.dtype} {blank.shape} is not in the model")
        found[name] = np.ascontiguousarray(array)
    if np.abs(found["blend"]).max() > 1 << 14 or np.abs(found["inward"]).max() > 255:
        raise ModelError("the model's blend or inward values are out of range")
    return Model(**found)


def copied(model: Model) -> Model:
    """The same, to learn with."""
    copies: dict[str, Any] = {name: array.copy() for name, array in model._asdict().items()}
    return Model(**copies)


@dataclass(frozen=True)
class Layout:
    """Sizes of a spectrum.

    Attributes:
        frame: coefficients of a frame, a multiple of 2^levels.
        levels: the greatest split of a frame.
        edges: where bands begin, and the end of the last one, in coefficients of a whole frame;
            multiples of 2^levels.
    """

    frame: int
    levels: int
    edges: tuple[int, ...]

    @property
    def unit(self) -> int:
        """Coefficients that the reach of a frame is counted in."""
        return 1 << self.levels

    @property
    def bands(self) -> int:
        """Bands."""
        return len(self.edges) - 1


class Work(NamedTuple):
    """What coding a stretch needs beside the model.

    Attributes:
        rows: magnitudes, int32 ``[C, 4, frame + 2 * MARGIN]``.
        sizes: length of the block that ``rows`` are of, int32 ``[1]``.
        reaches: of the last frame, in units, int32 ``[C]``.
        places: class of each coefficient of a whole frame, uint8 ``[frame]``.
        slots: where the counters of each context begin, int64 ``[INPUTS - 1]``.
        inputs: of the mixture, int32 ``[INPUTS]``.
        starts: first counter of each context, int64 ``[INPUTS - 1]``.
        sums: squares of errors are least with these: rounding excess and count of magnitudes by
            expected magnitude, int64 ``[2, 3, FINE]``.
    """

    rows: Int32s
    sizes: Int32s
    reaches: Int32s
    places: npt.NDArray[np.uint8]
    slots: npt.NDArray[np.int64]
    inputs: Int32s
    starts: npt.NDArray[np.int64]
    sums: npt.NDArray[np.int64]


def starts_of(contexts: tuple[int, ...], nodes: int) -> npt.NDArray[np.int64]:
    """First counter of each context."""
    return np.cumsum([0, *contexts[:-1]]).astype(np.int64) * nodes


def new_work(layout: Layout, channels: int) -> Work:
    """Work space of a stretch."""
    bins = np.arange(layout.frame)
    # Fine at low frequencies, then about equal parts of an octave.
    places = np.minimum(np.sqrt(bins * 1024 // layout.frame).astype(np.int64), PLACES - 1)
    inputs = np.zeros(INPUTS, np.int32)
    inputs[-1] = 256
    return Work(
        rows=np.zeros((channels, 4, layout.frame + 2 * MARGIN), np.int32),
        sizes=np.full(1, layout.frame, np.int32),
        reaches=np.zeros(channels, np.int32),
        places=places.astype(np.uint8),
        slots=np.zeros(INPUTS - 1, np.int64),
        inputs=inputs,
        starts=starts_of(CONTEXTS, NODES),
        sums=np.zeros((2, 3, FINE), np.int64),
    )
