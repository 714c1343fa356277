"""What the ``screen`` coder keeps in memory, and its constants.

A pixel is one number, its *colour*: channel k in bits 8 k to 8 k + 7. Decisions have three kinds of
memory, all found by hashing what surrounds the pixel:

- *slots*: one counter each, 16 bits of chance, 10 of a check, 6 of a count;
- *lines*: a check and 15 counters, which tell the nodes of four bits apart;
- *recalls*: which colour followed the last time, and how often it did.

A *refinement* turns a counter's chance and count into the chance that such counters deserve.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from nacre.entropy.mixing import EVEN, LIMIT, SQUASH, WEIGHT_BITS, Counters, Weights
from nacre.entropy.sequential import State, Words

Int32s = npt.NDArray[np.int32]
Int64s = npt.NDArray[np.int64]
Uint8s = npt.NDArray[np.uint8]
Uint32s = npt.NDArray[np.uint32]

PAD, TOP = 8, 4
"""Columns on either side of the canvas, rows above it."""
INPUTS = 32
"""Of every mixture."""
CANDIDATES = 8
"""Colours that are asked for by name, at most."""
SURROUNDINGS = 10
"""Contexts of a question about a candidate that are made of neighbouring colours."""
CHANNEL_CONTEXTS = 11
"""Contexts of a bit of a channel."""
CHANNEL_RECALLS = 5
"""Recalled values of a channel."""
PREDICTORS = 15
"""Of a channel, at most."""
ENERGIES = 16
"""Classes of how wrong predictions were nearby."""

STEPS = 34
"""A refinement's steps of 128 over stretched chances."""
COUNT_CLASSES = 10
MAP = COUNT_CLASSES * STEPS
"""Counters of the refinement of one context."""
QUESTION_MAPS, ESCAPE_MAPS, CHANNEL_MAPS, DENSITY_MAPS = 0, 20 * MAP, 30 * MAP, 50 * MAP
MAPS = DENSITY_MAPS + 4 * ENERGIES * STEPS

ORDER_SETS, AGREEMENT_SETS, KNOWN_SETS, ESCAPE_SETS = 0, 256, 512, 768
NODE_SETS, ENERGY_SETS, RECALL_SETS = 800, 800 + 1024, 800 + 2048
SETS = RECALL_SETS + 256
"""Sets of weights: three are added up for a question, three for an escape, three for a bit."""

FINAL_STEPS = 25
QUESTION_FINALS = 1024
FINALS = QUESTION_FINALS + 512
"""Contexts of the last refinement of a mixture."""

MATCH_ORDERS = 3
"""Recalls of colours: after 12, 6 and 2 neighbours."""


class Model(NamedTuple):
    """What is learnt, and work space. H, W: of the picture; C: its channels.

    Attributes:
        canvas: colours, uint32 ``[TOP + H, W + 2 PAD]``.
        escaped: 1 where a colour was none of the candidates, same shape.
        slots: uint32 ``[2^n]``.
        lines: uint32 ``[2^n]``, 16 to a line.
        maps: refinements of counters, ``[MAPS]``.
        weights: int32 ``[SETS, INPUTS]``.
        finals: refinements of mixtures, uint32 chances ``[FINALS * FINAL_STEPS]``.
        recalls: two of each context: check, count, colour; int64 ``[MATCH_ORDERS, 2^n]``.
        values: recalled values of channels: check, count, value; int64 ``[2^n]``.
        value_maps: chance of a bit by the bit of a recalled value, ``[...]``.
        misses: of each predictor, of this row and the last, int32 ``[2, C, W + 2 PAD, 16]``.
        errors: of predictions, int32 ``[2, C, W + 2 PAD]``.
        scales: mean errors, int64 ``[4, ENERGIES]``.
        found: place of each context's slot or line, int64 ``[16]``.
        map_at: place of its refinement, -1 when the context is new, int64 ``[16]``.
        inputs: int32 ``[INPUTS]``.
        around: hashes of the surroundings, int64 ``[16]``.
        hashes: of a channel's contexts, int64 ``[16]``.
        predictions: int64 ``[16]``.
        recalled: place, check, value and trust of recalled values, int64 ``[4, 5]``.
        value_at: place of their chances, int64 ``[5]``.
        candidates: colour and where it comes from, int64 ``[CANDIDATES + 1, 2]``.
        state: of the range coder.
        words: of the range coder.
    """

    canvas: Uint32s
    escaped: Uint8s
    slots: Uint32s
    lines: Uint32s
    maps: Counters
    weights: Weights
    finals: Uint32s
    recalls: Int64s
    values: Int64s
    value_maps: Counters
    misses: Int32s
    errors: Int32s
    scales: Int64s
    found: Int64s
    map_at: Int64s
    inputs: Int32s
    around: Int64s
    hashes: Int64s
    predictions: Int64s
    recalled: Int64s
    value_at: Int64s
    candidates: Int64s
    state: State
    words: Words


