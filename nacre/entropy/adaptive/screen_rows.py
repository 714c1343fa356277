"""The rows of a screen, pixel by pixel, as compiled functions.

Up to eight colours are candidates: those that followed the same surroundings before, and the
neighbours'. "Is it this one?" is asked for each in turn. A colour that is none of them escapes, and
is written by its channels (``screen_channels.py``). Where many neighbours escaped, it is asked
first whether this one does.
"""

from __future__ import annotations

import numpy as np

from nacre.entropy.adaptive.screen_channels import code_channels
from nacre.entropy.adaptive.screen_layout import (
    AGREEMENT_SETS,
    CANDIDATES,
    ESCAPE_MAPS,
    ESCAPE_SETS,
    INPUTS,
    KNOWN_SETS,
    MAP,
    ORDER_SETS,
    PAD,
    QUESTION_MAPS,
    SURROUNDINGS,
    TOP,
    Model,
    Uint8s,
)
from nacre.entropy.adaptive.screen_learning import code_mixed, scrambled, slot_inputs, slot_learn
from nacre.entropy.adaptive.screen_surroundings import (
    equal_neighbours,
    pattern,
    recall_place,
    recalled,
    remember,
    set_bilevel_surroundings,
    set_surroundings,
)
from nacre.entropy.sequential import COUNT, HELD, Number, compiled

WORDS_PER_PIXEL = 40
"""No pixel takes more decisions, so none takes more words."""
_COLOUR = 0xFFFFFFFF
_ESCAPED = 3
"""Of four neighbours: from so many on it is asked first whether a colour escapes."""


@compiled
def _add(m: Model, count: Number, colour: Number, source: Number) -> Number:
    """Add a candidate unless it is one already; returns how many there are."""
    for k in range(count):
        if m.candidates[k, 0] == colour:
            return count
    if count == CANDIDATES:
        return count
    m.candidates[count, 0], m.candidates[count, 1] = colour, source
    return count + 1


@compiled
def _trust(entry: Number) -> Number:
    """How often a recall came true, 0 .. 7; 0: there is none."""
    return min(np.int64(7), 1 + ((entry >> 32) & 255)) if entry >= 0 else np.int64(0)


@compiled
def _find_candidates(m: Model, y: Number, x: Number, many: Number, some: Number, few: Number,
                     second: Number, third: Number) -> Number:  # fmt: skip
    """List the candidates; arguments are the recalls, and the second ones of two orders."""
    c, row, column = m.canvas, y + TOP, x + PAD
    k: Number = np.int64(0)
    k = _add(m, k, many & _COLOUR, 0) if many >= 0 else k
    k = _add(m, k, some & _COLOUR, 1) if some >= 0 else k
    k = _add(m, k, few & _COLOUR, 2) if _trust(few) > 1 else k
    k = _add(m, k, np.int64(c[row, column - 1]), 3)
    k = _add(m, k, np.int64(c[row - 1, column]), 4)
    k = _add(m, k, second & _COLOUR, 5) if second >= 0 else k
    k = _add(m, k, few & _COLOUR, 2) if few >= 0 else k
    k = _add(m, k, np.int64(c[row - 1, column + 1]), 6)
    k = _add(m, k, np.int64(c[row - 1, column - 1]), 7)
    k = _add(m, k, third & _COLOUR, 8) if third >= 0 else k
    k = _add(m, k, np.int64(c[row, column - 2]), 9)
    return _add(m, k, np.int64(c[row - 2, column]), 10)


@compiled
def _code_escape(
    m: Model, y: Number, x: Number, count: Number, trusts: Number, equal: Number, colour: Number,
    decoding: bool,
) -> Number:  # fmt: skip
    """Code whether the colour is none of the candidates."""
    e, row, column = m.escaped, y + TOP, x + PAD
    near = np.int64(e[row, column - 1]) + 2 * e[row - 1, column] + 4 * e[row - 1, column - 1]
    near += 8 * e[row - 1, column + 1] + 16 * e[row, column - 2] + 32 * e[row - 2, column]
    near += 64 * e[row - 1, column + 2]
    escapes: Number = 1
    for k in range(count):
        if m.candidates[k, 0] == colour:
            escapes = 0
    slot_inputs(m, 0, scrambled(near + 1001), ESCAPE_MAPS)
    slot_inputs(m, 1, scrambled(equal + 1003), ESCAPE_MAPS + MAP)
    slot_inputs(m, 2, scrambled(m.around[0] + 1005), ESCAPE_MAPS + 2 * MAP)
    west = np.int64(m.canvas[row, column - 1])
    slot_inputs(m, 3, scrambled(west + 1007), ESCAPE_MAPS + 3 * MAP)
    slot_inputs(m, 4, scrambled(trusts + 1009), ESCAPE_MAPS + 4 * MAP)
    m.inputs[10] = 256
    for k in range(11, INPUTS):
        m.inputs[k] = 0
    third = ESCAPE_SETS + 2 + count
    escapes = code_mixed(m, escapes, decoding, ESCAPE_SETS, ESCAPE_SETS + 1, third, -1)
    for k in range(5):
        slot_learn(m, k, escapes)
    return escapes


