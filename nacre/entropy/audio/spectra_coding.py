"""How a spectrum is written: binary decisions under mixed probabilities that learn.

Frame by frame: how it is split, how far each channel reaches; then block by block, channel by
channel, coefficient by coefficient from the lowest: "is it more than 0?", "more than 1?", ... then
the sign, as it is. Fifteen counters have a say in each decision. Their contexts are magnitudes
around the coefficient: lower ones of this block, the last two blocks, a running mean, and the other
channel.

The encoder rounds here, where it knows what each decision costs: it stops at the lower of two
integers when that saves more bits than the error is worth (rate-distortion optimised quantisation,
as video coders do it; the odds are at hand, so it costs nothing).
"""

from __future__ import annotations

import numpy as np

from nacre.entropy.adaptive.photo_coding import Coder, inlined
from nacre.entropy.audio.spectra_layout import (
    BEFORE,
    BLEND_BITS,
    CAP,
    COARSE,
    EARLIER,
    FINE_LEVEL,
    FIRST_SETS,
    HALF_LEVEL,
    LARGEST,
    LENGTHS,
    MARGIN,
    MEAN,
    MOST_SPLITS,
    NODES,
    NOW,
    SPLIT_FLAGS,
    UNARY,
    Int32s,
    Model,
    Work,
)
from nacre.entropy.audio.spectra_mixing import HALF, code_flag, learn, odds_of
from nacre.entropy.audio.spectra_side import code_reach
from nacre.entropy.mixing import (
    LIMIT,
    SQUASH,
)
from nacre.entropy.sequential import FAILED, Number, compiled, decode_bit, encode_bit

SCALE_BITS = 8
"""Coefficients have so many bits after the point, in steps."""
_BITS = 369
"""256 / ln 2: stretched units as 1/65536 of a bit."""
_AFTER = (24000, 52000)
"""What follows a decision to go on, in 1/65536 of a bit, beside the sign: for 1, and for more."""


@compiled
def least(value: Number, limit: Number) -> Number:
    """The lesser of the two, an int64."""
    return np.int64(min(value, limit))


@inlined
def _half(value: Number) -> Number:
    return np.int64(HALF_LEVEL[min(value, np.int64(4095))])


@compiled
def _expected(
    row: Int32s, before: Int32s, earlier: Int32s, mean: Int32s, beside: Int32s, blend: Int32s,
    p: Number,
) -> Number:  # fmt: skip
    """The expected magnitude in sixteenths, 0 .. 4095."""
    total = (
        blend[0] * row[p - 1]
        + blend[1] * row[p - 2]
        + blend[2] * (row[p - 3] + row[p - 4])
        + blend[3] * before[p]
        + blend[4] * (before[p - 1] + before[p + 1])
        + blend[5] * (before[p - 2] + before[p + 2])
        + blend[6] * earlier[p]
        + blend[7] * (earlier[p - 1] + earlier[p + 1])
        + blend[9] * beside[p]
        + blend[10] * (beside[p - 1] + beside[p + 1])
        + blend[11]
    )
    total = (np.int64(total) * 16 + (np.int64(blend[8]) * mean[p] >> 2)) >> BLEND_BITS
    return np.int64(min(max(total, np.int64(0)), np.int64(4095)))


