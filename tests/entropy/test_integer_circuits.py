"""Integer circuits: the walk against Python's integers, every path against every other, damage."""

from __future__ import annotations

import hashlib
import math
from collections.abc import Iterator
from itertools import pairwise

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from nacre.entropy import sequential
from nacre.entropy.circuits import queries
from nacre.entropy.circuits.integer import LEVEL_SCALE, IntegerCircuit
from nacre.entropy.circuits.lanes import (
    decode_lanes,
    decode_prefix,
    encode_items,
    encode_lanes,
    lane_counts,
)
from nacre.entropy.circuits.learning import Plan, Stage, learn
from nacre.entropy.circuits.model import BLOCK, depth_first, random_hclt
from nacre.entropy.circuits.walk import intervals, space_for
from nacre.entropy.sequential import STATE_SIZE
from nacre.errors import FormatError, InputError, ModelError

Symbols = npt.NDArray[np.uint8]
PARTS = (
    "parents", "order", "root_levels", "block_first", "block_at", "weight_levels",
    "emission_levels", "weight_floor", "emission_floor",
)  # fmt: skip


def numbers(seed: int) -> Iterator[int]:
    """Pseudo-random numbers of 31 bits that no library changes."""
    state = seed
    while True:
        state = (6364136223846793005 * state + 1442695040888963407) % 2**64
        yield state >> 33


