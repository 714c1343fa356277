"""What the ``screen`` coder looks at around a pixel: hashes of the colours there, and recalls.

All functions set ``model.around``: entries 0, 2 and 4 (few, more, many colours) also find recalls.
"""

from __future__ import annotations

import numpy as np

from nacre.entropy.adaptive.screen_layout import PAD, TOP, Model
from nacre.entropy.adaptive.screen_learning import scrambled
from nacre.entropy.sequential import Number, compiled

_COLOUR = 0xFFFFFFFF


@compiled
def set_surroundings(m: Model, y: Number, x: Number) -> None:
    """Hashes of 2 to 17 colours around a pixel."""
    c, row, column = m.canvas, y + TOP, x + PAD
    w, ww, w3 = np.int64(c[row, column - 1]), np.int64(c[row, column - 2]), c[row, column - 3]
    w4, w5, w6 = c[row, column - 4], c[row, column - 5], c[row, column - 6]
    n, ne, nee = (
        np.int64(c[row - 1, column]),
        np.int64(c[row - 1, column + 1]),
        c[row - 1, column + 2],
    )
    nw, nww = np.int64(c[row - 1, column - 1]), np.int64(c[row - 1, column - 2])
    n3e, n3w = c[row - 1, column + 3], c[row - 1, column - 3]
    nn, nne, nnw = (
        np.int64(c[row - 2, column]),
        np.int64(c[row - 2, column + 1]),
        c[row - 2, column - 1],
    )
    nnee, nnww, nnn = c[row - 2, column + 2], c[row - 2, column - 2], c[row - 3, column]
    near = scrambled(w * 3 + scrambled(n + 7))
    near4 = scrambled(near + nw * 5 + scrambled(ne + 11))
    near6 = scrambled(near4 + ww * 5 + scrambled(nn + 13))
    corners = scrambled(np.int64(nnw) * 5 + scrambled(nne))
    near10 = scrambled(near6 + scrambled(nww * 7 + scrambled(np.int64(nee) + corners)))
    far = scrambled(np.int64(nnn) + scrambled(np.int64(nnww) + scrambled(np.int64(nnee) + 17)))
    far = scrambled(np.int64(n3w) + scrambled(np.int64(n3e) + far))
    row4 = scrambled(w + scrambled(ww + scrambled(np.int64(w3) + scrambled(np.int64(w4) + 19))))
    a = m.around
    a[0], a[1], a[2], a[3] = near, near4, near6, near10
    a[4] = scrambled(near10 + scrambled(np.int64(w3) + far))
    a[5] = row4
    a[6] = scrambled(n + scrambled(ne + scrambled(nn + scrambled(nne + 23))))
    a[7] = scrambled(w + scrambled(nw + scrambled(nww + scrambled(ww + 29))))
    a[8] = scrambled(row4 + scrambled(np.int64(w5) + scrambled(np.int64(w6) + scrambled(n + 31))))
    a[9] = scrambled(n + scrambled(ne + scrambled(np.int64(nee) + 37)))


@compiled
def _bits(m: Model, row: Number, column: Number, first: Number, count: Number) -> Number:
    """Colours 0 and 1 of a row as bits, the leftmost lowest."""
    bits = np.int64(0)
    for k in range(count):
        bits |= (np.int64(m.canvas[row, column + first + k]) & 1) << k
    return bits