@compiled
def _find_contexts(
    work: Work, row: Int32s, before: Int32s, earlier: Int32s, mean: Int32s, beside: Int32s,
    fine: Number, p: Number, place: Number, kind: Number, split: Number, left: Number,
) -> None:  # fmt: skip
    """Fill in where the counters of coefficient ``p`` are."""
    n1, n2 = np.int64(row[p - 1]), np.int64(row[p - 2])
    b0, c0, o0 = np.int64(before[p]), np.int64(earlier[p]), np.int64(beside[p])
    around = before[p - 1] + before[p + 1]
    low = least(_half(2 * n1 + n2), np.int64(11))
    last = least(_half(2 * b0 + around), np.int64(11))
    older = least(_half(2 * c0 + earlier[p - 1] + earlier[p + 1]), np.int64(9))
    side = least(_half(2 * o0 + beside[p - 1] + beside[p + 1]), np.int64(11))
    held = least(_half(np.int64(mean[p]) >> 2), np.int64(15))
    wide_now = row[p - 3] + row[p - 4] + n1 + n2
    wide = before[p - 2] + before[p + 2] + before[p - 3] + before[p + 3] + around + b0 + wide_now
    lower = wide_now + row[p - 5] + row[p - 6] + row[p - 7] + row[p - 8]
    wide_side = o0 + beside[p - 1] + beside[p + 1] + beside[p - 2] + beside[p + 2]
    coarse = fine >> 2
    slots, starts = work.slots, work.starts
    slots[0] = starts[0] + NODES * (fine * 4 + kind)
    slots[1] = starts[1] + NODES * (low * 12 + last)
    slots[2] = starts[2] + NODES * ((last * 10 + older) * 3 + least(n1, 2))
    slots[3] = starts[3] + NODES * ((side * 6 + least(low, 5)) * 6 + least(last, 5))
    slots[4] = starts[4] + NODES * (place * COARSE + coarse)
    slots[5] = starts[5] + NODES * ((held * 3 + least(n1, 2)) * 3 + least(n2, 2))
    slots[6] = starts[6] + NODES * (least(_half(wide), np.int64(15)) * 8 + (place >> 2))
    slots[7] = starts[7] + NODES * (
        ((least(n1, 3) * 4 + least(n2, 3)) * 4 + least(b0, 3)) * 3 + least(o0, 2)
    )
    slots[8] = starts[8] + NODES * (
        ((least(b0, 3) * 4 + least(before[p - 1], 3)) * 4 + least(before[p + 1], 3)) * 3
        + least(n1, 2)
    )
    slots[9] = starts[9] + NODES * (held * 10 + least(last, 9))
    slots[10] = starts[10] + NODES * (least(_half(lower), np.int64(15)) * 10 + least(last, 9))
    slots[11] = starts[11] + NODES * (
        least(_half(wide_side), np.int64(11)) * 14 + least(held, np.int64(13))
    )
    slots[12] = starts[12] + NODES * ((held * 3 + least(b0, 2)) * 3 + least(c0, 2))
    slots[13] = starts[13] + NODES * ((split * 16 + (place >> 1)) * 4 + least(n1 + b0, 3))
    slots[14] = starts[14] + NODES * (least(_half(left >> 2), np.int64(7)) * COARSE + coarse)


@compiled
def _code_magnitude(
    scaled: Number, lagrange: Number, first: Number, second: Number, model: Model, work: Work,
    coder: Coder,
) -> Number:  # fmt: skip
    """Code the magnitude nearest to ``scaled`` that is worth its bits, or decode one."""
    counters, weights, slots, inputs = model.counters, model.weights, work.slots, work.inputs
    nearest = (scaled + (1 << (SCALE_BITS - 1))) >> SCALE_BITS
    value, node, bits = np.int64(0), np.int64(0), np.int64(-1)
    while node < NODES:
        # While bits < 0 the magnitude is counted up, afterwards the length of what is beyond.
        a = weights[(first * NODES) + node]
        b = weights[(FIRST_SETS + second) * NODES + node]
        odds = odds_of(counters, slots, inputs, a, b, node)
        ones = np.int64(SQUASH[odds + LIMIT])
        if coder.decoding:
            bit = decode_bit(coder.state, coder.words, ones)
        else:
            if bits >= 0:
                bit = 1 if (nearest - UNARY + 1) >> (bits + 1) else 0
            elif nearest == value + 1:
                gain = 2 * (scaled - (value << SCALE_BITS)) - (1 << SCALE_BITS)
                extra = (1 << 16) + _AFTER[0] if value == 0 else _AFTER[1]
                cost = extra - odds * _BITS
                bit = 1 if gain << 16 > lagrange * cost else 0
                if not bit:
                    nearest = value
            else:
                bit = 1 if nearest > value else 0
            encode_bit(coder.state, coder.words, bit, ones)
        learn(counters, slots, inputs, a, b, node, bit, ones)
        if not bit:
            break
        node += 1
        if bits >= 0:
            bits += 1
        else:
            value += 1
            if value == UNARY:
                bits = np.int64(0)
    if bits < 0:
        return value
    if bits >= LENGTHS:
        coder.state[FAILED] = np.uint64(1)
        return value
    beyond = np.int64(1)
    for place in range(bits - 1, -1, -1):
        bit = ((nearest - UNARY + 1) >> place) & 1
        if coder.decoding:
            bit = decode_bit(coder.state, coder.words, HALF)
        else:
            encode_bit(coder.state, coder.words, bit, HALF)
        beyond = 2 * beyond + bit
    return min(UNARY + beyond - 1, np.int64(LARGEST))


