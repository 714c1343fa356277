"""Binary probabilities that learn from every bit, and their mixture, as compiled functions.

Three parts, for the loops of codecs that learn within the file:

- *Counters*: how often a bit was one in a context. A counter is a uint32, 22 bits of probability
  above 10 bits of count; its step is 1 / (count + 1.5) until the count reaches a limit.
- *Stretch and squash*: ln(p / (1 - p)) and its inverse, as integer tables. A stretched probability
  is an integer in units of 1/256, from -2047 to 2047 for a counter's and to +-3071 for a mixture's.
- *Mixer*: the stretched probabilities of several counters times weights, squashed; the weights move
  along the gradient of the code length (Mahoney's PAQ; Mattern, "Mixing strategies in data
  compression", DCC 2012). A bank of mixers is an int32 array ``[sets, inputs]``; one set is chosen
  for each bit. Weights have 16 bits after the point.

In another loop, for each bit (``counters`` uint32 from :func:`new_counters`, ``inputs`` an int32
array ``[N]``, N a multiple of 8 so that the loops over it vectorise, unused entries zero)::

    for k in range(...):                       # the contexts of this bit
        inputs[k] = stretch_counter(counters[k, slot[k]])
    total = mix(weights, chosen, inputs)       # stretched, clipped to +-LIMIT
    ones = SQUASH[total + LIMIT]               # frequency of a one for encode_bit and decode_bit
    sequential.encode_bit(state, words, bit, ones)      # or bit = sequential.decode_bit(...)
    train(weights, chosen, inputs, error_of(bit, ones), rate)
    for k in range(...):
        counters[k, slot[k]] = updated(counters[k, slot[k]], bit, limit)

Everything is an integer: there is no library's logarithm in what the range coder sees.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from nacre.entropy.sequential import Number, compiled
from nacre.entropy.tables import PRECISION, TOTAL

Counters = npt.NDArray[np.uint32]
Weights = npt.NDArray[np.int32]

UNIT = 256
"""Stretched units of one nat."""
LIMIT = 12 * UNIT - 1
"""A mixture's stretched probability lies in -LIMIT .. LIMIT."""
COUNTER_LIMIT = 8 * UNIT - 1
"""A counter's lies in -COUNTER_LIMIT .. COUNTER_LIMIT."""
WEIGHT_BITS = 16
"""Bits after the point of a mixer's weight."""
EVEN = np.uint32(1 << 31)
"""A counter that has seen nothing: even odds, count 0."""
COUNT_MASK = np.uint32(1023)
_COUNTS = 1024
_CHANCE_BITS = 22
_RATE_BITS = 16


def exponential(divisor: int, bits: int) -> int:
    """e^(1 / divisor) times 2^bits by its series, in whole numbers."""
    total, term, order = 0, 1 << bits, 0
    while term:
        total += term
        order += 1
        term //= divisor * order
    return total


def _squash_table() -> npt.NDArray[np.int32]:
    """2^24 / (1 + e^(-x / UNIT)) for x in -LIMIT .. LIMIT, rounded, at least 1."""
    bits = 96
    step = exponential(UNIT, bits)
    power, upper = 1 << bits, []
    for _ in range(LIMIT + 1):
        upper.append(((TOTAL * power << 1) // (power + (1 << bits)) + 1) >> 1)
        power = power * step >> bits
    lower = [TOTAL - value for value in upper[:0:-1]]
    return np.array(lower + upper, dtype=np.int32)


def _stretch_table(squash: npt.NDArray[np.int32]) -> npt.NDArray[np.int16]:
    """For p = (i + 1/2) / 4096, the x whose squash is nearest, clipped to +-COUNTER_LIMIT."""
    chances = (2 * np.arange(4096, dtype=np.int64) + 1) << (PRECISION - 13)
    above = np.searchsorted(squash, chances).clip(1, len(squash) - 1)
    nearer = chances - squash[above - 1] < squash[above] - chances
    found = above - nearer - LIMIT
    clipped: npt.NDArray[np.int16] = found.clip(-COUNTER_LIMIT, COUNTER_LIMIT).astype(np.int16)
    return clipped


SQUASH: npt.NDArray[np.int32] = _squash_table()
"""Entry ``x + LIMIT`` is the frequency of a one, 1 .. 2^24 - 1, of the stretched probability x."""
STRETCH: npt.NDArray[np.int16] = _stretch_table(SQUASH)
"""Entry ``p >> 10`` of a probability p of 22 bits is that probability stretched."""
_RATES = ((2 << _RATE_BITS) // (2 * np.arange(_COUNTS, dtype=np.int64) + 3)).astype(np.int32)


def new_counters(*shape: int) -> Counters:
    """Counters that have seen nothing, uint32 of that shape."""
    return np.full(shape, EVEN, dtype=np.uint32)


def new_weights(sets: int, inputs: int, weight: float) -> Weights:
    """A bank of mixers ``[sets, inputs]`` (int32), every weight ``weight``."""
    return np.full((sets, inputs), round(weight * (1 << WEIGHT_BITS)), dtype=np.int32)


@compiled
def stretch_counter(counter: Number) -> Number:
    """A counter's probability of a one, stretched: -COUNTER_LIMIT .. COUNTER_LIMIT."""
    return np.int64(STRETCH[np.int64(counter) >> 20])


@compiled
def updated(counter: Number, bit: Number, limit: Number) -> np.uint32:
    """The counter after it has seen ``bit``.

    Args:
        counter: uint32.
        bit: 0 or 1.
        limit: the highest count, 1 to 1023; the step then stays 1 / (limit + 1.5).
    """
    whole = np.int64(counter)
    count = whole & 1023
    chance = whole >> 10
    chance += (((bit << _CHANCE_BITS) - bit) - chance) * np.int64(_RATES[count]) >> _RATE_BITS
    return np.uint32(chance << 10 | (count + 1 if count < limit else count))


@compiled
def mix(weights: Weights, chosen: Number, inputs: npt.NDArray[np.int32]) -> Number:
    """The mixture of stretched probabilities under one set of weights, -LIMIT .. LIMIT.

    Args:
        weights: the bank, int32 ``[sets, inputs]``.
        chosen: the set, 0 <= chosen < sets (not checked).
        inputs: int32 ``[inputs]``.
    """
    total = np.int64(1 << (WEIGHT_BITS - 1))
    for k in range(len(inputs)):
        total += np.int64(weights[chosen, k]) * np.int64(inputs[k])
    mixed = total >> WEIGHT_BITS
    return np.int64(min(max(mixed, np.int64(-LIMIT)), np.int64(LIMIT)))


@compiled
def error_of(bit: Number, ones: Number) -> Number:
    """What a mixture got wrong, in 1/65536 of a bit: 65536 bit - p, from its frequency of a one."""
    return (bit << 16) - (ones >> (PRECISION - 16))


@compiled
def train(
    weights: Weights,
    chosen: Number,
    inputs: npt.NDArray[np.int32],
    error: Number,
    shift: Number,
) -> None:
    """Move one set of weights by ``inputs * error / 2^shift``, rounded; they wrap at 32 bits.

    Args:
        weights: the bank, int32 ``[sets, inputs]``.
        chosen: the set.
        inputs: what was mixed.
        error: from :func:`error_of`.
        shift: 14 learns fast, 18 slowly.
    """
    half = np.int64(1) << (shift - 1)
    for k in range(len(inputs)):
        weights[chosen, k] += (np.int64(inputs[k]) * error + half) >> shift
