"""A hidden Chow-Liu tree in integers, so that every machine computes the same probabilities.

Parameters are *levels*, small integers that a model file holds; a distribution is in proportion to

    LEVEL_SCALE · level² + floor

A uniform step in the square root of a probability costs the same divergence everywhere (it is the
metric of Fisher's information), whatever the probability: ``step² / 6`` nats for every parameter
and item, if the parameter of a state is weighted with how often an item is in that state. So levels
of rare states are small, and there is one step for a whole circuit.

The coder's tables follow from the levels by integer arithmetic alone:

* rows of weights, every entry at least 1, sum to 2^16; blocks of 8 x 8 may be absent;
* emissions, every entry at least 1, sum to 2^22 and are stored cumulatively, so that a mixture of
  states is a cumulative distribution as it stands;
* messages of the walk (``walk.py``) are scaled by powers of two until the largest entry has 20
  bits, and every entry is at least 1.

**Proof of exactness.** With M <= 256 states a product of messages is below 2^40, of a message and a
row or column of weights below 256 · 2^20 · 2^16 = 2^44, of a message and emissions below
256 · 2^20 · 2^22 = 2^50. All stay below 2^53, so float64 holds every partial sum in any order,
fused or not, and any device agrees with integers of 64 bits.

Source: Liu, Mandt, Van den Broeck, "Lossless Compression with Probabilistic Circuits", ICLR 2022
(coding with circuits); the integers and the walk are nacre's own.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Self

import numpy as np
import numpy.typing as npt

from nacre.entropy.circuits.layout import Floats, Int32s, Int64s, Layout, make_layout
from nacre.entropy.circuits.model import BLOCK, HCLT, make_hclt
from nacre.entropy.sequential import Bytes, compiled
from nacre.errors import ModelError

Levels = npt.NDArray[np.uint16]

WEIGHT_BITS = 16
EMISSION_BITS = 22
MAX_LEVEL = (1 << 14) - 1
MAX_FLOOR = 255
LEVEL_SCALE = 12
"""With a floor of 1 the weight is the mean of f²·12 for f spread evenly around the level."""
MAX_STATES = 256
MAX_VALUES = 256
MAX_ENTRIES = 1 << 26
"""Emissions of one circuit: 256 MiB of tables."""
MAX_VARIABLES = 1 << 16
MAX_BLOCKS = 1 << 20
"""Blocks of weights of one circuit: 512 MiB of tables."""
MAX_STACK = 1 << 19
"""Depth of the tree times states: 256 MiB for the messages of a group of lanes."""
DEFAULT_STEP = 2.0**-13


@dataclass(frozen=True, eq=False)
class IntegerCircuit:
    """A circuit as the coder takes it; see the module for what levels mean.

    Attributes:
        parents: int32 ``[V]``, -1 for the root.
        order: int32 ``[V]``, a depth-first order: the order of coding.
        root_levels: uint16 ``[M]``.
        block_first: int32 ``[V + 1]``: the blocks of variable v are those from ``block_first[v]``
            to before ``block_first[v + 1]``. The root has none.
        block_at: int32 ``[B]``, ``row · width + column`` of a block, rising for each variable;
            ``width = ceil(M / 8)``; rows are the parent's states.
        weight_levels: uint16 ``[B, 8, 8]``, 0 outside the M x M weights.
        emission_levels: uint16 ``[V, K, M]``.
        weight_floor: what an absent level counts in the root and the weights, 0 to 255.
        emission_floor: the same for emissions.

    Raises:
        ModelError: the arrays are no circuit, or one beyond the bounds of the module.
    """

    parents: Int32s
    order: Int32s
    root_levels: Levels
    block_first: Int32s
    block_at: Int32s
    weight_levels: Levels
    emission_levels: Levels
    weight_floor: int = 1
    emission_floor: int = 1

    def __post_init__(self) -> None:
        _check_shapes(self)
        depth = self.depth
        if (int(depth.max()) + 1) * self.states > MAX_STACK:
            raise ModelError(
                f"a tree {int(depth.max()) + 1} variables deep with {self.states} states; "
                f"the product may be {MAX_STACK} at most"
            )
        _check_blocks(self)

    @classmethod
    def from_hclt(
        cls, hclt: HCLT, *, step: float = DEFAULT_STEP, floors: tuple[int, int] = (1, 1)
    ) -> Self:
        """The integer twin of a float circuit.

        Args:
            hclt: the circuit. A row of weights without a block gets one.
            step: step of the square root of ``P(Z = k) · P(x | Z = k)``, at least 2^-14 or so;
                the loss is about ``step² / 6`` nats for every parameter and item.
            floors: ``weight_floor`` and ``emission_floor``.

        Raises:
            ModelError: the circuit is too large or too deep.
        """
        if not 1 / MAX_LEVEL <= step <= 1:
            raise ModelError(f"the step is {step}; it must lie between {1 / MAX_LEVEL:.2g} and 1")
        reach = _marginals(hclt)
        first, at, blocks = _blocks(hclt, reach)
        emissions = np.empty(hclt.emissions.shape, np.uint16)
        for variable in range(hclt.variables):  # one at a time: the floats take much memory
            joint = hclt.emissions[variable] * reach[variable]
            emissions[variable] = _levels(joint, step)
        return cls(
            hclt.parents.astype(np.int32),
            hclt.order.astype(np.int32),
            _levels(hclt.root, step),
            first,
            at,
            _levels(blocks, step),
            emissions,
            *floors,
        )

    def to_hclt(self) -> HCLT:
        """The float circuit of the very distributions that are coded under, for queries."""
        width, states = self.width, self.states
        owner = np.repeat(np.arange(self.variables), np.diff(self.block_first))
        tiles = np.zeros((self.variables, width, width, BLOCK, BLOCK))
        tiles[owner, self.block_at // width, self.block_at % width] = self.weights
        side = width * BLOCK
        full = tiles.transpose(0, 1, 3, 2, 4).reshape(-1, side, side)[:, :states, :states]
        emissions = np.diff(self.cumulative, axis=1) / (1 << EMISSION_BITS)
        scale = 1 << WEIGHT_BITS
        return make_hclt(self.parents, self.root / scale, full / scale, emissions)

    def to_bytes(self) -> bytes:
        """The circuit as the content of a model file; see ``serial.py``."""
        from nacre.entropy.circuits.serial import circuit_to_bytes

        return circuit_to_bytes(self)

    @classmethod
    def from_bytes(cls, data: Bytes) -> IntegerCircuit:
        """The circuit that :meth:`to_bytes` wrote.

        Raises:
            FormatError: the data are damaged.
        """
        from nacre.entropy.circuits.serial import circuit_from_bytes

        return circuit_from_bytes(data)

    @property
    def variables(self) -> int:
        """V."""
        return self.emission_levels.shape[0]

    @property
    def values(self) -> int:
        """K."""
        return self.emission_levels.shape[1]

    @property
    def states(self) -> int:
        """M."""
        return self.emission_levels.shape[2]

    @property
    def width(self) -> int:
        """Blocks side by side in a full matrix of weights."""
        return -(-self.states // BLOCK)

    @cached_property
    def depth(self) -> Int32s:
        """Depth of the variable at each place of ``order``, int32 ``[V]``; 0 for the root.

        Raises:
            ModelError: ``order`` is not a depth-first order of the tree.
        """
        return _depth_first(self.parents, self.order)

    @cached_property
    def root(self) -> Int32s:
        """The root's distribution, int32 ``[M]``, sums to 2^16."""
        table = np.empty((1, len(self.root_levels) + 1, 1), np.int32)
        levels = self.root_levels.reshape(1, -1, 1)
        _accumulate(levels, self.weight_floor, 1 << WEIGHT_BITS, table, np.empty(1, np.int64))
        return np.diff(table[0, :, 0]).astype(np.int32)

    @cached_property
    def weights(self) -> Int32s:
        """The blocks of weights, int32 ``[B, 8, 8]``; all rows of a variable sum to 2^16."""
        table = np.zeros(self.weight_levels.shape, np.int32)
        _weight_rows(
            self.weight_levels,
            self.block_first,
            self.block_at,
            self.states,
            self.weight_floor,
            table,
        )
        return table

    @cached_property
    def cumulative(self) -> Int32s:
        """Cumulative emissions, int32 ``[V, K + 1, M]``, from 0 to 2^22 along each column."""
        shape = (self.variables, self.values + 1, self.states)
        table = np.empty(shape, np.int32)
        total = np.empty(self.states, np.int64)
        _accumulate(self.emission_levels, self.emission_floor, 1 << EMISSION_BITS, table, total)
        return table

    @cached_property
    def layout(self) -> Layout:
        """The circuit as the walk reads it."""
        return make_layout(self)


