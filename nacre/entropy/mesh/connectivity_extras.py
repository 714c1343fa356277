"""What a surface leaves out: repeated faces, degenerate ones, and the input's order."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from nacre.entropy.mesh.connectivity_coding import Coder, code_below, code_number, code_plain
from nacre.entropy.sequential import Number, compiled

Int32s = npt.NDArray[np.int32]

ROOM = 40
"""Words that one number or face of this module may take, and some more."""
_REPEATED, _ANOTHER, _OPPOSITE = 256, 260, 264
_STEP, _SECOND = 320, 384
_SAME, _BELOW, _NEAR, _JUMP, _ROTATION = 448, 452, 456, 512, 640


@compiled
def code_repeats(coder: Coder, repeats: Int32s, total: Number) -> Number:
    """How often each face comes again as it is, and reversed.

    Args:
        coder: the coder.
        repeats: int32 ``[T, 2]``, zeros in a decoder; filled there.
        total: of them, more than zero.

    Returns:
        those not placed: 0 unless the data are damaged.
    """
    left = np.int64(total)
    before: Number = np.int64(0)
    for face in range(len(repeats)):
        if left == 0:
            break
        wanted = np.int64(repeats[face, 0]) + np.int64(repeats[face, 1])
        before = code_plain(coder, _REPEATED + before, np.int64(wanted > 0))
        if not before:
            continue
        reversed_ones, done = np.int64(repeats[face, 1]), np.int64(0)
        straight, turned = np.int64(0), np.int64(0)
        opposite: Number = np.int64(0)
        while left > 0:
            # Those as they are come first, so one bit that has turned stays turned.
            if not opposite:
                opposite = code_plain(coder, _OPPOSITE, np.int64(done >= wanted - reversed_ones))
            straight, turned = straight + 1 - opposite, turned + opposite
            done += 1
            left -= 1
            if left == 0 or not code_plain(coder, _ANOTHER, np.int64(done < wanted)):
                break
        repeats[face, 0], repeats[face, 1] = straight, turned
    return left


@compiled
def code_degenerate(coder: Coder, pairs: Int32s, vertices: Number) -> None:
    """Faces (a, a, b) as pairs (a, b) in rising order.

    Args:
        coder: the coder.
        pairs: int32 ``[G, 2]``; filled in by a decoder.
        vertices: numbers are below this.
    """
    a: Number = np.int64(0)
    b: Number = np.int64(0)
    for k in range(len(pairs)):
        step = code_number(coder, _STEP, np.int64(pairs[k, 0]) - a)
        a = min(a + step, np.int64(vertices) - 1)
        if step == 0 and k > 0:
            b = min(b + code_number(coder, _SECOND, np.int64(pairs[k, 1]) - b), vertices - 1)
        else:
            b = code_below(coder, np.int64(pairs[k, 1]), vertices)
        pairs[k, 0], pairs[k, 1] = a, b


@compiled
def fill_tree(tree: Int32s) -> None:
    """Make ``tree`` (int32 ``[n + 1]``) a Fenwick tree of n ones."""
    for k in range(len(tree)):
        tree[k] = k & -k


@compiled
def _below(tree: Int32s, index: Number) -> Number:
    total = np.int64(0)
    while index > 0:
        total += np.int64(tree[index])
        index &= index - 1
    return total


@compiled
def _take(tree: Int32s, rank: Number) -> Number:
    """Remove the entry of that rank among those left; its index."""
    size, step, at, rest = len(tree), np.int64(1), np.int64(0), np.int64(rank)
    while 2 * step < size:
        step *= 2
    while step > 0:
        if at + step < size and tree[at + step] <= rest:
            at += step
            rest -= np.int64(tree[at])
        step >>= 1
    index = at + 1
    while index < size:
        tree[index] -= 1
        index += index & -index
    return at


@compiled
def _code_far(coder: Coder, rank: Number, expected: Number, left: Number) -> Number:
    """A rank below ``left`` that is not the one expected: a distance if it is near, else any."""
    reach = np.int64(1)
    while reach * 8 <= left:
        reach *= 2
    first = max(expected - reach, np.int64(0))
    inside = min(expected + reach, left - 1) - first + 1
    near = np.int64(first <= rank and rank < first + inside)
    if inside < left and not code_plain(coder, _NEAR, near):
        rank = code_below(coder, rank if rank < first else rank - inside, left - inside)
        return rank if rank < first else rank + inside
    below = code_plain(coder, _BELOW, np.int64(rank < expected))
    distance = code_number(coder, _JUMP + 64 * below, abs(rank - expected) - 1) + 1
    rank = expected - distance if below else expected + distance
    return min(max(rank, np.int64(0)), left - 1)


@compiled
def code_permutation(coder: Coder, order: Int32s, tree: Int32s) -> None:
    """An order of 0 .. n - 1: how many unused numbers lie between each and the one before.

    Args:
        coder: the coder.
        order: int32 ``[n]``; filled in by a decoder.
        tree: int32 ``[n + 1]``, of :func:`fill_tree`; used up.
    """
    n = len(order)
    last: Number = np.int64(0)
    same: Number = np.int64(0)
    for k in range(n):
        left = n - k
        expected: Number = _below(tree, last)
        if expected == left:
            expected = np.int64(0)
        rank: Number = np.int64(0)
        if not coder.decoding[0]:
            rank = _below(tree, np.int64(order[k]))
        now = code_plain(coder, _SAME + same, np.int64(rank == expected))
        rank = expected if now else _code_far(coder, rank, expected, np.int64(left))
        same = now
        last = _take(tree, rank)
        order[k] = last


@compiled
def code_rotations(coder: Coder, rotations: npt.NDArray[np.uint8]) -> None:
    """Numbers 0 .. 2, each likely to be the one before."""
    before: Number = np.int64(0)
    for k in range(len(rotations)):
        value = np.int64(rotations[k])
        slot = _ROTATION + 4 * before
        if code_plain(coder, slot, np.int64(value == 0)):
            before = np.int64(0)
        else:
            before = 1 + code_plain(coder, slot + 1, np.int64(value == 2))
        rotations[k] = before
