"""Counters and mixtures learn what was seen; their tables are what their formulas say."""

from __future__ import annotations

import math

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from nacre.entropy import mixing, sequential
from nacre.entropy.message import unpack_words
from nacre.entropy.tables import TOTAL
from nacre.errors import FormatError


def test_squash_is_the_logistic_function() -> None:
    x = np.arange(-mixing.LIMIT, mixing.LIMIT + 1)
    exact = np.array([TOTAL / (1 + math.exp(-value / mixing.UNIT)) for value in x])
    assert np.abs(mixing.SQUASH - exact).max() < 0.501
    assert mixing.SQUASH.min() >= 1
    assert mixing.SQUASH.max() < TOTAL
    assert (np.diff(mixing.SQUASH) >= 0).all()


def test_stretch_inverts_it() -> None:
    chances = (np.arange(4096) + 0.5) / 4096
    exact = mixing.UNIT * np.log(chances / (1 - chances))
    inside = np.abs(exact) < mixing.COUNTER_LIMIT
    assert np.abs(mixing.STRETCH - exact)[inside].max() < 0.51
    assert (np.abs(mixing.STRETCH[~inside]) == mixing.COUNTER_LIMIT).all()
    assert (mixing.STRETCH + mixing.STRETCH[::-1] == 0).all()


@pytest.mark.parametrize("share", [0.02, 0.5, 0.9])
def test_a_counter_learns_the_share_of_ones(share: float) -> None:
    rng = np.random.default_rng(3)
    counter = mixing.new_counters(1)[0]
    ones = 0
    for place, bit in enumerate(rng.random(1000) < share):
        counter = mixing.updated(counter, int(bit), 1023)
        ones += bit
        if place in (10, 100, 999):
            # The step 1 / (n + 1.5) makes the estimate of Krichevsky and Trofimov, one count late.
            assert (int(counter) >> 10) / 2**22 == pytest.approx(
                (ones + 0.25) / (place + 1.5), abs=2e-3
            )


@given(st.integers(0, 2**32 - 1), st.lists(st.integers(0, 1), max_size=50), st.integers(1, 1023))
@settings(max_examples=200, deadline=None)
def test_a_counter_never_leaves_its_range(start: int, bits: list[int], limit: int) -> None:
    counter = start
    for bit in bits:
        before = counter >> 10
        counter = int(mixing.updated(counter, bit, limit))
        assert 0 <= counter < 2**32
        assert counter >> 10 >= before if bit else counter >> 10 <= before
        stretched = mixing.stretch_counter(counter)
        assert abs(int(stretched)) <= mixing.COUNTER_LIMIT


def test_mixing_is_a_dot_product_and_training_its_gradient() -> None:
    rng = np.random.default_rng(0)
    weights = rng.integers(-(2**17), 2**17, (3, 8), dtype=np.int32)
    inputs = rng.integers(-2047, 2048, 8, dtype=np.int32)
    exact = int((weights[1].astype(object) * inputs).sum()) + 2**15 >> 16
    assert mixing.mix(weights, 1, inputs) == min(max(exact, -mixing.LIMIT), mixing.LIMIT)
    before = weights.copy()
    mixing.train(weights, 1, inputs, -12345, 14)
    moved = (inputs.astype(np.int64) * -12345 + 2**13) >> 14
    assert np.array_equal(weights[1], before[1] + moved)
    assert np.array_equal(weights[[0, 2]], before[[0, 2]])


def code(bits: npt.NDArray[np.uint8], data: bytes | None) -> tuple[npt.NDArray[np.uint8], bytes]:
    """Bits under two counters, of one and of two bits before, mixed; decoded if there is data."""
    decoded = bits.copy()
    counters = mixing.new_counters(2, 4)
    weights, inputs = mixing.new_weights(2, 8, 0.5), np.zeros(8, np.int32)
    state = np.empty(sequential.STATE_SIZE, np.uint64)
    if data is None:
        words = np.zeros(len(bits) + 2, np.uint32)
        sequential.encoder_init(state)
    else:
        words = unpack_words(data)
        sequential.decoder_init(state, words)
    history = 0
    for place in range(len(bits)):
        slots = (history & 1, history & 3)
        for k in range(2):
            inputs[k] = mixing.stretch_counter(counters[k, slots[k]])
        ones = int(mixing.SQUASH[mixing.mix(weights, history & 1, inputs) + mixing.LIMIT])
        if data is None:
            bit = int(bits[place])
            sequential.encode_bit(state, words, bit, ones)
        else:
            bit = decoded[place] = int(sequential.decode_bit(state, words, ones))
        mixing.train(weights, history & 1, inputs, mixing.error_of(bit, ones), 14)
        for k in range(2):
            counters[k, slots[k]] = mixing.updated(counters[k, slots[k]], bit, 255)
        history = history << 1 | bit
    if data is None:
        return decoded, sequential.encoder_bytes(state, words)
    sequential.check_decoded(state, data)
    return decoded, data


def test_a_mixture_codes_a_second_order_source_near_its_entropy() -> None:
    rng = np.random.default_rng(8)
    shares = (0.02, 0.9, 0.7, 0.05)
    bits = np.zeros(12000, np.uint8)
    for place in range(2, len(bits)):
        bits[place] = rng.random() < shares[2 * bits[place - 2] + bits[place - 1]]
    pairs = 2 * bits[:-2] + bits[1:-1]
    ideal = -sum(
        math.log2(shares[pair] if bit else 1 - shares[pair])
        for pair, bit in zip(pairs.tolist(), bits[2:].tolist(), strict=True)
    )
    _, data = code(bits, None)
    assert 8 * len(data) < 1.05 * ideal
    decoded, _ = code(np.zeros_like(bits), data)
    assert np.array_equal(decoded, bits)
    damaged = bytes([data[0] ^ 1]) + data[1:]
    with pytest.raises(FormatError):
        code(np.zeros_like(bits), damaged + b"\1")