@compiled
def _accumulate(levels: Levels, floor: int, whole: int, table: Int32s, total: Int64s) -> None:
    """Cumulative distributions ``table [V, K + 1, M]`` of levels ``[V, K, M]`` along K.

    ``x + floor(sum of the first x weights · (whole - K) / sum of all)``: every step is at least 1
    and the last entry is ``whole``. Below 2^62: 2^22 · 256 · (12 · 2^28 + 255).
    """
    variables, values, states = levels.shape
    for v in range(variables):
        for k in range(states):
            total[k] = 0
        for x in range(values):
            for k in range(states):
                level = np.int64(levels[v, x, k])
                total[k] += LEVEL_SCALE * level * level + floor
        for k in range(states):
            even = total[k] == 0
            spread = np.int64(values) if even else np.int64(total[k])
            running = np.int64(0)
            for x in range(values):
                table[v, x, k] = x + running * (whole - values) // spread
                level = np.int64(levels[v, x, k])
                running += 1 if even else LEVEL_SCALE * level * level + floor
            table[v, values, k] = whole


@compiled
def _weight_rows(
    levels: Levels, first: Int32s, at: Int32s, states: int, floor: int, table: Int32s
) -> None:
    """As :func:`_accumulate` for every row of weights, over the blocks that it has."""
    width = (states + BLOCK - 1) // BLOCK
    whole = 1 << WEIGHT_BITS
    for v in range(len(first) - 1):
        start = first[v]
        while start < first[v + 1]:
            row, end = at[start] // width, start
            while end < first[v + 1] and at[end] // width == row:
                end += 1
            for i in range(min(BLOCK, states - row * BLOCK)):
                total, count = np.int64(0), 0
                for block in range(start, end):
                    for j in range(min(BLOCK, states - (at[block] % width) * BLOCK)):
                        level = np.int64(levels[block, i, j])
                        total += LEVEL_SCALE * level * level + floor
                        count += 1
                even = total == 0
                if even:
                    total = np.int64(count)
                running, seen, before = np.int64(0), 0, np.int64(0)
                for block in range(start, end):
                    for j in range(min(BLOCK, states - (at[block] % width) * BLOCK)):
                        level = np.int64(levels[block, i, j])
                        running += 1 if even else LEVEL_SCALE * level * level + floor
                        seen += 1
                        edge = seen + running * (whole - count) // total
                        table[block, i, j] = edge - before
                        before = edge
            start = end


