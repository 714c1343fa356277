"""photo"""

from __future__ import annotations

import numpy as np

from nacre.entropy import sequential
from nacre.entropy.adaptive import photo_model as m
from nacre.entropy.message import unpack_words
from nacre.entropy.mixing import new_counters

OWN = (
    (-1, 0),
    (-1, 1),
    (-1, -1),
    (0, -2),
    (-2, 0),
    (-1, 2),
    (-2, 1),
    (-1, -2),
    (-2, -1),
    (-2, 2),
    (0, -3),
)
AUX = ((0, 0), (0, 1), (1, 0), (0, -1), (-1, 0))
SIZES = ((11, 0, 0), (7, 5, 0), (5, 3, 5))
WIDTH = 16
W_EXPERT, W_CTX = 0.4, 0.12
BITS = {}

def _scratch(kind, stride):
    offsets = np.zeros((3, 16), np.int32)
    for r, taps in enumerate((OWN, AUX, AUX)):
        offsets[r, : len(taps)] = [dy * stride + dx for dy, dx in taps]
    sizes = np.array([*SIZES[kind], sum(SIZES[kind])], np.int32)
    return m.Scratch(
        offsets,
        sizes,
        np.zeros((8, WIDTH), np.int32),
        np.zeros(8, np.int32),
        np.zeros((WIDTH, WIDTH), np.int32),
        np.zeros(WIDTH, np.int32),
        np.zeros(m.CONTEXTS, np.int32),
        np.zeros(m.INPUTS, np.int32),
        np.zeros(m.INPUTS, np.int32),
    )



def _model(width):
    blocks = -(-width // m.COLUMNS)
    weights = np.zeros((m.SETS * m.NODES, m.INPUTS), np.int32)
    weights[:, 0] = int(W_EXPERT / 4 * 65536)
    weights[:, 1] = int(W_EXPERT / 4 * 65536)
    weights[:, 2 :] = int(W_CTX / 2 * 65536)
    scales = np.zeros((m.ENERGIES* m.CROSSES+m.DISAGREES*16, 2), np.int32)
    scales[: m.ENERGIES * m.CROSSES, 0] = np.repeat(2.0 ** ((np.arange(m.ENERGIES) + 4.5) / 2 - 7) * 2**14, m.CROSSES).astype(np.int32)
    scales[m.ENERGIES * m.CROSSES:, 0] = np.tile(2.0 ** ((np.arange(16) + 12.5)/2) * 2**4, m.DISAGREES).astype(np.int32)
    return m.Model(
        new_counters(m.CONTEXTS * m.SLOTS * m.NODES),
        weights,
        scales,
        np.zeros(2 * m.MEMORY, np.int32),
        np.zeros((blocks + 4, WIDTH, WIDTH), np.int32),
    )


def code(pixels, data=None):
    height, width, channels = pixels.shape
    stride = width + 2 * m.PAD
    state = np.zeros(sequential.STATE_SIZE, np.uint64)
    if data is None:
        words = np.zeros(1 << 16, np.uint32)
        sequential.encoder_init(state)
    else:
        words = unpack_words(data)
        sequential.decoder_init(state, words)
    top = 255 if pixels.dtype == np.uint8 else 65535
    planes = np.zeros((9, (height + m.TOP + m.BOTTOM) * stride), np.int32)
    grid = planes.reshape(9, -1, stride)[:, m.TOP:, m.PAD:-m.PAD]
    order = [(1, 0), (0, 1), (2, 2)] if channels >= 3 else [(0, 0)]
    if channels in (2, 4):
        order.append((channels - 1, 1))
    for place, (channel, kind) in enumerate(order):
        colour = channel < 3 and channels >= 3 and kind
        base = 0 if colour else m.ZERO
        if data is None:
            grid[place, :height] = pixels[:, :, channel]
            grid[place, :height] -= grid[base, :height]
        model = _model(width)
        scratch = _scratch(kind, stride)
        shape = m.Shape(width, stride, kind, top, 0 if top == 255 else 8, place, base, 0 if kind else m.ERRORS, 1 if kind == 2 else m.ERRORS)
        row = 0
        before = int(state[2])
        while row < height:
            row = m.code_rows(
                (row, height), data is not None, state, words, planes, model, scratch, shape
            )
            if row < height:
                words = np.concatenate([words, np.zeros(max(len(words), width * 80), np.uint32)])
        BITS[kind] = BITS.get(kind, 0) + 32 * (int(state[2]) - before)
        for k in (place, m.ERRORS + place):
            a = planes[k].reshape(-1, stride)
            a[m.TOP + height:] = a[m.TOP + height - 1]
        if data is not None:
            pixels[:, :, channel] = grid[place, :height] + grid[base, :height]
    if data is None:
        return sequential.encoder_bytes(state, words)
    sequential.check_decoded(state, data)
    return pixels
