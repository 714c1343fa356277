"""What connectivity learns from other meshes before it begins.

A table holds counters that were met often and the weights of the mixtures, in a few KiB. Whole
numbers make it and read it, so that it is the same bytes everywhere.
"""

from __future__ import annotations

import functools
from collections.abc import Iterable
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from nacre.entropy import sequential
from nacre.entropy.mesh.connectivity_coding import (
    CONTEXTS,
    INPUTS,
    SLOT_BITS,
    Coder,
    code_below,
    code_number,
    code_plain,
    new_coder,
    with_room,
)
from nacre.entropy.mesh.connectivity_front import new_front
from nacre.entropy.mesh.connectivity_growth import MORE, grow
from nacre.entropy.mesh.manifold import sorted_out, source_of
from nacre.entropy.message import unpack_words
from nacre.entropy.mixing import LIMIT, SQUASH, WEIGHT_BITS, stretch_counter
from nacre.entropy.sequential import Number, compiled
from nacre.errors import FormatError, InputError, ModelError

Int32s = npt.NDArray[np.int32]

COUNT = 3
"""A counter of the table counts for this many bits: a file that is unlike soon has its own way."""
_LEAST = 100
_KINDS = 4
_LEVEL_BITS = 6
_LEVEL_SHIFT = 12 - _LEVEL_BITS
_WEIGHT_SHIFT = WEIGHT_BITS - 10
_WEIGHTS = 1 << 14
_PLAINS = 192
_GAP, _LEVEL, _ROWS = 0, 64, 256
_MOST = CONTEXTS << SLOT_BITS


class _Table(NamedTuple):
    """What a table holds.

    Attributes:
        slots: of the counters, by context and rising, int32 ``[N]``.
        levels: their probabilities stretched, in steps of 2^_LEVEL_SHIFT, int32 ``[N]``.
        rows: how many slots each context has, int32 ``[CONTEXTS]``.
        weights: of the mixtures in 1/1024, plus half of _WEIGHTS, int32 ``[_KINDS * INPUTS]``.
        plain: levels of the counters used alone, int32 ``[_PLAINS]``.
    """

    slots: Int32s
    levels: Int32s
    rows: Int32s
    weights: Int32s
    plain: Int32s


@compiled
def _code_level(coder: Coder, base: Number, level: Number) -> Number:
    node: Number = np.int64(1)
    for place in range(_LEVEL_BITS - 1, -1, -1):
        node = node << 1 | code_plain(coder, base + node, (level >> place) & 1)
    return node - (1 << _LEVEL_BITS)


@compiled
def _code_table(coder: Coder, table: _Table) -> None:
    """Code a table, or fill in one of which ``rows`` are known."""
    at = np.int64(0)
    for row in range(len(table.rows)):
        slot: Number = np.int64(-1)
        for _ in range(table.rows[row]):
            slot += 1 + code_number(coder, _GAP, np.int64(table.slots[at]) - slot - 1)
            slot = min(slot, np.int64((1 << SLOT_BITS) - 1))
            table.slots[at] = slot
            table.levels[at] = _code_level(coder, np.int64(_LEVEL), np.int64(table.levels[at]))
            at += 1
    for k in range(len(table.weights)):
        table.weights[k] = code_below(coder, np.int64(table.weights[k]), _WEIGHTS)
    for k in range(len(table.plain)):
        table.plain[k] = _code_level(coder, np.int64(_LEVEL + 64), np.int64(table.plain[k]))


def _levels_of(counters: npt.NDArray[np.uint32]) -> Int32s:
    odds = np.array([stretch_counter(value) for value in counters], dtype=np.int32)
    levels: Int32s = (odds + 2048 >> _LEVEL_SHIFT).astype(np.int32)
    return levels


def _counters_of(levels: Int32s, count: int) -> npt.NDArray[np.uint32]:
    odds = (levels << _LEVEL_SHIFT) - 2048 + (1 << _LEVEL_SHIFT - 1)
    chance = SQUASH[odds + LIMIT].astype(np.uint32) >> np.uint32(2)
    counters: npt.NDArray[np.uint32] = chance << np.uint32(10) | np.uint32(count)
    return counters


