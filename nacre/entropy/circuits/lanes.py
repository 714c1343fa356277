"""Items in lanes: the messages of integer circuits.

Lane l of L holds the items ``l · ceil(N / L)`` and following, at most ``ceil(N / L)`` of them, as
one message of the range coder. The bytes of a lane depend on the circuit and its items alone, not
on how many lanes are coded side by side, on threads, or on the device.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from itertools import pairwise

import numpy as np
import numpy.typing as npt

from nacre.entropy import sequential
from nacre.entropy.circuits.integer import IntegerCircuit
from nacre.entropy.circuits.layout import Int64s
from nacre.entropy.circuits.walk import GROUP, Symbols, decode_group, intervals, space_for
from nacre.entropy.message import unpack_words
from nacre.entropy.sequential import COUNT, FAILED, HELD, STATE_SIZE, Bytes, State, Words, compiled
from nacre.errors import FormatError, InputError

Coders = npt.NDArray[np.uint64]
"""Decoders of several lanes, ``[n, STATE_SIZE]``."""


def lane_counts(items: int, lanes: int) -> list[int]:
    """How many of N items each of L lanes holds.

    Raises:
        InputError: a number is negative, or there are items and no lane.
    """
    if items < 0 or lanes < 0 or (items and not lanes):
        raise InputError(f"{items} items cannot be shared out among {lanes} lanes")
    each = -(-items // lanes) if lanes else 0
    return [min(max(items - lane * each, 0), each) for lane in range(lanes)]


def encode_lanes(
    circuit: IntegerCircuit,
    symbols: Symbols,
    lanes: int,
    *,
    threads: int = 1,
    device: str | None = None,
) -> list[bytes]:
    """Code items in lanes.

    Args:
        circuit: the circuit.
        symbols: uint8 ``[N, V]``, each below K; V in the numbering of the circuit.
        lanes: how many messages to make.
        threads: how many threads may compute.
        device: a torch device that computes the probabilities; compiled loops if there is none.

    Raises:
        InputError: the symbols are not the circuit's.
    """
    counts = lane_counts(len(symbols), lanes)
    _check_symbols(circuit, symbols)
    starts = np.concatenate([[0], np.cumsum(counts)]).astype(int)
    shares = [round(lanes * part / threads) for part in range(threads + 1)]

    def work(share: tuple[int, int]) -> list[bytes]:
        first, last = share
        rows = symbols[starts[first] : starts[last]]
        found = _intervals(circuit, rows, device)
        return _code(found, counts[first:last])

    with ThreadPoolExecutor(threads) as pool:
        return [message for part in pool.map(work, pairwise(shares)) for message in part]


def encode_items(circuit: IntegerCircuit, symbols: Symbols) -> bytes:
    """Items in one lane; see :func:`encode_lanes`."""
    return encode_lanes(circuit, symbols, 1)[0]


def decode_lanes(
    circuit: IntegerCircuit,
    messages: Sequence[Bytes],
    counts: Sequence[int],
    *,
    threads: int = 1,
    device: str | None = None,
) -> Symbols:
    """The items of several lanes, uint8 ``[N, V]``, lane after lane.

    Args:
        circuit: the circuit.
        messages: the bytes of each lane, all of them.
        counts: how many items each lane holds.
        threads: how many threads may compute.
        device: a torch device that computes the probabilities; compiled loops if there is none.

    Raises:
        FormatError: a message is damaged, or was coded with another circuit.
        InputError: there are not as many counts as messages, or one is negative.
    """
    symbols, coders = _decode(circuit, messages, counts, threads, device)
    for coder, message in zip(coders, messages, strict=True):
        sequential.check_decoded(coder, message)
    return symbols


def decode_prefix(circuit: IntegerCircuit, message: Bytes, count: int) -> Symbols:
    """The first ``count`` items of a lane that may hold more, uint8 ``[count, V]``.

    That the message ends well is not tested: only its whole can be.

    Raises:
        FormatError: the message is damaged so that a symbol has no interval.
    """
    symbols, coders = _decode(circuit, [message], [count], 1, None)
    if coders[0, FAILED]:
        raise FormatError("a lane of items is damaged, or was coded with another circuit")
    return symbols


def _check_symbols(circuit: IntegerCircuit, symbols: Symbols) -> None:
    if symbols.dtype != np.uint8 or symbols.ndim != 2 or symbols.shape[1] != circuit.variables:
        raise InputError(
            f"items must be uint8 [N, {circuit.variables}]; got {symbols.dtype} "
            f"{list(symbols.shape)}"
        )
    if symbols.max(initial=0) >= circuit.values:
        raise InputError(f"symbols must lie in 0..{circuit.values - 1}; got {symbols.max()}")


def _intervals(
    circuit: IntegerCircuit, symbols: Symbols, device: str | None
) -> Iterator[tuple[Words, Words]]:
    """Lower ends and lengths for consecutive items, uint32 ``[n, V]`` each, in the coded order."""
    if device is not None:
        from nacre.entropy.circuits.batched import encode_on_device

        yield from encode_on_device(circuit, symbols, device)
        return
    space = space_for(circuit.layout)
    for start in range(0, len(symbols), GROUP):
        rows = np.ascontiguousarray(symbols[start : start + GROUP])
        low = np.empty(rows.shape, np.uint32)
        frequency = np.empty(rows.shape, np.uint32)
        intervals(circuit.layout, rows, space, low, frequency)
        yield low, frequency


def _code(found: Iterator[tuple[Words, Words]], counts: Sequence[int]) -> list[bytes]:
    """One message for each count of items."""
    encoders = [_LaneEncoder() for _ in counts]
    owner = np.repeat(np.arange(len(counts)), counts)
    start = 0
    for low, frequency in found:
        lanes = owner[start : start + len(low)]
        start += len(low)
        for first, last in pairwise([0, *(np.flatnonzero(np.diff(lanes)) + 1), len(lanes)]):
            encoders[lanes[first]].append(low[first:last], frequency[first:last])
    return [encoder.finish() for encoder in encoders]


class _LaneEncoder:
    """The message of one lane while it grows."""

    def __init__(self) -> None:
        self._coder = np.empty(STATE_SIZE, np.uint64)
        self._words = np.empty(64, np.uint32)
        sequential.encoder_init(self._coder)

    def append(self, low: Words, frequency: Words) -> None:
        """Code the symbols of whole items, intervals uint32 ``[n, V]``."""
        needed = int(self._coder[COUNT] + self._coder[HELD]) + low.size + 2
        if needed > len(self._words):
            longer = np.empty(max(needed, 2 * len(self._words)), np.uint32)
            longer[: len(self._words)] = self._words
            self._words = longer
        _append(self._coder, self._words, low, frequency)

    def finish(self) -> bytes:
        return sequential.encoder_bytes(self._coder, self._words)


@compiled
def _append(coder: State, words: Words, low: Words, frequency: Words) -> None:
    for item in range(low.shape[0]):
        for place in range(low.shape[1]):
            sequential.encode_symbol(coder, words, low[item, place], frequency[item, place])


def _decode(
    circuit: IntegerCircuit,
    messages: Sequence[Bytes],
    counts: Sequence[int],
    threads: int,
    device: str | None,
) -> tuple[Symbols, Coders]:
    """Items, and the decoders after them."""
    if len(messages) != len(counts) or min(counts, default=0) < 0:
        raise InputError(f"{len(messages)} messages but the counts of {len(counts)} lanes")
    coders = np.empty((len(messages), STATE_SIZE), np.uint64)
    symbols = np.empty((sum(counts), circuit.variables), np.uint8)
    held = np.asarray(counts, np.int64)
    starts = np.cumsum(held) - held
    # Longest lanes first, so that those with items left are always the first of a group.
    ranked = np.argsort(-held, kind="stable")
    size = GROUP if device is None else max(len(ranked), 1)

    def work(lanes: Int64s) -> None:
        own = [messages[lane] for lane in lanes]
        coders[lanes] = _decode_group(circuit, own, held[lanes], starts[lanes], symbols, device)

    groups = [ranked[start : start + size] for start in range(0, len(ranked), size)]
    with ThreadPoolExecutor(threads) as pool:
        list(pool.map(work, groups))
    return symbols, coders


def _decode_group(
    circuit: IntegerCircuit,
    messages: Sequence[Bytes],
    counts: Int64s,
    starts: Int64s,
    symbols: Symbols,
    device: str | None,
) -> Coders:
    """Decode lanes side by side, counts falling, to the rows of ``symbols`` from ``starts`` on."""
    pieces = [unpack_words(message) for message in messages]
    coders = np.empty((len(pieces), STATE_SIZE), np.uint64)
    for coder, piece in zip(coders, pieces, strict=True):
        sequential.decoder_init(coder, piece)
    ends = np.cumsum([len(piece) for piece in pieces])
    bounds = np.stack([ends - [len(piece) for piece in pieces], ends], axis=1).astype(np.int64)
    words = np.concatenate(pieces)
    if device is not None:
        from nacre.entropy.circuits.batched import DeviceWalk, decode_on_device

        walk = DeviceWalk(circuit, device)
        for item in range(counts[0]):
            lanes = int((counts > item).sum())
            rows = decode_on_device(walk, words, bounds, coders[:lanes])
            symbols[starts[:lanes] + item] = rows
        return coders
    space = space_for(circuit.layout)
    for item in range(counts[0]):
        lanes = int((counts > item).sum())
        decode_group(circuit.layout, words, bounds, coders, space, starts + item, lanes, symbols)
    return coders
