"""photo"""

from __future__ import annotations

import numpy as np

from nacre.entropy import sequential
from nacre.entropy.adaptive import photo_model as m
from nacre.entropy.adaptive.least_squares import WIDTH
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


def _pad(width, height):
    stride = width + 2 * m.PAD
    return np.zeros(stride * (height + m.TOP + m.BOTTOM), np.int32)


def _scratch(kind, stride):
    offsets = np.zeros((3, 16), np.int32)
    for r, taps in enumerate((OWN, AUX, AUX)):
        offsets[r, : len(taps)] = [dy * stride + dx for dy, dx in taps]
    sizes = np.array([*SIZES[kind], sum(SIZES[kind])], np.int32)
    return m.Scratch(
        offsets,
        sizes,
        np.zeros((8, 16), np.int32),
        np.zeros(8, np.int32),
        np.zeros((16, 16), np.int64),
        np.zeros(16, np.int64),
        np.zeros(m.CONTEXTS, np.int32),
        np.zeros(m.INPUTS, np.int32),
    )


W_EXPERT, W_CTX = 0.4, 0.12


def _model(width):
    blocks = -(-width // m.COLUMNS)
    sets = 16 + 8 * m.CROSSES
    weights = np.zeros((sets, m.NODES, m.INPUTS), np.int32)
    weights[:, :, 0] = int(W_EXPERT / 2 * 65536)
    weights[:, :, 2 : 2 + m.CONTEXTS] = int(W_CTX / 2 * 65536)
    scales = np.zeros((m.ENERGIES, m.CROSSES, 2), np.int64)
    scales[:, :, 0] = (2.0 ** ((np.arange(m.ENERGIES)[:, None] + 4.5) / 2 - 7) * 2**18).astype(
        np.int64
    )
    return m.Model(
        new_counters(m.CONTEXTS * m.SLOTS * m.NODES),
        weights.reshape(-1),
        scales.reshape(-1),
        np.zeros(2 * m.MEMORY, np.int32),
        np.zeros((blocks + 4, WIDTH, WIDTH), np.int32),
    )


def _finish(values, width, height):
    stride = width + 2 * m.PAD
    a = values.reshape(-1, stride)
    for r in range(m.BOTTOM):
        a[m.TOP + height + r] = a[m.TOP + height - 1]


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
    zero = _pad(width, height)
    order = [(1, 0), (0, 1), (2, 2)] if channels >= 3 else [(0, 0)]
    if channels in (2, 4):
        order.append((channels - 1, 1))
    done = []
    for channel, kind in order:
        samples = np.ascontiguousarray(pixels[:, :, channel]).astype(np.int32).reshape(-1)
        colour = channel < 3 and channels >= 3 and kind
        base = done[0][0] if colour else zero
        first, fe = done[0] if kind else (zero, zero)
        second, se = done[1] if kind == 2 else (zero, zero)
        values, errors = _pad(width, height), _pad(width, height)
        planes = m.Planes(samples, values, base, errors, first, fe, second, se)
        model = _model(width)
        scratch = _scratch(kind, stride)
        shape = m.Shape(width, stride, kind, top, 0 if top == 255 else 8, m.CONTEXTS)
        row = 0
        before = int(state[2])
        while row < height:
            row = m.code_rows(
                (row, height), (data is not None, state, words), planes, model, scratch, shape
            )
            if row < height:
                words = np.concatenate([words, np.zeros(max(len(words), width * 80), np.uint32)])
        BITS[kind] = BITS.get(kind, 0) + 32 * (int(state[2]) - before)
        _finish(values, width, height)
        _finish(errors, width, height)
        done.append((values, errors))
        if data is not None:
            pixels[:, :, channel] = samples.reshape(height, width)
    if data is None:
        return sequential.encoder_bytes(state, words)
    sequential.check_decoded(state, data)
    return pixels


BITS = {}