def _levels(probabilities: Floats, step: float) -> Levels:
    levels: Floats = np.rint(np.sqrt(probabilities) / step).clip(0, MAX_LEVEL)
    return levels.astype(np.uint16)


def _marginals(hclt: HCLT) -> Floats:
    """``P(Z_v = k)``, ``[V, M]``."""
    reach = np.empty((hclt.variables, hclt.states))
    for variable in hclt.order:
        parent = hclt.parents[variable]
        reach[variable] = hclt.root if parent < 0 else reach[parent] @ hclt.weights[variable]
    return reach


def _blocks(hclt: HCLT, reach: Floats) -> tuple[Int32s, Int32s, Floats]:
    """Where blocks are, and the joint probabilities of parent's and child's state in them."""
    width = -(-hclt.states // BLOCK)
    first, places, blocks = [0], [], []
    for variable in range(hclt.variables):
        parent = hclt.parents[variable]
        if parent >= 0:
            padded = np.zeros((width * BLOCK, width * BLOCK))
            joint = hclt.weights[variable] * reach[parent][:, None]
            padded[: hclt.states, : hclt.states] = joint
            tiles = padded.reshape(width, BLOCK, width, BLOCK).transpose(0, 2, 1, 3)
            mass = tiles.sum(axis=(2, 3))
            present = mass > 0
            missing = ~present.any(axis=1)
            present[missing, mass.sum(axis=0).argmax()] = True
            places.append(np.flatnonzero(present))
            blocks.append(tiles[present])
        first.append(first[-1] + (len(places[-1]) if parent >= 0 else 0))
    at = np.concatenate(places) if places else np.empty(0, np.int32)
    joint = np.concatenate(blocks) if blocks else np.empty((0, BLOCK, BLOCK))
    return np.array(first, np.int32), at.astype(np.int32), joint


def _check_shapes(circuit: IntegerCircuit) -> None:
    shape = circuit.emission_levels.shape
    if len(shape) != 3 or 0 in shape:
        raise ModelError(f"emission levels have the shape {shape}; expected [V, K, M]")
    variables, values, states = shape
    if not 2 <= values <= MAX_VALUES or states > MAX_STATES or np.prod(shape) > MAX_ENTRIES:
        raise ModelError(
            f"a circuit of {variables} variables, {values} values and {states} states; there may "
            f"be 2 to {MAX_VALUES} values, {MAX_STATES} states and {MAX_ENTRIES} emissions in all"
        )
    blocks = len(circuit.block_at)
    if variables > MAX_VARIABLES or blocks > MAX_BLOCKS:
        raise ModelError(
            f"a circuit of {variables:,} variables and {blocks:,} blocks; there may be "
            f"{MAX_VARIABLES:,} and {MAX_BLOCKS:,}"
        )
    expected = {
        "parents": ((variables,), np.int32),
        "order": ((variables,), np.int32),
        "root_levels": ((states,), np.uint16),
        "block_first": ((variables + 1,), np.int32),
        "block_at": ((blocks,), np.int32),
        "weight_levels": ((blocks, BLOCK, BLOCK), np.uint16),
        "emission_levels": (shape, np.uint16),
    }
    for name, (size, kind) in expected.items():
        array = getattr(circuit, name)
        if array.shape != size or array.dtype != kind or not array.flags.c_contiguous:
            raise ModelError(f"{name} of a circuit must be {np.dtype(kind)} {list(size)}, in order")
    for name in ("root_levels", "weight_levels", "emission_levels"):
        if getattr(circuit, name).max(initial=0) > MAX_LEVEL:
            raise ModelError(f"{name} of a circuit exceed {MAX_LEVEL}")
    if not (0 <= circuit.weight_floor <= MAX_FLOOR and 0 <= circuit.emission_floor <= MAX_FLOOR):
        raise ModelError(f"floors of a circuit must lie in 0..{MAX_FLOOR}")


def _depth_first(parents: Int32s, order: Int32s) -> Int32s:
    """Depth along ``order``; checks that it is a depth-first order of one tree."""
    count = len(order)
    if not np.array_equal(np.sort(order), np.arange(count)) or parents[order[0]] != -1:
        raise ModelError("the order of a circuit does not name every variable once, root first")
    depth = np.zeros(count, np.int32)
    path = [int(order[0])]
    for place, variable in enumerate(order[1:].tolist(), start=1):
        parent = int(parents[variable])
        while path and path[-1] != parent:
            path.pop()
        if not path:
            raise ModelError(f"variable {variable} of a circuit does not follow its parent")
        depth[place] = len(path)
        path.append(variable)
    return depth


def _check_blocks(circuit: IntegerCircuit) -> None:
    """Every row has a block, blocks rise, and the root has none."""
    first, at, width = circuit.block_first, circuit.block_at, circuit.width
    counts = np.diff(first)
    if first[0] != 0 or first[-1] != len(at) or counts.min() < 0:
        raise ModelError("blocks of a circuit are not shared out among its variables")
    owner = np.repeat(np.arange(circuit.variables, dtype=np.int64), counts)
    if len(at) and (at.min() < 0 or at.max() >= width * width):
        raise ModelError(f"blocks of a circuit must lie in {width} x {width}")
    if (np.diff(owner * width * width + at) <= 0).any():
        raise ModelError("blocks of a circuit must rise")
    rows = np.zeros((circuit.variables, width), bool)
    rows[owner, at // width] = True
    expected = np.broadcast_to(circuit.parents[:, None] >= 0, rows.shape)
    if not np.array_equal(rows, expected):
        raise ModelError("a row of a circuit's weights has no block, or its root has one")
