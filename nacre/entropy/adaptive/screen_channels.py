"""How the ``screen`` coder writes a colour that no candidate was: channel by channel, bit by bit.

Green first, then red, blue and alpha, each of which sees the ones before. Several predictors are
weighed by how well they did nearby; a logistic distribution around their mean, the values that were
recalled, and counters of contexts have a say in each bit.
"""

from __future__ import annotations

import numpy as np

from nacre.entropy.adaptive.screen_layout import (
    CHANNEL_CONTEXTS,
    CHANNEL_MAPS,
    CHANNEL_RECALLS,
    DENSITY_MAPS,
    ENERGIES,
    ENERGY_SETS,
    INPUTS,
    MAP,
    NODE_SETS,
    PAD,
    QUESTION_FINALS,
    RECALL_SETS,
    STEPS,
    TOP,
    Int64s,
    Model,
)
from nacre.entropy.adaptive.screen_learning import (
    clamp,
    code_mixed,
    counter_inputs,
    find_line,
    map_learn,
    scrambled,
    stretched,
)
from nacre.entropy.mixing import LIMIT, SQUASH, updated
from nacre.entropy.sequential import Number, compiled

_COUNT = 127
"""A counter's step stays at 1 / this."""
_WEIGHTS: Int64s = (1 << 20) // (np.arange(1, 4097, dtype=np.int64) ** 2) + 1
"""Of a predictor, by its error nearby."""


def _energy_table() -> Int64s:
    edges = [1, 2, 3, 5, 8, 12, 18, 27, 40, 60, 90, 130, 200, 300, 500]
    return np.searchsorted(np.array(edges), np.arange(2048), side="right").astype(np.int64)


_ENERGY: Int64s = _energy_table()
"""Class of a sum of errors, 0 .. 15."""


@compiled
def _energy(total: Number) -> Number:
    return np.int64(_ENERGY[min(np.int64(total), np.int64(2047))])


@compiled
def _predict(m: Model, y: Number, x: Number, t: Number, k: Number, out: Number) -> Number:
    """Fill the predictions of channel k, the t-th; returns how many there are."""
    canvas, pv, shift = m.canvas, m.predictions, 8 * k
    row, column = y + TOP, x + PAD
    w, ww = np.int64(canvas[row, column - 1]), np.int64(canvas[row, column - 2])
    n, nn = np.int64(canvas[row - 1, column]), np.int64(canvas[row - 2, column])
    nw, ne = np.int64(canvas[row - 1, column - 1]), np.int64(canvas[row - 1, column + 1])
    own_nne = (np.int64(canvas[row - 2, column + 1]) >> shift) & 255
    own_w, own_ww = (w >> shift) & 255, (ww >> shift) & 255
    own_n, own_nn = (n >> shift) & 255, (nn >> shift) & 255
    own_nw, own_ne = (nw >> shift) & 255, (ne >> shift) & 255
    pv[0], pv[1], pv[2], pv[3] = own_w + own_n - own_nw, own_w, own_n, own_w + own_ne - own_n
    pv[4], pv[5] = own_n + own_ne - own_nne, 2 * own_n - own_nn
    pv[6], pv[7] = 2 * own_w - own_ww, own_ne
    if t == 0 or t == 3:
        return 8
    other = 8 if m.errors.shape[1] >= 3 else 0
    here, west, north = (out >> other) & 255, (w >> other) & 255, (n >> other) & 255
    north_west, north_east = (nw >> other) & 255, (ne >> other) & 255
    pv[8] = pv[0] + here - (west + north - north_west)
    pv[9], pv[10], pv[11] = own_w + here - west, own_n + here - north, own_ne + here - north_east
    if t == 1:
        return 12
    here, west, north, north_west = out & 255, w & 255, n & 255, nw & 255
    pv[12], pv[13] = own_w + here - west, own_n + here - north
    pv[14] = pv[0] + here - (west + north - north_west)
    return 15


@compiled
def _mean_prediction(m: Model, now: Number, k: Number, column: Number, count: Number) -> Number:
    """The weighted mean of the predictions, in eighths."""
    total, weights = np.int64(0), np.int64(0)
    old = 1 - now
    for i in range(count):
        value = clamp(m.predictions[i], np.int64(0), np.int64(255))
        m.predictions[i] = value
        missed = 2 * (np.int64(m.misses[now, k, column - 1, i]) + m.misses[old, k, column, i])
        missed += np.int64(m.misses[old, k, column - 1, i]) + m.misses[old, k, column + 1, i]
        weight = _WEIGHTS[min(missed, np.int64(4095))]
        total += weight * value
        weights += weight
    return 8 * total // weights


