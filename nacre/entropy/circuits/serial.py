"""An integer circuit as bytes: the content of a model file and of an archive's MODEL section.

    version (1 byte); V, K, M, floor of weights, floor of emissions (LEB128 each); one message

The message of the range coder (``sequential.py``) holds binary decisions under probabilities that
learn on the way (``levels.py``): the tree, the places of all blocks, the root's distribution, then,
variable after variable in the order of coding, weights and emissions. The order is not written: it
is :func:`~nacre.entropy.circuits.model.depth_first` of the tree.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from nacre.entropy import sequential
from nacre.entropy.circuits import levels as coding
from nacre.entropy.circuits.integer import (
    MAX_BLOCKS,
    MAX_ENTRIES,
    MAX_FLOOR,
    MAX_STATES,
    MAX_VALUES,
    MAX_VARIABLES,
    IntegerCircuit,
    Levels,
)
from nacre.entropy.circuits.layout import Int32s
from nacre.entropy.circuits.levels import Bools, Coder, new_coder
from nacre.entropy.circuits.model import BLOCK, depth_first
from nacre.entropy.message import unpack_words
from nacre.entropy.sequential import COUNT, HELD, STATE_SIZE, Bytes
from nacre.errors import FormatError, InputError, ModelError
from nacre.stream import Reader, write_varint

VERSION = 1
WHERE = "tables of a circuit"


@dataclass
class _Tables:
    """What is coded, in the order of variables; ``weights`` are there once ``present`` is known."""

    parents: Int32s
    present: Bools
    root: Levels
    weights: Levels
    emissions: Levels


def circuit_to_bytes(circuit: IntegerCircuit) -> bytes:
    """A circuit as bytes.

    Raises:
        ModelError: its order is not that of :func:`~nacre.entropy.circuits.model.depth_first`.
    """
    if not np.array_equal(circuit.order, depth_first(circuit.parents)):
        raise ModelError("a circuit in an order of its own cannot be written; use depth_first()")
    head = bytearray([VERSION])
    sizes = (circuit.variables, circuit.values, circuit.states)
    for number in (*sizes, circuit.weight_floor, circuit.emission_floor):
        write_varint(head, number)
    owner = np.repeat(np.arange(circuit.variables), np.diff(circuit.block_first))
    present = np.zeros((circuit.variables, circuit.width**2), bool)
    present[owner, circuit.block_at] = True
    tables = _Tables(
        circuit.parents.copy(),
        present.reshape(-1, circuit.width, circuit.width),
        circuit.root_levels.copy(),
        circuit.weight_levels.copy(),
        circuit.emission_levels.copy(),
    )
    state = np.empty(STATE_SIZE, np.uint64)
    sequential.encoder_init(state)
    coder = _code(new_coder(True, state, np.empty(1 << 16, np.uint32)), tables)
    return bytes(head) + sequential.encoder_bytes(coder.state, coder.words)


def circuit_from_bytes(data: Bytes) -> IntegerCircuit:
    """The circuit that :func:`circuit_to_bytes` wrote.

    Raises:
        FormatError: the data are damaged.
    """
    reader = Reader(bytes(data), WHERE)
    version = reader.take(1, "version")[0]
    if version != VERSION:
        raise FormatError(f"{WHERE}: version {version} is not known here")
    variables = reader.varint("variables", MAX_VARIABLES)
    values, states = reader.varint("values", MAX_VALUES), reader.varint("states", MAX_STATES)
    floors = reader.varint("floor", MAX_FLOOR), reader.varint("floor", MAX_FLOOR)
    if min(variables, states) < 1 or values < 2 or variables * values * states > MAX_ENTRIES:
        raise FormatError(f"{WHERE}: {variables} variables, {values} values, {states} states")
    message = reader.rest()
    width = -(-states // BLOCK)
    tables = _Tables(
        np.zeros(variables, np.int32),
        np.zeros((variables, width, width), bool),
        np.zeros(states, np.uint16),
        np.zeros((0, BLOCK, BLOCK), np.uint16),
        np.zeros((variables, values, states), np.uint16),
    )
    state = np.empty(STATE_SIZE, np.uint64)
    words = unpack_words(message)
    sequential.decoder_init(state, words)
    _code(new_coder(False, state, words), tables)
    sequential.check_decoded(state, message)
    flat = tables.present.reshape(variables, -1)
    first = np.concatenate([[0], np.cumsum(flat.sum(axis=1))]).astype(np.int32)
    at = np.nonzero(flat)[1].astype(np.int32)
    order = depth_first(tables.parents)
    try:
        return IntegerCircuit(
            tables.parents, order, tables.root, first, at, tables.weights, tables.emissions, *floors
        )
    except ModelError as error:
        raise FormatError(f"{WHERE}: {error}") from error


def _code(coder: Coder, tables: _Tables) -> Coder:
    """Write the tables, or fill them in; the coder as it is afterwards."""
    variables, values, states = tables.emissions.shape
    coder = _ready(coder, variables * coding.TREE_DECISIONS)
    coding.code_tree(coder, tables.parents)
    _refuse_damage(coder)
    try:
        order = depth_first(tables.parents)
    except InputError as error:
        raise FormatError(f"{WHERE}: {error}") from error
    coder = _code_places(coder, tables)
    ends = np.cumsum(tables.present.sum(axis=(1, 2)))
    if not coder.writing:
        tables.weights = np.zeros((int(ends[-1]), BLOCK, BLOCK), np.uint16)
    mass = np.zeros((variables, states), np.int64)
    link, work, nothing = np.zeros(states, np.int64), np.empty((3, states), np.int64), mass[0] * 0
    none = np.zeros((values, states), np.uint16)
    other = coder.fresh()  # weights and emissions have contexts of their own
    for variable in order.tolist():
        parent, end = int(tables.parents[variable]), int(ends[variable])
        at = np.flatnonzero(tables.present[variable]).astype(np.int32)
        coder = _ready(coder, (at.size * BLOCK**2 + states) * coding.LEVEL_DECISIONS)
        if parent < 0:
            coding.code_root(coder, tables.root, mass[variable])
        else:
            own = tables.weights[end - at.size : end]
            coding.code_weights(
                coder, at, own, mass[parent], mass[variable], link, work[0], work[1]
            )
        coder = _ready(coder, values * states * coding.LEVEL_DECISIONS)
        other = other._replace(words=coder.words)
        before = none if parent < 0 else tables.emissions[parent]
        above = nothing if parent < 0 else mass[parent]
        coding.code_emissions(
            other, tables.emissions[variable], before, mass[variable], above, link, work
        )
        _refuse_damage(coder)
    return coder


def _code_places(coder: Coder, tables: _Tables) -> Coder:
    for variable in np.flatnonzero(tables.parents >= 0):
        coder = _ready(coder, tables.present[variable].size)
        coding.code_places(coder, tables.present[variable])
        _refuse_damage(coder)
    if int(tables.present.sum()) > MAX_BLOCKS:
        raise FormatError(f"{WHERE}: more than {MAX_BLOCKS:,} blocks")
    return coder


def _ready(coder: Coder, decisions: int) -> Coder:
    """The coder with room for so many words more, one for each decision."""
    if not coder.writing:
        return coder
    used = int(coder.state[COUNT] + coder.state[HELD])
    if used + decisions + 2 <= len(coder.words):
        return coder
    longer = np.empty(max(2 * len(coder.words), used + decisions + 2), np.uint32)
    longer[:used] = coder.words[:used]
    return coder._replace(words=longer)


def _refuse_damage(coder: Coder) -> None:
    if not coder.writing and coding.failed(coder):
        raise FormatError(f"{WHERE}: damaged")
