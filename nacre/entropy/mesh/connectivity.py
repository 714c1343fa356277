"""Faces of any triangle mesh, exactly: grown over a surface, in the order of the growth.

What cannot be part of a surface is put aside first: faces with a repeated index, faces whose three
vertices an earlier face has. The others are grown over, triangle by triangle, by ``grow``
(connectivity_growth), which cuts where no orientable manifold goes on (edges of more than two
faces, Moebius strips) and names vertices that it meets again, so that nothing is split for good.
Then come the faces put aside and, if asked for, the input's order.

Coding what was decoded gives the same bytes: every choice depends on the order only of faces that
are not coded yet, and the order of decoding keeps that.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np
import numpy.typing as npt

from nacre.entropy import sequential
from nacre.entropy.mesh.connectivity_coding import Coder, code_number, new_coder, with_room
from nacre.entropy.mesh.connectivity_extras import (
    ROOM,
    code_degenerate,
    code_permutation,
    code_repeats,
    code_rotations,
    fill_tree,
)
from nacre.entropy.mesh.connectivity_front import VERTICES, Front, new_front
from nacre.entropy.mesh.connectivity_growth import BAD, MORE, grow
from nacre.entropy.mesh.connectivity_prime import load_primed, prime
from nacre.entropy.mesh.connectivity_seams import decode_seams, encode_seams
from nacre.entropy.mesh.manifold import EMPTY, Source, lay_out, sorted_out, source_of
from nacre.entropy.mesh.surface import Surface, surface_of_fans
from nacre.entropy.message import unpack_words
from nacre.errors import FormatError, InputError, ModelError

__all__ = [
    "Coded",
    "Decoded",
    "decode_connectivity",
    "decode_seams",
    "encode_connectivity",
    "encode_seams",
    "prime",
]

Int32s = npt.NDArray[np.int32]
Bytes = bytes | bytearray | memoryview
Keep = Literal["none", "vertex", "all"]

_KEEPS: tuple[Keep, ...] = ("none", "vertex", "all")
_MIXED, _BORDERED, _PRIMED, _KEEP_SHIFT, _KEEP_MASK = 1, 2, 4, 3, 3 << 3
_REPEATS, _DEGENERATE = 768, 832
_MOST = (1 << 31) // 3 - 1


@dataclass(frozen=True, eq=False)
class Coded:
    """What an encoder learns.

    Attributes:
        data: the stream.
        surface: the triangles that both ends know; triangle ``t`` is row ``t`` of ``faces``.
        vertex_map: decoder's vertex ``i`` is input vertex ``vertex_map[i]``; a permutation of all
            vertices, int32 ``[V]``. Those in no triangle of the surface are last, in their order.
        corner_map: flat input corner ``3 f + k`` of each corner of ``faces``, int32 ``[F, 3]``.
        faces: as decoded, int32 ``[F, 3]``: the surface's, turned round where the input has them
            the other way round (then the surface's first two corners are exchanged), then repeated
            ones, then degenerate ones as (a, a, b).
    """

    data: bytes
    surface: Surface
    vertex_map: Int32s
    corner_map: Int32s
    faces: Int32s


@dataclass(frozen=True, eq=False)
class Decoded:
    """What a decoder learns.

    Attributes:
        surface: as the encoder's.
        faces: as the encoder's.
        order_of_vertices: the encoder's ``vertex_map``, if the order of vertices was kept.
        order_of_faces: the encoder's ``corner_map``, if all order was kept.
    """

    surface: Surface
    faces: Int32s
    order_of_vertices: Int32s | None
    order_of_faces: Int32s | None


def _code_growth(
    front: Front, source: Source, coder: Coder, triangles: int, vertices: int, bordered: int
) -> Coder:
    while True:
        state = grow(front, source, coder, triangles, vertices, bordered)
        if state == BAD:
            raise FormatError("connectivity: triangles that no encoder writes; stream is damaged")
        if state != MORE:
            return coder
        coder = with_room(coder, len(coder.words) + 1024)


def _code_extras(coder: Coder, repeats: Int32s, total: int, pairs: Int32s, vertices: int) -> None:
    if total and code_repeats(coder, repeats, total):
        raise FormatError("connectivity: fewer repeated faces than announced; stream is damaged")
    if len(pairs):
        code_degenerate(coder, pairs, vertices)


def _code_order(coder: Coder, vertex_map: Int32s, corner_map: Int32s, keep: Keep) -> None:
    """The orders to be kept; a decoder's arrays are filled in."""
    if keep == "none":
        return
    _code_one_order(coder, vertex_map)
    if keep == "all":
        faces = np.ascontiguousarray(corner_map[:, 0] // 3)
        turns = (corner_map[:, 0] % 3).astype(np.uint8)
        _code_one_order(coder, faces)
        code_rotations(coder, turns)
        steps = (turns[:, None] + np.arange(3, dtype=np.int32)) % 3
        corner_map[:] = 3 * faces[:, None] + steps


def _code_one_order(coder: Coder, order: Int32s) -> None:
    tree = np.empty(len(order) + 1, dtype=np.int32)
    fill_tree(tree)
    code_permutation(coder, order, tree)


def _all_faces(front: Front, repeats: Int32s, pairs: Int32s) -> Int32s:
    """Every face in the decoder's order and numbers."""
    grown = front.vertex[front.copies].reshape(-1, 3)
    turned = np.flatnonzero(front.flips)
    grown[turned] = grown[turned][:, [1, 0, 2]]
    again = np.repeat(grown, repeats.sum(axis=1), axis=0)
    reverse = np.repeat(np.tile([False, True], len(repeats)), repeats.ravel())
    again[reverse] = again[reverse][:, [1, 0, 2]]
    found: Int32s = np.concatenate([grown, again, pairs[:, [0, 0, 1]]])
    return found


def _check_input(faces: npt.ArrayLike, vertices: int, keep: Keep) -> Int32s:
    array = np.asarray(faces)
    if array.size == 0:
        array = np.zeros((0, 3), dtype=np.int32)
    if array.ndim != 2 or array.shape[1] != 3 or array.dtype.kind not in "iu":
        raise InputError(f"faces must be integers [F, 3], not {array.dtype} {list(array.shape)}")
    if len(array) and (array.min() < 0 or array.max() >= vertices):
        raise InputError(
            f"faces name vertices {array.min()} to {array.max()}, but there are {vertices}"
        )
    if len(array) > _MOST or vertices > _MOST:
        raise InputError(f"{len(array)} faces of {vertices} vertices: at most {_MOST} of each")
    if keep not in _KEEPS:
        raise InputError(f"keep is one of {', '.join(_KEEPS)}, not {keep!r}")
    return np.ascontiguousarray(array, dtype=np.int32)


def encode_connectivity(
    faces: npt.ArrayLike,
    vertices: int,
    *,
    effort: int = 2,
    keep: Keep = "none",
    primed: bytes | None = None,
) -> Coded:
    """Code the faces of a mesh.

    Args:
        faces: integers ``[F, 3]``, any indices below ``vertices``.
        vertices: how many there are.
        effort: 1 learns one context, from 2 on several are mixed.
        keep: which order is coded as well: none, that of the vertices, or that of vertices, faces
            and corners.
        primed: what :func:`prime` learnt from other meshes; a decoder needs the same.

    Raises:
        InputError: the faces are no such array, or too many.
    """
    given = _check_input(faces, vertices, keep)
    sorting = sorted_out(given, vertices)
    kept = given[sorting.kept]
    source = source_of(kept, vertices)
    bordered, mixing = 1 - int(source.closed[0]), effort >= 2
    head = mixing * _MIXED | bordered * _BORDERED | (primed is not None) * _PRIMED
    head |= _KEEPS.index(keep) << _KEEP_SHIFT
    front = new_front(len(kept))
    coder = _begin(np.empty(len(kept) // 4 + 1024, dtype=np.uint32), False, mixing, primed)
    if len(given):
        code_number(coder, _REPEATS, len(sorting.repeated))
        code_number(coder, _DEGENERATE, len(sorting.degenerate))
    coder = _code_growth(front, source, coder, len(kept), vertices, bordered)
    number = source.number
    used, lonely = int(front.tally[VERTICES]), np.flatnonzero(number < 0)
    number[lonely] = used + np.arange(len(lonely), dtype=np.int32)
    vertex_map = np.empty(vertices, dtype=np.int32)
    vertex_map[number] = np.arange(vertices, dtype=np.int32)
    repeats, pairs, corner_map = lay_out(given, sorting, source, front.flips)
    coder = with_room(coder, ROOM * (len(given) - len(kept)) + len(kept) + ROOM)
    _code_extras(coder, repeats, len(sorting.repeated), pairs, vertices)
    if keep != "none":
        coder = with_room(coder, ROOM * (vertices + (2 * len(given) if keep == "all" else 0) + 1))
    _code_order(coder, vertex_map, corner_map, keep)
    data = bytes([head]) + sequential.encoder_bytes(coder.state, coder.words)
    surface = _surface(front, vertices)
    return Coded(data, surface, vertex_map, corner_map, _all_faces(front, repeats, pairs))


def decode_connectivity(
    data: Bytes, vertices: int, faces: int, *, primed: bytes | None = None
) -> Decoded:
    """The faces that :func:`encode_connectivity` coded.

    Args:
        data: the stream.
        vertices: how many there are; within the caller's limits, as memory follows it.
        faces: likewise.
        primed: what the encoder was given.

    Raises:
        FormatError: the data are damaged.
        ModelError: the stream needs a primed table and there is none.
    """
    if len(data) == 0 or data[0] >> 5 or (data[0] & _KEEP_MASK) == _KEEP_MASK:
        raise FormatError("connectivity: no head that is known here")
    head = data[0]
    if head & _PRIMED and primed is None:
        raise ModelError("connectivity is coded with a primed table, and there is none")
    keep = _KEEPS[(head & _KEEP_MASK) >> _KEEP_SHIFT]
    message = bytes(data[1:])
    table = primed if head & _PRIMED else None
    coder = _begin(unpack_words(message), True, bool(head & _MIXED), table)
    repeated = degenerate = 0
    if faces:
        repeated = int(code_number(coder, _REPEATS, 0))
        degenerate = int(code_number(coder, _DEGENERATE, 0))
    triangles = faces - repeated - degenerate
    if triangles < 0 or (repeated and not triangles):
        raise FormatError(
            f"connectivity: {repeated} repeated and {degenerate} degenerate of {faces} faces"
        )
    front = new_front(triangles)
    _code_growth(front, EMPTY, coder, triangles, vertices, head >> 1 & 1)
    repeats = np.zeros((triangles, 2), dtype=np.int32)
    pairs = np.zeros((degenerate, 2), dtype=np.int32)
    _code_extras(coder, repeats, repeated, pairs, vertices)
    vertex_map = np.zeros(vertices if keep != "none" else 0, dtype=np.int32)
    corner_map = np.zeros((faces if keep == "all" else 0, 3), dtype=np.int32)
    _code_order(coder, vertex_map, corner_map, keep)
    sequential.check_decoded(coder.state, message)
    return Decoded(
        _surface(front, vertices),
        _all_faces(front, repeats, pairs),
        vertex_map if keep != "none" else None,
        corner_map if keep == "all" else None,
    )


def _begin(
    words: npt.NDArray[np.uint32], decoding: bool, mixing: bool, primed: bytes | None
) -> Coder:
    coder = new_coder(words, decoding, mixing)
    if primed is not None:
        load_primed(coder, primed)
    if decoding:
        sequential.decoder_init(coder.state, words)
    else:
        sequential.encoder_init(coder.state)
    return coder


def _surface(front: Front, vertices: int) -> Surface:
    return surface_of_fans(front.vertex[front.copies], front.opposite, vertices)