@compiled
def _resize(row: Int32s, old: Number, new: Number) -> None:
    """Magnitudes of blocks of one length as those of another."""
    if new > old:
        times = new // old
        for k in range(new - 1, -1, -1):
            row[MARGIN + k] = row[MARGIN + k // times]
    else:
        times = old // new
        for k in range(new):
            total = times >> 1
            for i in range(times):
                total += row[MARGIN + k * times + i]
            row[MARGIN + k] = total // times
    for k in range(MARGIN):
        row[MARGIN + new + k] = 0


@compiled
def _code_block(
    source: Int32s, symbols: Int32s, levels: Int32s, reach: Number, channel: Number, split: Number,
    lagrange: Number, model: Model, work: Work, coder: Coder,
) -> None:  # fmt: skip
    """Code a block of one channel, or decode it."""
    rows = work.rows[channel]
    row, before, earlier, mean = rows[NOW], rows[BEFORE], rows[EARLIER], rows[MEAN]
    beside = earlier
    paired = 0
    if len(work.rows) > 1:
        paired = 1
        beside = work.rows[1 - channel, BEFORE if channel == 0 else NOW]
    blend = model.blend[channel]
    size = len(source)
    kind = 2 * channel + (1 if split else 0)
    for k in range(reach):
        p = MARGIN + k
        place = np.int64(work.places[k << split])
        expected = _expected(row, before, earlier, mean, beside, blend, p)
        fine = np.int64(FINE_LEVEL[expected])
        _find_contexts(
            work, row, before, earlier, mean, beside, fine, p, place, kind, split, reach - k
        )
        if paired == 0:
            work.slots[3] = work.starts[3]
            work.slots[11] = work.starts[11]
        second = (channel * 2 + (1 if split else 0)) * 4 + (place >> 3)
        given = np.int64(source[k])
        scaled = abs(given)
        value = _code_magnitude(scaled, lagrange, fine >> 2, second, model, work, coder)
        negative: Number = 0
        if value > 0:
            negative = 1 if given < 0 else 0
            if coder.decoding:
                negative = decode_bit(coder.state, coder.words, HALF)
            else:
                encode_bit(coder.state, coder.words, negative, HALF)
                work.sums[0, min(value, np.int64(3)) - 1, fine] += (value << SCALE_BITS) - scaled
                work.sums[1, min(value, np.int64(3)) - 1, fine] += 1
        symbols[k] = -value if negative else value
        level = np.int64(0)
        if value > 0:
            level = (value << SCALE_BITS) - model.inward[min(value, np.int64(3)) - 1, fine]
        levels[k] = -level if negative else level
        row[p] = min(value, np.int64(CAP))
    for k in range(reach, size):
        symbols[k] = 0
        levels[k] = 0
        row[MARGIN + k] = 0
    for k in range(MARGIN):
        row[MARGIN + size + k] = 0


@compiled
def _remember(rows: Int32s, size: Number) -> None:
    """A block has been coded: what is now becomes what was before."""
    for p in range(MARGIN, MARGIN + size):
        now = rows[NOW, p]
        rows[EARLIER, p] = rows[BEFORE, p]
        rows[BEFORE, p] = now
        rows[MEAN, p] += (now * 64 - rows[MEAN, p]) >> 2


@compiled
def code_frames(
    first: Number, last: Number, scaled: Int32s, symbols: Int32s, levels: Int32s, heads: Int32s,
    unit: Number, most: Number, lagrange: Number, model: Model, work: Work, coder: Coder,
) -> None:  # fmt: skip
    """Code frames ``first`` to ``last`` (exclusive), or decode them.

    Args:
        scaled: coefficients in 1/256 of a step, int32 ``[C, F, frame]``, at most LARGEST * 256 from
            zero; decoding reads nothing from it.
        symbols: int32 ``[C, F, frame]``, filled in.
        levels: what the symbols stand for, in 1/256 of a step, int32 ``[C, F, frame]``, filled in.
        heads: split and reaches of each frame, int32 ``[F, 1 + C]``; filled in when decoding.
        unit: coefficients that reaches are counted in.
        most: the greatest split.
        lagrange: what a bit is worth, in 1/256 of a squared step.
    """
    channels, frame = scaled.shape[0], scaled.shape[2]
    for f in range(first, last):
        split, limit = np.int64(heads[f, 0]), np.int64(0)
        previous = np.int64(heads[f - 1, 0]) if f > 0 else np.int64(0)
        while limit < most:
            at = SPLIT_FLAGS + previous * MOST_SPLITS + limit
            if not code_flag(model.flags, at, 1 if split > limit else 0, coder):
                break
            limit += 1
        split = limit
        heads[f, 0] = split
        for c in range(channels):
            reach = code_reach(
                np.int64(heads[f, 1 + c]), np.int64(work.reaches[c]), c, model, coder
            )
            if reach < 0 or reach * unit > frame:
                coder.state[FAILED] = np.uint64(1)
                return
            work.reaches[c] = reach
            heads[f, 1 + c] = reach
        size = frame >> split
        old = np.int64(work.sizes[0])
        if size != old:
            for c in range(channels):
                for r in range(BEFORE, MEAN + 1):
                    _resize(work.rows[c, r], old, size)
            work.sizes[0] = size
        for block in range(1 << split):
            start = block * size
            for c in range(channels):
                reach = np.int64(work.reaches[c]) * unit >> split
                _code_block(
                    scaled[c, f, start : start + size], symbols[c, f, start : start + size],
                    levels[c, f, start : start + size], reach, c, split, lagrange, model, work,
                    coder,
                )  # fmt: skip
            for c in range(channels):
                _remember(work.rows[c], size)