@compiled
def set_bilevel_surroundings(m: Model, y: Number, x: Number) -> None:
    """Hashes of 5 to 46 pixels of two colours around a pixel."""
    row, column = y + TOP, x + PAD
    own = np.int64(0)
    for k in range(1, 7):
        own |= (np.int64(m.canvas[row, column - k]) & 1) << (k - 1)
    b = _bits(m, row - 1, column, -5, 11)
    c = _bits(m, row - 2, column, -5, 11)
    d = _bits(m, row - 3, column, -5, 11)
    e = _bits(m, row - 4, column, -5, 11)
    one, a = np.int64(1), m.around
    five = scrambled((own & 3) | ((b & 0x70) << 4) | (one << 40))
    twelve = scrambled((own & 15) | ((b & 0xF8) << 8) | ((c & 0x70) << 20) | (2 * one << 40))
    a[1] = scrambled((own & 15) | ((b & 0x1FC) << 8) | ((c & 0xF8) << 20) | (3 * one << 40))
    most = (own & 31) | ((b & 0x1FC) << 8) | ((c & 0x1FC) << 20)
    a[2] = scrambled(most | ((d & 0x70) << 32) | (4 * one << 50))
    wide = (own & 63) | ((b & 0x3FE) << 8)
    a[3] = scrambled(wide | ((c & 0x1FC) << 20) | ((d & 0xF8) << 32) | (5 * one << 50))
    whole = (own & 63) | (b << 8) | (c << 20) | (d << 32)
    a[4] = scrambled(whole + scrambled((e & 0x1FC) + 6))
    a[5] = scrambled((own & 63) | (b << 8) | (7 * one << 40))
    column_bits = (b & 0xF8) | ((c & 0xF8) << 20) | ((d & 0xF8) << 32) | ((e & 0x70) << 44)
    a[6] = scrambled(column_bits | ((own & 3) << 58) | 8)
    wide |= ((c & 0x3FE) << 20) | ((d & 0x1FC) << 32)
    a[8] = scrambled(wide | ((e & 0x70) << 46) | (9 * one << 58))
    a[9] = scrambled(
        (own & 7)
        | ((b & 0x7F0) << 8)
        | ((c & 0x7F0) << 20)
        | ((d & 0x3F0) << 32)
        | (10 * one << 50)
    )
    a[0], a[7] = five, twelve


@compiled
def pattern(m: Model, y: Number, x: Number) -> Number:
    """Which of the neighbours are equal, as 13 bits."""
    c, row, column = m.canvas, y + TOP, x + PAD
    w, n, ne, nw = (
        c[row, column - 1],
        c[row - 1, column],
        c[row - 1, column + 1],
        c[row - 1, column - 1],
    )
    ww, nww, nee = c[row, column - 2], c[row - 1, column - 2], c[row - 1, column + 2]
    nn, nnw, nne = c[row - 2, column], c[row - 2, column - 1], c[row - 2, column + 1]
    equal = (1 if w == n else 0) + (2 if w == nw else 0) + (4 if n == nw else 0)
    equal += (8 if n == ne else 0) + (16 if w == ww else 0) + (32 if n == nn else 0)
    equal += (64 if nw == nww else 0) + (128 if ne == nee else 0) + (256 if w == ne else 0)
    equal += (512 if nn == nnw else 0) + (1024 if nn == nne else 0) + (2048 if nw == nnw else 0)
    return np.int64(equal + (4096 if ne == nne else 0))


@compiled
def equal_neighbours(m: Model, y: Number, x: Number, colour: Number) -> Number:
    """Which of the neighbours W, N, NW, NE, WW, NN, NWW, NEE have a colour, as 8 bits."""
    c, row, column = m.canvas, y + TOP, x + PAD
    equal = (1 if c[row, column - 1] == colour else 0) + (2 if c[row - 1, column] == colour else 0)
    equal += 4 if c[row - 1, column - 1] == colour else 0
    equal += 8 if c[row - 1, column + 1] == colour else 0
    equal += 16 if c[row, column - 2] == colour else 0
    equal += 32 if c[row - 2, column] == colour else 0
    equal += 64 if c[row - 1, column - 2] == colour else 0
    return np.int64(equal + (128 if c[row - 1, column + 2] == colour else 0))


@compiled
def recall_place(m: Model, order: Number) -> Number:
    """Where the colours lie that followed the surroundings of an order; the second lies behind."""
    entries = m.recalls.shape[1] >> 1
    return np.int64((m.around[4 - 2 * order] >> 24) & (entries - 1)) * 2


@compiled
def recalled(m: Model, order: Number, place: Number) -> Number:
    """Count and colour of a recall (count above 32 bits), -1: none."""
    entry = m.recalls[order, place]
    check = (m.around[4 - 2 * order] >> 50) & 0xFFF
    if entry < 0 or ((entry >> 40) & 0xFFF) != check:
        return np.int64(-1)
    return np.int64(entry & ((np.int64(1) << 40) - 1))


@compiled
def remember(m: Model, order: Number, place: Number, colour: Number) -> None:
    """The recall of an order sees which colour came."""
    entry = recalled(m, order, place)
    if entry >= 0 and (entry & _COLOUR) == colour:
        if (entry >> 32) < 255:
            m.recalls[order, place] += np.int64(1) << 32
        return
    if entry >= 0:
        m.recalls[order, place + 1] = m.recalls[order, place]
    check = (m.around[4 - 2 * order] >> 50) & 0xFFF
    m.recalls[order, place] = (check << 40) | colour