def _learn(meshes: Iterable[Int32s]) -> Coder:
    """A coder that has coded those faces; its weights are the mean of those after each mesh."""
    coder = new_coder(np.empty(4096, dtype=np.uint32), False)
    total, count = np.zeros(coder.weights.shape, dtype=np.int64), 0
    for faces in meshes:
        given = np.asarray(faces)
        if given.ndim != 2 or given.shape[1] != 3 or given.dtype.kind not in "iu":
            raise InputError(f"faces must be integers [F, 3], not {given.dtype}")
        vertices = int(given.max(initial=-1)) + 1
        given = given.astype(np.int32)
        kept = given[sorted_out(given, vertices).kept]
        source, front = source_of(kept, vertices), new_front(len(kept))
        sequential.encoder_init(coder.state)
        bordered = 1 - int(source.closed[0])
        while grow(front, source, coder, len(kept), vertices, bordered) == MORE:
            coder = with_room(coder, len(coder.words))
        total += coder.weights
        count += 1
    coder.weights[:] = total // max(count, 1)
    return coder


def prime(meshes: Iterable[Int32s], *, least: int = _LEAST) -> bytes:
    """A table from the faces of other meshes, for ``encode_connectivity``.

    Args:
        meshes: faces of each, integers ``[F, 3]``.
        least: how often a counter must have been met to be in the table.

    Raises:
        InputError: no such arrays.
    """
    coder = _learn(meshes)
    row, slot = np.nonzero((coder.counters & np.uint32(1023)) >= least)
    weights = coder.weights[:_KINDS].ravel() >> _WEIGHT_SHIFT
    table = _Table(
        slots=slot.astype(np.int32),
        levels=_levels_of(coder.counters[row, slot]),
        rows=np.bincount(row, minlength=CONTEXTS).astype(np.int32),
        weights=(weights + _WEIGHTS // 2).clip(0, _WEIGHTS - 1).astype(np.int32),
        plain=_levels_of(coder.plain[:_PLAINS]),
    )
    writer = new_coder(np.empty(40 * len(slot) + 8192, dtype=np.uint32), False, mixing=False)
    sequential.encoder_init(writer.state)
    for count in table.rows:
        code_number(writer, _ROWS, int(count))
    _code_table(writer, table)
    return sequential.encoder_bytes(writer.state, writer.words)


@functools.lru_cache(maxsize=4)
def _read(primed: bytes) -> _Table:
    words = unpack_words(primed)
    reader = new_coder(words, True, mixing=False)
    sequential.decoder_init(reader.state, words)
    rows = np.array([code_number(reader, _ROWS, 0) for _ in range(CONTEXTS)], dtype=np.int64)
    if rows.max() > 1 << SLOT_BITS:
        raise ModelError(f"table of connectivity names {rows.max()} counters of one context")
    total = int(rows.sum())
    table = _Table(
        slots=np.zeros(total, dtype=np.int32),
        levels=np.zeros(total, dtype=np.int32),
        rows=rows.astype(np.int32),
        weights=np.zeros(_KINDS * INPUTS, dtype=np.int32),
        plain=np.zeros(_PLAINS, dtype=np.int32),
    )
    _code_table(reader, table)
    try:
        sequential.check_decoded(reader.state, primed)
    except FormatError as error:
        raise ModelError("table of connectivity is damaged; copy the model again") from error
    return table


def load_primed(coder: Coder, primed: bytes) -> None:
    """Start a coder's models from a table.

    Raises:
        ModelError: it is none, or damaged.
    """
    table = _read(bytes(primed))
    row = np.repeat(np.arange(CONTEXTS), table.rows)
    mine = row < len(coder.counters)
    coder.counters[row[mine], table.slots[mine]] = _counters_of(table.levels[mine], COUNT)
    weights = table.weights.reshape(_KINDS, INPUTS) - _WEIGHTS // 2
    coder.weights[:_KINDS] = weights << _WEIGHT_SHIFT
    coder.plain[:_PLAINS] = _counters_of(table.plain, COUNT)