def pruned_circuit(variables: int, values: int, states: int, seed: int) -> IntegerCircuit:
    """A circuit of whole numbers alone, with about half of its blocks."""
    draw = numbers(seed)
    width = -(-states // BLOCK)
    parents = np.array([-1] + [max(0, v - 1 - next(draw) % 3) for v in range(1, variables)])
    first, at = [0], []
    for variable in range(variables):
        for row in range(width if variable else 0):
            kept = [column for column in range(width) if next(draw) % 2]
            at += [row * width + column for column in kept or [next(draw) % width]]
        first.append(len(at))
    weights = np.zeros((len(at), BLOCK, BLOCK), np.uint16)
    for block, place in enumerate(at):
        rows, columns = (min(BLOCK, states - n * BLOCK) for n in divmod(place, width))
        for i in range(rows):
            weights[block, i, :columns] = [next(draw) % 40 for _ in range(columns)]
    emissions = [next(draw) % 200 * (next(draw) % 2) for _ in range(variables * values * states)]
    return IntegerCircuit(
        parents.astype(np.int32),
        depth_first(parents.astype(np.int32)),
        np.array([next(draw) % 90 for _ in range(states)], np.uint16),
        np.array(first, np.int32),
        np.array(at, np.int32),
        weights,
        np.array(emissions, np.uint16).reshape(variables, values, states),
    )


def items_of(circuit: IntegerCircuit, count: int, seed: int) -> Symbols:
    draw = numbers(seed)
    flat = [next(draw) % circuit.values for _ in range(count * circuit.variables)]
    return np.array(flat, np.uint8).reshape(count, circuit.variables)


# ---- the definition, in Python's integers ----


def shares(levels: list[int], floor: int, whole: int) -> list[int]:
    """A distribution of levels, from the module's words."""
    mass = [LEVEL_SCALE * level**2 + floor for level in levels]
    if not sum(mass):
        mass = [1] * len(mass)
    edges = [x + sum(mass[:x]) * (whole - len(mass)) // sum(mass) for x in range(len(mass))] + [
        whole
    ]
    return [b - a for a, b in pairwise(edges)]


def scaled(vector: list[int]) -> list[int]:
    bits = max(vector).bit_length()
    return [max(1, n << 20 - bits if bits < 20 else n >> bits - 20) for n in vector]


def dot(left: list[int], right: list[int]) -> int:
    return sum(a * b for a, b in zip(left, right, strict=True))


def matrix_of(circuit: IntegerCircuit, variable: int) -> list[list[int]]:
    """W of a variable, ``[M][M]``; zeros where there is no block."""
    states, width = circuit.states, circuit.width
    matrix = [[0] * states for _ in range(states)]
    blocks = range(circuit.block_first[variable], circuit.block_first[variable + 1])
    for row in range(states):
        places = [
            (block, int(circuit.block_at[block]) % width * BLOCK + j, j)
            for block in blocks
            if int(circuit.block_at[block]) // width == row // BLOCK
            for j in range(BLOCK)
        ]
        places = [place for place in places if place[1] < states]
        levels = [int(circuit.weight_levels[block, row % BLOCK, j]) for block, _, j in places]
        for (_, column, _), share in zip(
            places, shares(levels, circuit.weight_floor, 2**16), strict=True
        ):
            matrix[row][column] = share
    return matrix


def reference_intervals(circuit: IntegerCircuit, item: list[int]) -> list[tuple[int, int]]:
    """The interval of every symbol, by recursion over the tree."""
    states = circuit.states
    emissions = [
        [
            shares(
                [int(n) for n in circuit.emission_levels[v, :, k]], circuit.emission_floor, 2**22
            )
            for k in range(states)
        ]
        for v in range(circuit.variables)
    ]
    matrices = [matrix_of(circuit, v) for v in range(circuit.variables)]
    rank = {int(v): place for place, v in enumerate(circuit.order)}
    children: list[list[int]] = [[] for _ in range(circuit.variables)]
    for v in circuit.order.tolist():
        if circuit.parents[v] >= 0:
            children[circuit.parents[v]].append(v)
    found: list[tuple[int, int]] = []

    def visit(v: int, down: list[int]) -> list[int]:
        """Code the subtree of v; what it says about Z_v."""
        total, x = sum(down), item[v]
        below = sum(down[k] * sum(emissions[v][k][:x]) for k in range(states))
        upto = sum(down[k] * sum(emissions[v][k][: x + 1]) for k in range(states))
        low, high = 4 * below // total, 4 * upto // total
        found.append((low, high - low))
        evidence = [emissions[v][k][x] for k in range(states)]
        belief = scaled([a * b for a, b in zip(evidence, down, strict=True)])
        for child in sorted(children[v], key=lambda c: rank[c]):
            matrix = matrices[child]
            message = visit(
                child,
                scaled(
                    [sum(belief[i] * matrix[i][j] for i in range(states)) for j in range(states)]
                ),
            )
            up = scaled(
                [sum(matrix[i][j] * message[j] for j in range(states)) for i in range(states)]
            )
            belief = scaled([a * b for a, b in zip(belief, up, strict=True)])
            evidence = scaled([a * b for a, b in zip(evidence, up, strict=True)])
        return evidence

    root = shares([int(n) for n in circuit.root_levels], circuit.weight_floor, 2**16)
    visit(int(circuit.order[0]), scaled(root))
    return found


def compiled_intervals(circuit: IntegerCircuit, symbols: Symbols) -> npt.NDArray[np.uint32]:
    low, frequency = np.empty((2, *symbols.shape), np.uint32)
    intervals(circuit.layout, symbols, space_for(circuit.layout), low, frequency)
    return np.stack([low, frequency], axis=-1)


def message_of(found: list[tuple[int, int]]) -> bytes:
    state, words = np.empty(STATE_SIZE, np.uint64), np.empty(len(found) + 2, np.uint32)
    sequential.encoder_init(state)
    for low, frequency in found:
        sequential.encode_symbol(state, words, low, frequency)
    return sequential.encoder_bytes(state, words)


@settings(max_examples=25, deadline=None)
@given(st.integers(1, 9), st.integers(2, 5), st.integers(1, 18), st.integers(0, 10_000))
def test_the_walk_is_its_definition_in_pythons_integers(
    variables: int, values: int, states: int, seed: int
) -> None:
    circuit = pruned_circuit(variables, values, states, seed)
    symbols = items_of(circuit, 3, seed + 1)
    expected = [reference_intervals(circuit, item) for item in symbols.tolist()]
    assert compiled_intervals(circuit, symbols).tolist() == [
        [list(pair) for pair in item] for item in expected
    ]
    message = message_of([pair for item in expected for pair in item])
    assert encode_items(circuit, symbols) == message
    assert np.array_equal(decode_lanes(circuit, [message], [3]), symbols)


# ---- every path gives the same bytes ----


@pytest.fixture(scope="module")
def circuit() -> IntegerCircuit:
    return pruned_circuit(14, 7, 19, seed=5)


def test_batches_threads_and_devices_change_no_byte(circuit: IntegerCircuit) -> None:
    symbols = items_of(circuit, 83, seed=6)
    lanes = 37  # more than are coded side by side, and a last one that is shorter
    counts = lane_counts(len(symbols), lanes)
    assert sum(counts) == 83 and 0 in counts
    expected = encode_lanes(circuit, symbols, lanes)
    assert encode_lanes(circuit, symbols, lanes, threads=2) == expected
    assert encode_lanes(circuit, symbols, lanes, device="cpu") == expected
    starts = np.cumsum(counts) - counts
    for lane, (start, count) in enumerate(zip(starts, counts, strict=True)):
        assert encode_items(circuit, symbols[start : start + count]) == expected[lane]
    for options in ({}, {"threads": 2}, {"device": "cpu"}):
        assert np.array_equal(decode_lanes(circuit, expected, counts, **options), symbols)
    for lane in (0, 20):
        own = symbols[starts[lane] : starts[lane] + counts[lane]]
        assert np.array_equal(decode_lanes(circuit, [expected[lane]], [counts[lane]]), own)
        for count in range(counts[lane] + 1):
            assert np.array_equal(decode_prefix(circuit, expected[lane], count), own[:count])


def test_a_single_item_has_the_intervals_of_a_batch(circuit: IntegerCircuit) -> None:
    symbols = items_of(circuit, 32, seed=7)
    whole = compiled_intervals(circuit, symbols)
    alone = [compiled_intervals(circuit, symbols[n : n + 1])[0] for n in range(32)]
    assert np.array_equal(whole, alone)


def test_bytes_are_frozen(circuit: IntegerCircuit) -> None:
    lanes = encode_lanes(circuit, items_of(circuit, 50, seed=8), 4)
    digests = [
        hashlib.sha256(part).hexdigest()[:16] for part in (b"".join(lanes), circuit.to_bytes())
    ]
    assert digests == FROZEN


def test_what_is_no_item_is_refused(circuit: IntegerCircuit) -> None:
    for bad in (
        np.full((2, 14), 7, np.uint8),
        np.zeros((2, 13), np.uint8),
        np.zeros((2, 14), np.int64),
    ):
        with pytest.raises(InputError):
            encode_items(circuit, bad)
    with pytest.raises(InputError):
        decode_lanes(circuit, [b""], [1, 2])
    with pytest.raises(InputError):
        lane_counts(3, 0)
    assert encode_lanes(circuit, np.empty((0, 14), np.uint8), 2) == [b"", b""]


# ---- loss ----


def test_integers_cost_at_most_one_in_five_thousand() -> None:
    rng = np.random.default_rng(0)
    y, x = np.mgrid[0:6, 0:7]
    radius = rng.integers(1, 4, (1500, 1, 1))
    noise = rng.normal(0, 2, (1500, 6, 7))
    discs = (40 + 90 * ((y - 3) ** 2 + (x - 3) ** 2 < radius**2) + noise).clip(0, 255)
    items = discs.astype(np.uint8).reshape(1500, -1)
    learned = learn(items[500:], items[:500], 256, Plan((Stage(16, 6, keep=0.6),), batch=64))
    assert learned is not None
    circuit = IntegerCircuit.from_hclt(learned.circuit)
    ideal = -queries.log_likelihood(learned.circuit, items[:500]).sum() / math.log(2)
    coded = -np.log2(compiled_intervals_of_many(circuit, items[:500]) / 2**24).sum()
    assert coded < 1.0002 * ideal
    back = -queries.log_likelihood(circuit.to_hclt(), items[:500]).sum() / math.log(2)
    assert coded == pytest.approx(back, rel=2e-5)
    assert 8 * len(encode_items(circuit, items[:500])) < coded + 64


def compiled_intervals_of_many(circuit: IntegerCircuit, items: Symbols) -> npt.NDArray[np.float64]:
    parts = [items[start : start + 32] for start in range(0, len(items), 32)]
    return np.concatenate([compiled_intervals(circuit, part)[..., 1].ravel() for part in parts])


# ---- model files ----


@settings(max_examples=20, deadline=None)
@given(st.integers(1, 9), st.integers(2, 40), st.integers(1, 20), st.integers(0, 10_000))
def test_tables_come_back(variables: int, values: int, states: int, seed: int) -> None:
    for circuit in (
        pruned_circuit(variables, values, states, seed),
        IntegerCircuit.from_hclt(random_hclt(variables, states, values, seed), floors=(0, 255)),
    ):
        data = circuit.to_bytes()
        again = IntegerCircuit.from_bytes(data)
        for name in PARTS:
            assert np.array_equal(getattr(again, name), getattr(circuit, name)), name
        assert again.to_bytes() == data


def test_an_order_of_its_own_is_not_written() -> None:
    circuit = pruned_circuit(3, 3, 3, seed=0)
    fields = {name: getattr(circuit, name) for name in PARTS}
    fields |= {
        "parents": np.array([-1, 0, 0], np.int32),
        "order": np.array([0, 2, 1], np.int32),
    }
    other = IntegerCircuit(**fields)
    with pytest.raises(ModelError, match="depth_first"):
        other.to_bytes()


def refusals(circuit: IntegerCircuit, messages: list[bytes], device: str | None = None) -> int:
    """How many of the messages of 20 items are refused; what the others give must be items."""
    refused = 0
    for message in messages:
        try:
            decoded = decode_lanes(circuit, [message], [20], device=device)
        except FormatError:
            refused += 1
        else:
            assert decoded.shape == (20, circuit.variables)
            assert decoded.max() < circuit.values
    return refused


def flipped(data: bytes, count: int, seed: int) -> list[bytes]:
    """Copies with one bit changed."""
    draw, copies = numbers(seed), [bytearray(data) for _ in range(count)]
    for copy in copies:
        copy[next(draw) % len(data)] ^= 1 << next(draw) % 8
    return [bytes(copy) for copy in copies]


def test_damaged_messages_are_refused_or_harmless(circuit: IntegerCircuit) -> None:
    # A message says nothing about itself but that its last bytes are those an encoder writes.
    message = encode_items(circuit, items_of(circuit, 20, seed=9))
    assert refusals(circuit, flipped(message, 100, 1)) > 90
    assert refusals(circuit, flipped(message, 20, 2), device="cpu") > 15
    assert refusals(circuit, [message[:n] for n in range(len(message))]) > len(message) - 5
    assert refusals(circuit, [message + b"\1", b"\xff" * 400, b""]) == 3
    with pytest.raises(FormatError):
        decode_prefix(circuit, b"\xff" * 400, 20)


def test_damaged_tables_are_refused_or_a_circuit() -> None:
    data = pruned_circuit(4, 5, 10, seed=3).to_bytes()
    cases = flipped(data, 100, 2) + [data[:n] for n in range(0, len(data), 7)]
    refused = 0
    for damaged in cases:
        try:
            found = IntegerCircuit.from_bytes(damaged)
        except FormatError:
            refused += 1
            continue
        symbols = items_of(found, 2, seed=1)
        assert np.array_equal(decode_lanes(found, [encode_items(found, symbols)], [2]), symbols)
    assert refused > len(cases) - 20
    for bad in (b"", b"\2" + data[1:], data + b"\1", data[:4] + b"\xff" * 500):
        with pytest.raises(FormatError):
            IntegerCircuit.from_bytes(bad)


@pytest.mark.parametrize(
    "sizes",
    [
        (0, 4, 4),
        (4, 1, 4),
        (4, 4, 0),
        (1 << 17, 2, 1),
        (4, 257, 4),
        (4, 4, 257),
        (1 << 16, 64, 256),
    ],
)
def test_sizes_beyond_bounds_take_no_memory(sizes: tuple[int, int, int]) -> None:
    from nacre.stream import write_varint

    head = bytearray([1])
    for number in (*sizes, 1, 1):
        write_varint(head, number)
    with pytest.raises(FormatError):
        IntegerCircuit.from_bytes(bytes(head) + bytes(range(1, 200)))


def test_arrays_that_are_no_circuit_are_refused() -> None:
    circuit = pruned_circuit(5, 4, 9, seed=4)
    fields = {name: getattr(circuit, name) for name in PARTS}
    for name, bad in (
        ("parents", np.roll(circuit.parents, 1)),
        ("order", circuit.order[::-1].copy()),
        ("root_levels", circuit.root_levels.astype(np.int64)),
        ("block_at", circuit.block_at[::-1].copy()),
        ("block_at", circuit.block_at + np.int32(1000)),
        ("block_first", np.zeros_like(circuit.block_first)),
        ("emission_levels", np.full_like(circuit.emission_levels, 1 << 14)),
        ("weight_floor", 256),
    ):
        with pytest.raises(ModelError):
            IntegerCircuit(**{**fields, name: bad})
    with pytest.raises(ModelError, match="step"):
        IntegerCircuit.from_hclt(random_hclt(3, 2, 2, 0), step=2.0)


FROZEN = ["ec4fa8888dcfeb9a", "3f8e8f0bda9f997f"]