@compiled
def _recall(m: Model, before: Number, w: Number, n: Number, around: Number, t: Number) -> None:
    """Look up the values that followed the same surroundings and channels the last time."""
    place = m.recalled
    key = np.int64(t) * 64
    place[0, 0] = scrambled(before + scrambled(w + scrambled(n + key)))
    place[0, 1] = scrambled(before * 3 + key + 51)
    place[0, 2] = scrambled(before + scrambled(w + key + 52))
    place[0, 3] = scrambled(before + scrambled(n + key + 53))
    place[0, 4] = scrambled(before + scrambled(w + scrambled(n + scrambled(around + key + 54))))
    for i in range(CHANNEL_RECALLS):
        key = place[0, i]
        place[0, i], place[1, i] = (key >> 24) & (len(m.values) - 1), (key >> 50) & 0xFFF
        entry = m.values[place[0, i]]
        if entry >= 0 and (entry >> 16) == place[1, i]:
            place[2, i], place[3, i] = entry & 255, min(np.int64(7), (entry >> 8) & 255)
        else:
            place[2, i], place[3, i] = -1, 0


@compiled
def _remember(m: Model, value: Number) -> None:
    """The recalled values see what came."""
    for i in range(CHANNEL_RECALLS):
        place = m.recalled[0, i]
        entry = m.values[place]
        if m.recalled[2, i] != value:
            m.values[place] = (m.recalled[1, i] << 16) | value
        elif ((entry >> 8) & 255) < 255:
            m.values[place] = entry + 256


@compiled
def _below(edge: Number, mean: Number, inverse: Number) -> Number:
    """Chance of a value below an edge, 24 bits: 0 and 255 are the ends."""
    if edge <= 0:
        return np.int64(0)
    if edge >= 256:
        return np.int64(1 << 24)
    distance = ((edge * 8 - 4 - mean) * inverse * 5) >> 8
    return np.int64(SQUASH[clamp(distance, np.int64(-LIMIT), np.int64(LIMIT)) + LIMIT])


@compiled
def _code_bit(
    m: Model,
    t: Number,
    place: Number,
    node: Number,
    low: Number,
    bit: Number,
    density: Number,
    energy: Number,
    decoding: bool,
) -> Number:
    """Code bit ``place`` (0 is the highest) of a channel whose bits so far are ``node``.

    ``low`` is the least value with these bits; the bit adds ``128 >> place``.
    """
    half = np.int64(128) >> place
    rest = node if place < 4 else (node & ((1 << (place - 4)) - 1)) | (1 << (place - 4))
    for i in range(CHANNEL_CONTEXTS):
        counter = np.int64(m.lines[m.found[i] + rest])
        counter_inputs(m, i, counter >> 10, counter & 1023, CHANNEL_MAPS + i * MAP)
    first = 2 * CHANNEL_CONTEXTS
    for i in range(CHANNEL_RECALLS):
        value = m.recalled[2, i]
        if value < low or value >= low + 2 * half:
            m.inputs[first + i], m.value_at[i] = 0, -1
            continue
        inside = 1 if value >= low + half else 0
        at = (((t * CHANNEL_RECALLS + i) * 8 + place) * 8 + m.recalled[3, i]) * 2 + inside
        m.value_at[i] = at
        m.inputs[first + i] = np.int32(stretched(np.int64(m.value_maps[at]) >> 10))
    after = first + CHANNEL_RECALLS
    plain = stretched(clamp(density, np.int64(0), np.int64((1 << 22) - 1)))
    density_at = DENSITY_MAPS + (t * ENERGIES + energy) * STEPS + ((plain + 2176) >> 7)
    m.inputs[after], m.inputs[after + 1] = 256, np.int32(plain)
    m.inputs[after + 2] = np.int32(stretched(np.int64(m.maps[density_at]) >> 10))
    for i in range(after + 3, INPUTS):
        m.inputs[i] = 0
    seen = (1 if m.recalled[2, 0] >= 0 else 0) + (2 if m.recalled[2, 4] >= 0 else 0)
    seen += 4 if m.recalled[2, 1] >= 0 else 0
    bit = code_mixed(
        m,
        bit,
        decoding,
        NODE_SETS + t * 256 + node,
        ENERGY_SETS + (t * 9 + place) * ENERGIES + energy,
        RECALL_SETS + (t * 8 + place) * 8 + seen,
        QUESTION_FINALS + (t * 8 + place) * ENERGIES + energy,
    )
    for i in range(CHANNEL_CONTEXTS):
        at = m.found[i] + rest
        m.lines[at] = updated(m.lines[at], bit, _COUNT)
        map_learn(m, m.map_at[i], bit)
    for i in range(CHANNEL_RECALLS):
        if m.value_at[i] >= 0:
            m.value_maps[m.value_at[i]] = updated(m.value_maps[m.value_at[i]], bit, 255)
    map_learn(m, density_at, bit)
    return bit


