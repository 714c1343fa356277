"""A circuit as the compiled walk reads it: flat arrays, variables in the order of coding."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import numpy.typing as npt

if TYPE_CHECKING:
    from nacre.entropy.circuits.integer import IntegerCircuit

Int32s = npt.NDArray[np.int32]
Int64s = npt.NDArray[np.int64]
Floats = npt.NDArray[np.float64]

MESSAGE_BITS = 20
"""Bits of the largest entry of a scaled vector."""


class Layout(NamedTuple):
    """A circuit as the compiled walk reads it, variables in the order of coding.

    Attributes:
        order: variable at each place, int32 ``[V]``.
        depth: its depth in the tree, int32 ``[V]``.
        above: the place of its parent, int64 ``[V]``; -1 for the root.
        inner: whether it has children, bool ``[V]``.
        upward: whether its message to its parent is ever needed, bool ``[V]``.
        first: int64 ``[V + 1]``, bounds of its blocks.
        at: int32 ``[B, 2]``, row and column of each block.
        blocks: weights of the blocks, ``[B · 64]``.
        root: ``[M]``, the scaled distribution of the root.
        cumulative: int32 ``[V · (K + 1) · M]``.
        guess: the likely symbol of each variable, where the search begins, int64 ``[V]``.
        values: K.
        states: M.
    """

    order: Int32s
    depth: Int32s
    above: Int64s
    inner: npt.NDArray[np.bool_]
    upward: npt.NDArray[np.bool_]
    first: Int64s
    at: Int64s
    blocks: Floats
    root: Floats
    cumulative: Int32s
    guess: Int64s
    values: int
    states: int


def make_layout(circuit: IntegerCircuit) -> Layout:
    """The circuit in the order of coding."""
    order, depth = circuit.order, circuit.depth
    following = np.append(depth[1:], -1)
    bounds = circuit.block_first.astype(np.int64)
    counts = np.diff(bounds)[order]
    taken = np.concatenate([np.arange(bounds[v], bounds[v + 1]) for v in order])
    at = circuit.block_at[taken].astype(np.int64)
    cumulative = circuit.cumulative
    return Layout(
        order,
        depth,
        np.append(np.argsort(order), -1)[circuit.parents[order]],
        following > depth,
        _left_later(depth),
        np.concatenate([[0], np.cumsum(counts)]).astype(np.int64),
        np.stack([at // circuit.width, at % circuit.width], axis=1),
        circuit.weights[taken].astype(np.float64).ravel(),
        _scaled(circuit.root),
        cumulative.ravel(),
        _likely(cumulative)[order],
        circuit.values,
        circuit.states,
    )


def _left_later(depth: Int32s) -> npt.NDArray[np.bool_]:
    """Whether any variable comes after the subtree of each."""
    later = np.zeros(len(depth), bool)
    least = np.iinfo(np.int32).max
    for place in range(len(depth) - 1, -1, -1):
        later[place] = least <= depth[place]
        least = min(least, int(depth[place]))
    return later


def _scaled(vector: Int32s) -> Floats:
    """A vector of integers, scaled as in the walk."""
    shift = MESSAGE_BITS - int(vector.max()).bit_length()
    values = vector.astype(np.int64)
    moved = values << shift if shift > 0 else values >> -shift
    return np.maximum(moved, 1).astype(np.float64)


def _likely(cumulative: Int32s) -> Int64s:
    """The symbol of most emission mass of each variable."""
    mass = cumulative.sum(axis=2, dtype=np.int64)
    likely: Int64s = np.diff(mass, axis=1).argmax(axis=1).astype(np.int64)
    return likely
