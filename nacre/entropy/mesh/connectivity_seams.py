"""Seams: which corners at a vertex share a value of an attribute, such as a texture coordinate.

Around each vertex the corners of a fan are joined or parted at every edge; where two triangles
meet, two bits say so, one for either end. Runs of joined corners have one value each; another run
of the same vertex may have it again. Values that are shared by different vertices are not told from
equal ones: each vertex has its own.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from nacre.entropy import sequential
from nacre.entropy.mesh.connectivity_coding import (
    Coder,
    code_below,
    code_mixed,
    code_plain,
    new_coder,
    with_room,
)
from nacre.entropy.mesh.connectivity_front import following, preceding
from nacre.entropy.mesh.surface import Surface
from nacre.entropy.message import unpack_words
from nacre.entropy.sequential import Number, compiled
from nacre.errors import FormatError, InputError

Int32s = npt.NDArray[np.int32]
Bytes = bytes | bytearray | memoryview

_AGAIN, _WHICH, _LISTED = 0, 8, 512
_ROOM = 64
_TURNS = 16
_MANY = 3


class _Seams(NamedTuple):
    """The surface and what is known of its seams.

    Attributes:
        copies: copy at each corner of the surface, int32 ``[3 T]``.
        opposite: of the surface.
        spot: flat corner of the faces of each corner of the surface, int32 ``[3 T]``.
        given: number of the (vertex, value) at each flat corner of the faces, int32 ``[3 F]``;
            zeros in a decoder.
        at: vertex at each flat corner of the faces, int32 ``[3 F]``.
        joined: of each corner's edge: 1 if joined at the following corner, plus 2 if at the
            preceding one; uint8 ``[3 T]``.
        parted: edges at each copy that part it, int32 ``[C]``.
        left: edges at each copy that are not coded yet, int32 ``[C]``.
        closed: 1 of copies with a closed fan, uint8 ``[C]``.
        found: value number at each flat corner or -1, int32 ``[3 F]``.
        head, chain: values of each vertex as lists: int32 ``[V]`` and ``[3 F]``.
        numbered: value number of each (vertex, value) or -1, int32; one in a decoder.
        tally: value numbers given, int64 ``[1]``.
    """

    copies: Int32s
    opposite: Int32s
    spot: Int32s
    given: Int32s
    at: Int32s
    joined: npt.NDArray[np.uint8]
    parted: Int32s
    left: Int32s
    closed: npt.NDArray[np.uint8]
    found: Int32s
    head: Int32s
    chain: Int32s
    numbered: Int32s
    tally: npt.NDArray[np.int64]


@compiled
def _count(seams: _Seams) -> None:
    seams.closed[:] = 1
    for corner in range(len(seams.copies)):
        other = seams.opposite[corner]
        for end in (following(corner), preceding(corner)):
            copy = seams.copies[end]
            if other < 0:
                seams.closed[copy] = 0
            elif other < corner:
                seams.left[copy] += 1


@compiled
def _set_contexts(seams: _Seams, coder: Coder, corner: Number, end: Number, other: Number) -> None:
    """Describe an end of an edge; ``other`` is what its other end is, 2 if not known."""
    first, second = seams.copies[end], seams.copies[following(corner) + preceding(corner) - end]
    here = min(seams.parted[first], _MANY) << 2 | min(seams.left[first], _MANY)
    there = min(seams.parted[second], _MANY) << 2 | min(seams.left[second], _MANY)
    here = here << 1 | seams.closed[first]
    there = there << 1 | seams.closed[second]
    # The edges of this triangle that were coded before, as seen from this corner.
    beside = np.int64(seams.joined[end])
    x = coder.contexts
    x[0] = (np.int64(here) << 5 | there) << 2 | other
    x[1] = np.int64(here) << 2 | other
    x[2] = np.int64(there) << 2 | other
    x[3] = (np.int64(here) << 2 | other) << 2 | beside
    x[4] = np.int64(min(seams.parted[first], _MANY)) << 2 | other
    for k in range(5, len(x)):
        x[k] = 0


@compiled
def _code_edges(seams: _Seams, coder: Coder, start: Number) -> Number:
    """Say of each inner edge at which ends it joins; the corner to go on with."""
    words = len(coder.words)
    for corner in range(start, len(seams.copies)):
        opposite = np.int64(seams.opposite[corner])
        if opposite < 0 or opposite > corner:
            continue
        if not coder.decoding[0]:
            if (
                np.int64(coder.state[sequential.COUNT] + coder.state[sequential.HELD]) + _ROOM
                > words
            ):
                return corner
        elif np.int64(coder.state[sequential.POSITION]) > words + 8:
            return -1
        ends = (following(corner), preceding(corner))
        others = (preceding(opposite), following(opposite))
        known: Number = np.int64(2)
        for k in range(2):
            copy = seams.copies[ends[k]]
            seams.left[copy] -= 1
            one, two = seams.given[seams.spot[ends[k]]], seams.given[seams.spot[others[k]]]
            same: Number = np.int64(one == two)
            if seams.closed[copy] and seams.left[copy] == 0 and seams.parted[copy] < 2:
                # A closed fan is not parted at one edge alone.
                same = np.int64(seams.parted[copy] == 0)
            else:
                _set_contexts(seams, coder, corner, ends[k], known)
                same = code_mixed(coder, k, k, same)
            known = same
            seams.parted[copy] += 1 - same
            seams.joined[corner] |= same << k
            seams.joined[opposite] |= same << (1 - k)
    return len(seams.copies)


@compiled
def _code_value(seams: _Seams, coder: Coder, flat: Number, listed: Number) -> Number:
    """The value number of a run that begins at a flat corner of the faces.

    Args:
        seams: the seams.
        coder: the coder.
        flat: the corner.
        listed: 0 on the surface; _LISTED for faces beyond it, whose values are mostly old.
    """
    vertex, target = seams.at[flat], np.int64(seams.numbered[seams.given[flat]])
    value: Number = np.int64(seams.head[vertex])
    if value >= 0 and code_plain(coder, _AGAIN + listed, np.int64(target >= 0)):
        for turn in range(_TURNS):
            if seams.chain[value] < 0:
                return value
            if code_plain(coder, _WHICH + listed + turn, np.int64(value == target)):
                return value
            value = np.int64(seams.chain[value])
        return code_below(coder, target, seams.tally[0])
    value = np.int64(seams.tally[0])
    seams.tally[0] += 1
    if not coder.decoding[0]:
        seams.numbered[seams.given[flat]] = value
    seams.chain[value] = seams.head[vertex]
    seams.head[vertex] = value
    return value


@compiled
def _spread(seams: _Seams, corner: Number, value: Number) -> None:
    """Give a run of joined corners its value."""
    seams.found[seams.spot[corner]] = value
    for side in range(2):
        here: Number = np.int64(corner)
        while True:
            facing = following(here) if side == 0 else preceding(here)
            other = np.int64(seams.opposite[facing])
            if other < 0 or not (seams.joined[facing] >> (1 - side)) & 1:
                break
            here = following(other) if side == 0 else preceding(other)
            if seams.found[seams.spot[here]] >= 0:
                break
            seams.found[seams.spot[here]] = value


@compiled
def _code_values(seams: _Seams, coder: Coder, back: Int32s, start: Number) -> Number:
    """Number the values along the faces; the flat corner to go on with.

    Args:
        seams: the seams, edges coded.
        coder: the coder.
        back: corner of the surface at each flat corner of its faces, int32 ``[3 T]``.
        start: the flat corner to begin with.
    """
    words = len(coder.words)
    for flat in range(start, len(seams.found)):
        if seams.found[flat] >= 0:
            continue
        if not coder.decoding[0]:
            if (
                np.int64(coder.state[sequential.COUNT] + coder.state[sequential.HELD]) + _ROOM
                > words
            ):
                return flat
        elif np.int64(coder.state[sequential.POSITION]) > words + 8:
            return -1
        if flat < len(back):
            _spread(seams, back[flat], _code_value(seams, coder, flat, np.int64(0)))
        else:
            seams.found[flat] = _code_value(seams, coder, flat, np.int64(_LISTED))
    return len(seams.found)


def _seams_of(surface: Surface, faces: Int32s, given: Int32s, groups: int) -> _Seams:
    corners, flats = surface.triangles.size, faces.size
    spot = np.arange(corners, dtype=np.int32).reshape(-1, 3)
    turned = np.flatnonzero(surface.vertex[surface.triangles[:, 0]] != faces[: len(spot), 0])
    spot[turned] = spot[turned][:, [1, 0, 2]]
    copies, nothing = len(surface.vertex), np.int32(-1)
    return _Seams(
        copies=np.ascontiguousarray(surface.triangles).ravel(),
        opposite=surface.opposite,
        spot=spot.ravel(),
        given=given,
        at=np.ascontiguousarray(faces, dtype=np.int32).ravel(),
        joined=np.zeros(corners, dtype=np.uint8),
        parted=np.zeros(copies, dtype=np.int32),
        left=np.zeros(copies, dtype=np.int32),
        closed=np.ones(copies, dtype=np.uint8),
        found=np.full(flats, nothing),
        head=np.full(surface.vertices, nothing),
        chain=np.full(flats, nothing),
        numbered=np.full(groups, nothing),
        tally=np.zeros(1, dtype=np.int64),
    )


def _code(seams: _Seams, coder: Coder) -> Coder:
    _count(seams)
    done = 0
    while done < len(seams.copies):
        done = int(_code_edges(seams, coder, done))
        if done < 0:
            raise FormatError("seams: the message ends before the edges do")
        if done < len(seams.copies):
            coder = with_room(coder, len(coder.words))
    # Its own inverse, as two corners are exchanged or none.
    back, done = seams.spot, 0
    while done < len(seams.found):
        done = int(_code_values(seams, coder, back, done))
        if done < 0:
            raise FormatError("seams: the message ends before the values do")
        if done < len(seams.found):
            coder = with_room(coder, len(coder.words))
    return coder


def encode_seams(surface: Surface, faces: Int32s, index: Int32s) -> tuple[bytes, Int32s]:
    """Code which corners of a vertex share a value.

    Args:
        surface: what the connectivity's decoder knows.
        faces: likewise, int32 ``[F, 3]``.
        index: value at each corner of ``faces``, any integers ``[F, 3]``.

    Returns:
        the stream, and the value number of each corner as the decoder will have it, int32
        ``[F, 3]``: numbers from 0 in the order of first use. Equal values at different vertices
        have different numbers.

    Raises:
        InputError: ``index`` is no array of integers of the shape of ``faces``.
    """
    values = np.asarray(index)
    if values.shape != faces.shape or values.dtype.kind not in "iu":
        raise InputError(f"index must be integers {list(faces.shape)}, not {list(values.shape)}")
    _, dense = np.unique(values, return_inverse=True)
    pairs = faces.ravel().astype(np.int64) * max(values.size, 1) + dense.ravel()
    unique, given = np.unique(pairs, return_inverse=True)
    seams = _seams_of(surface, faces, given.ravel().astype(np.int32), len(unique))
    coder = new_coder(np.empty(1024 + values.size // 16, dtype=np.uint32), False)
    sequential.encoder_init(coder.state)
    coder = _code(seams, coder)
    return sequential.encoder_bytes(coder.state, coder.words), seams.found.reshape(-1, 3)


def decode_seams(data: Bytes, surface: Surface, faces: Int32s) -> Int32s:
    """The value number of each corner of ``faces``, int32 ``[F, 3]``, from :func:`encode_seams`.

    Raises:
        FormatError: the data are damaged.
    """
    message = bytes(data)
    coder = new_coder(unpack_words(message), True)
    sequential.decoder_init(coder.state, coder.words)
    seams = _seams_of(surface, faces, np.zeros(faces.size, dtype=np.int32), 1)
    _code(seams, coder)
    sequential.check_decoded(coder.state, message)
    return seams.found.reshape(-1, 3)