@compiled
def _code_question(
    m: Model, y: Number, x: Number, q: Number, agree: Number, trusts: Number, equal: Number,
    colour: Number, decoding: bool,
) -> Number:  # fmt: skip
    """Code whether candidate q is the colour; ``agree``: which recalls it is."""
    candidate = m.candidates[q, 0]
    key = scrambled(candidate * 9 + 12345)
    same = equal_neighbours(m, y, x, candidate)
    known = np.int64(0)
    for k in range(SURROUNDINGS):
        known += slot_inputs(m, k, scrambled(m.around[k] + key + k), QUESTION_MAPS + k * MAP)
    slot_inputs(m, 10, scrambled(equal + same * 8 + q + 77), QUESTION_MAPS + 10 * MAP)
    trusted = scrambled(agree * 512 + trusts + (same & 15) * 4096 + 99)
    slot_inputs(m, 11, trusted, QUESTION_MAPS + 11 * MAP)
    m.inputs[24] = 256
    for k in range(25, INPUTS):
        m.inputs[k] = 0
    trust = (((trusts >> 6) & 7) + 1) >> 1
    bit = code_mixed(
        m,
        1 if candidate == colour else 0,
        decoding,
        ORDER_SETS + q * 16 + m.candidates[q, 1],
        AGREEMENT_SETS + trust * 32 + min(np.int64(q), np.int64(3)) * 8 + agree,
        KNOWN_SETS + known * 16 + (same & 15),
        (scrambled(key + m.around[0]) >> 30) & 1023,
    )
    for k in range(12):
        slot_learn(m, k, bit)
    return bit


@compiled
def _code_pixel(
    m: Model, y: Number, x: Number, colour: Number, bilevel: bool, decoding: bool
) -> Number:
    """Code or decode a colour and learn from it."""
    if bilevel:
        set_bilevel_surroundings(m, y, x)
    else:
        set_surroundings(m, y, x)
    equal = scrambled(pattern(m, y, x) + 41)
    place0, place1, place2 = recall_place(m, 0), recall_place(m, 1), recall_place(m, 2)
    many, some, few = recalled(m, 0, place0), recalled(m, 1, place1), recalled(m, 2, place2)
    second = recalled(m, 1, place1 + 1) if some >= 0 else np.int64(-1)
    third = recalled(m, 2, place2 + 1) if few >= 0 else np.int64(-1)
    trusts = (_trust(many) * 8 + _trust(some)) * 8 + _trust(few)
    count = _find_candidates(m, y, x, many, some, few, second, third)
    e, row, column = m.escaped, y + TOP, x + PAD
    around = np.int64(e[row, column - 1]) + e[row - 1, column]
    around += np.int64(e[row - 1, column - 1]) + e[row - 1, column + 1]
    escapes = np.int64(0)
    if around >= _ESCAPED:
        escapes = np.int64(_code_escape(m, y, x, count, trusts, equal, colour, decoding))
    found = False
    if not escapes:
        for q in range(count):
            candidate = m.candidates[q, 0]
            agree = 1 if many >= 0 and candidate == (many & _COLOUR) else 0
            agree += 2 if some >= 0 and candidate == (some & _COLOUR) else 0
            agree += 4 if few >= 0 and candidate == (few & _COLOUR) else 0
            if _code_question(m, y, x, q, agree, trusts, equal, colour, decoding):
                found, colour = True, candidate
                break
    if not found:
        e[row, column] = 1
        colour = code_channels(m, y, x, colour, m.candidates[0, 0], decoding)
    m.canvas[row, column] = np.uint32(colour)
    remember(m, 0, place0, colour)
    remember(m, 1, place1, colour)
    remember(m, 2, place2, colour)
    return colour


@compiled
def code_rows(m: Model, pixels: Uint8s, first: Number, bilevel: bool, decoding: bool) -> Number:
    """Code or decode rows from ``first`` on; returns the first row that was not.

    Args:
        m: what was learnt of the rows before.
        pixels: uint8 ``[H, W, C]``, read or written.
        first: row to begin with.
        bilevel: samples are 0 and 1, of one channel.
        decoding: encoding stops early before the words that are left might not do for a row.
    """
    height, width, channels = pixels.shape
    for y in range(first, height):
        written = np.int64(m.state[COUNT] + m.state[HELD])
        if not decoding and written + width * WORDS_PER_PIXEL + 2 > len(m.words):
            return y
        m.errors[y & 1] = 0
        m.misses[y & 1] = 0
        for x in range(width):
            colour: Number = np.int64(0)
            if not decoding:
                for k in range(channels):
                    colour |= np.int64(pixels[y, x, k]) << (8 * k)
            colour = _code_pixel(m, y, x, colour, bilevel, decoding)
            if decoding:
                for k in range(channels):
                    pixels[y, x, k] = np.uint8((colour >> (8 * k)) & 255)
    return height