def new_model(shape: tuple[int, int, int], state: State, words: Words) -> Model:
    """A model that has seen nothing, for pictures ``(H, W, C)``."""
    height, width, channels = shape
    pixels = height * width
    canvas = (TOP + height, width + 2 * PAD)
    return Model(
        canvas=np.zeros(canvas, np.uint32),
        escaped=np.zeros(canvas, np.uint8),
        slots=np.zeros(_table_size(pixels, 4, 22), np.uint32),
        lines=np.full(_table_size(pixels, 16, 22), EVEN, np.uint32),
        maps=_first_maps(),
        weights=_first_weights(),
        finals=_first_finals(),
        recalls=np.full((MATCH_ORDERS, 2 * _table_size(pixels, 1, 20)), -1, np.int64),
        values=np.full(_table_size(pixels, 1, 18), -1, np.int64),
        value_maps=np.tile(_first_value_maps(), 4 * CHANNEL_RECALLS * 8 * 8),
        misses=np.zeros((2, channels, width + 2 * PAD, 16), np.int32),
        errors=np.zeros((2, channels, width + 2 * PAD), np.int32),
        scales=np.tile(np.arange(ENERGIES, dtype=np.int64) ** 2 * 2048 // 3 + 2048, (4, 1)),
        found=np.zeros(16, np.int64),
        map_at=np.zeros(16, np.int64),
        inputs=np.zeros(INPUTS, np.int32),
        around=np.zeros(16, np.int64),
        hashes=np.zeros(16, np.int64),
        predictions=np.zeros(16, np.int64),
        recalled=np.zeros((4, CHANNEL_RECALLS), np.int64),
        value_at=np.zeros(CHANNEL_RECALLS, np.int64),
        candidates=np.zeros((CANDIDATES + 1, 2), np.int64),
        state=state,
        words=words,
    )


def _table_size(pixels: int, each: int, most: int) -> int:
    """A power of two: room for ``each`` entries a pixel, for 64 in a small picture."""
    wanted = max(pixels * each, min(pixels * 64, 1 << 18))
    return 1 << min(max((wanted - 1).bit_length(), 10), most)


def _squashed(stretched: Int64s) -> Int64s:
    """Chances of 24 bits."""
    chances: Int64s = SQUASH[stretched.clip(-LIMIT, LIMIT) + LIMIT].astype(np.int64)
    return chances


def _first_maps() -> Counters:
    """Refinements that leave every chance as it is."""
    row = (_squashed(np.arange(STEPS) * 128 - 2176 + 64) >> 2) << 10
    return np.tile(row, MAPS // STEPS).astype(np.uint32)


def _first_finals() -> Uint32s:
    row = np.minimum(_squashed(np.arange(FINAL_STEPS) * 256 - LIMIT) << 8, (1 << 32) - 1)
    return np.tile(row, FINALS).astype(np.uint32)


def _first_value_maps() -> Counters:
    """Chances of a one where the recalled value has a zero, and where it has a one."""
    return np.array([1 << 20 << 10, 3 << 20 << 10], np.uint32)


def _first_weights() -> Weights:
    weights = np.zeros((SETS, INPUTS), np.int32)
    small = 15 * (1 << WEIGHT_BITS) // 100
    weights[ORDER_SETS:AGREEMENT_SETS] = small
    weights[ESCAPE_SETS] = 20_000
    weights[NODE_SETS:ENERGY_SETS] = small
    return weights