@compiled
def _set_hashes(
    m: Model, y: Number, x: Number, t: Number, k: Number, before: Number, centre: Number,
    energy: Number, errors: Number, candidate: Number, beside: tuple[Number, Number],
) -> None:  # fmt: skip
    """The hashes of a channel's contexts; ``beside``: errors of the two channels before."""
    canvas, hashes, shift, now = m.canvas, m.hashes, 8 * k, y & 1
    row, column = y + TOP, x + PAD
    w, n = np.int64(canvas[row, column - 1]), np.int64(canvas[row - 1, column])
    nw, ne = np.int64(canvas[row - 1, column - 1]), np.int64(canvas[row - 1, column + 1])
    key = np.int64(t) * 64
    west = clamp(np.int64(m.errors[now, k, column - 1]), np.int64(-20), np.int64(20)) + 30
    north = clamp(np.int64(m.errors[1 - now, k, column]), np.int64(-20), np.int64(20)) + 30
    last = clamp(np.int64(beside[0]), np.int64(-31), np.int64(31)) + 32
    values = ((w >> shift) & 255) * 256 + ((n >> shift) & 255)
    hashes[0] = scrambled(centre * 16 + energy + key * 4096 + 1)
    hashes[1] = scrambled(centre + last * 256 + key * 16384 + 2)
    hashes[2] = scrambled(scrambled(values + 3) + key * 4 + errors)
    hashes[3] = scrambled(scrambled(centre + west * 256) * 64 + north + key * 4096 + 4)
    hashes[4] = scrambled(scrambled(before + 5) + key)
    hashes[5] = scrambled(scrambled(w + scrambled(before + 6)) + key)
    hashes[6] = scrambled(scrambled(w + scrambled(n + scrambled(before + 7))) + key)
    hashes[7] = scrambled(scrambled(n + scrambled(before + 8)) + key)
    around = scrambled(w + scrambled(ne + scrambled(nw + scrambled(before + 9))))
    hashes[8] = scrambled(scrambled(n + around) + key)
    hashes[9] = scrambled(scrambled(candidate + scrambled(before + 10)) + key)
    second = m.predictions[8] if t == 1 or t == 2 else m.predictions[4]
    hashes[10] = scrambled(centre + scrambled(m.predictions[0] * 256 + second + 11) + key)


@compiled
def code_channels(
    m: Model, y: Number, x: Number, colour: Number, candidate: Number, decoding: bool
) -> Number:
    """Code a colour by its channels, or decode it.

    Args:
        m: the model.
        y: row of the pixel.
        x: its column.
        colour: when encoding.
        candidate: the first that it is not.
        decoding: whether to decode.
    """
    canvas, now, column = m.canvas, y & 1, x + PAD
    channels = m.errors.shape[1]
    w, n = np.int64(canvas[y + TOP, column - 1]), np.int64(canvas[y + TOP - 1, column])
    nw, ne = np.int64(canvas[y + TOP - 1, column - 1]), np.int64(canvas[y + TOP - 1, column + 1])
    around = scrambled(ne + scrambled(nw))
    out, before = np.int64(0), np.int64(0)
    error, error_before = np.int64(0), np.int64(0)
    for t in range(channels):
        k = (1 if t == 0 else (0 if t == 1 else t)) if channels >= 3 else t
        count = _predict(m, y, x, t, k, out)
        mean = _mean_prediction(m, now, k, column, count)
        centre = (mean + 4) >> 3
        nearby = 2 * abs(np.int64(m.errors[now, k, column - 1]))
        nearby += 2 * abs(np.int64(m.errors[1 - now, k, column]))
        nearby += abs(np.int64(m.errors[1 - now, k, column - 1]))
        nearby += abs(np.int64(m.errors[1 - now, k, column + 1]))
        energy = _energy(nearby)
        errors = _energy(4 * abs(error) + 2 * abs(error_before))
        _set_hashes(
            m, y, x, t, k, before, centre, energy, errors, candidate, (error, error_before)
        )  # fmt: skip
        _recall(m, before, w, n, around, t)
        inverse = np.int64(1 << 24) // (m.scales[t, energy] + 1024)
        value = (colour >> (8 * k)) & 255
        node = np.int64(1)
        for place in range(8):
            if place == 0 or place == 4:
                for i in range(CHANNEL_CONTEXTS):
                    find_line(m, i, scrambled(m.hashes[i] + node))
            half = np.int64(128) >> place
            low = (node << (8 - place)) & 255
            start, middle = _below(low, mean, inverse), _below(low + half, mean, inverse)
            end = _below(low + 2 * half, mean, inverse)
            density = ((end - middle + 1) << 22) // (end - start + 2)
            bit = (value >> (7 - place)) & 1
            bit = _code_bit(m, t, place, node, low, bit, density, energy, decoding)
            node = 2 * node + bit
        value = node & 255
        m.scales[t, energy] += ((abs(value * 8 - mean) * 1024) - m.scales[t, energy]) >> 5
        _remember(m, value)
        for i in range(count):
            m.misses[now, k, column, i] = np.int32(abs(m.predictions[i] - value))
        error_before, error = error, value - centre
        m.errors[now, k, column] = np.int32(error)
        before = before * 256 + value + 1
        out |= value << (8 * k)
    return out
