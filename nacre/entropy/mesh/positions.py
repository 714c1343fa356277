"""Positions of a mesh's vertices on a lattice, coded along its connectivity.

Effort 1 codes what one prediction missed under adaptive tables. Effort 2 learns within the file: a
mixture of distributions around many predictions, whose weights adapt (see ``positions_model.py``).
Efforts 3 and 4 add what a small network, trained beforehand, says of each vertex.

A message: a byte, the kind; if there are vertices, the least coordinate of each axis (varint,
zigzag) and the number of bits of the largest extent (varint); then the words of the range coder:
vertices in triangles in the order of ``traversal.py``, then the isolated ones.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from nacre.entropy.mesh.network import Network
from nacre.entropy.mesh.network_oracle import Oracle, oracle_of
from nacre.entropy.mesh.positions_coding import WORDS_PER_VERTEX, code_mixture
from nacre.entropy.mesh.positions_state import Learned, Work, new_learned, new_work
from nacre.entropy.mesh.positions_tables import (
    Coder,
    code_isolated,
    code_tables,
    new_tables,
)
from nacre.entropy.mesh.predictors import Net, Past, View, net_of, new_past, new_view
from nacre.entropy.mesh.surface import Surface
from nacre.entropy.mesh.traversal import Traversal, traverse
from nacre.entropy.message import unpack_words
from nacre.entropy.mixing import Counters
from nacre.entropy.sequential import (
    COUNT,
    HELD,
    STATE_SIZE,
    check_decoded,
    decoder_init,
    encoder_bytes,
    encoder_init,
)
from nacre.errors import FormatError, InputError, ModelError
from nacre.stream import Reader, write_varint

Floats = npt.NDArray[np.float64]
Int64s = npt.NDArray[np.int64]

TABLES, MIXTURE, NETWORK = 1, 2, 3
"""Kinds of messages."""
LIMIT = 1 << 31
"""Coordinates lie in -LIMIT .. LIMIT - 1."""
_BLOCK = 2048
"""Vertices between two looks at how many words are there."""


class _Job:
    """Everything that a message needs on either side."""

    def __init__(self, surface: Surface, kind: int, bits: int, network: Network | None) -> None:
        self.kind, self.surface = kind, surface
        self.net: Net = net_of(surface)
        self.route: Traversal = traverse(surface)
        self.past: Past = new_past(self.net, surface.vertices)
        self.view: View = new_view()
        self.counters: Counters = new_tables()
        self.habits = np.zeros(3, np.int64)
        self.learned: Learned = new_learned(bits, len(self.route.order))
        self.work: Work = new_work()
        self.oracle: Oracle = oracle_of(network if kind == NETWORK else None)

    def code(self, lattice: Floats, coder: Coder, start: int, stop: int) -> None:
        """Vertices ``start .. stop - 1`` of the route, then of the isolated ones."""
        used = len(self.route.order)
        span = (min(start, used), min(stop, used))
        if self.kind == TABLES:
            places = (self.net, self.past, self.route, lattice, self.view)
            code_tables(span, *places, self.counters, self.habits, coder)
        else:
            places = (self.net, self.past, self.route, lattice, self.view)
            code_mixture(span, *places, self.learned, self.work, self.oracle, coder)
        code_isolated((max(start, used), max(stop, used)), lattice, self.counters, coder)


def _zigzag(value: int) -> int:
    return 2 * value if value >= 0 else -2 * value - 1


def encode_positions(
    surface: Surface,
    lattice: npt.NDArray[np.integer[Any]],
    *,
    effort: int = 2,
    network: Network | None = None,
) -> bytes:
    """Code the positions of all vertices.

    Args:
        surface: the connectivity.
        lattice: integers ``[N, 3]`` in -2^31 .. 2^31 - 1, in the surface's numbering, isolated
            vertices included.
        effort: 1 tables, 2 mixtures, 3 and more with the network.
        network: for efforts from 3 on; without it they are effort 2.

    Raises:
        InputError: the integers have another shape or range.
    """
    values = np.asarray(lattice)
    if values.shape != (surface.vertices, 3) or values.dtype.kind not in "iu":
        raise InputError(f"positions must be integers [{surface.vertices}, 3]; got {values.shape}")
    kind = min(effort, NETWORK if network is not None else MIXTURE)
    if not kind >= TABLES:
        raise InputError(f"the effort of positions is 1 to 4; got {effort}")
    out = bytearray([kind])
    if not len(values):
        return bytes(out)
    least, most = values.min(axis=0), values.max(axis=0)
    if int(least.min()) < -LIMIT or int(most.max()) >= LIMIT:
        raise InputError("positions must lie in -2^31..2^31 - 1")
    values = values.astype(np.int64) - least.astype(np.int64)
    bits = int(values.max()).bit_length()
    for value in least:
        write_varint(out, _zigzag(int(value)))
    write_varint(out, bits)
    job = _Job(surface, kind, bits, network)
    state = np.empty(STATE_SIZE, dtype=np.uint64)
    encoder_init(state)
    words = np.empty(_BLOCK * WORDS_PER_VERTEX + 2, dtype=np.uint32)
    floats = values.astype(np.float64)
    for start in range(0, len(values), _BLOCK):
        room = int(state[COUNT] + state[HELD]) + _BLOCK * WORDS_PER_VERTEX + 2
        if room > len(words):
            words = np.concatenate([words, np.empty(room, dtype=np.uint32)])
        job.code(floats, Coder(False, state, words), start, min(start + _BLOCK, len(values)))
    return bytes(out) + encoder_bytes(state, words)


def decode_positions(data: bytes, surface: Surface, *, network: Network | None = None) -> Int64s:
    """The positions that :func:`encode_positions` coded, int64 ``[N, 3]``.

    Args:
        data: the whole message.
        surface: the same connectivity.
        network: the one that coded them, if the message needs one.

    Raises:
        FormatError: the data are damaged.
        ModelError: the message needs a network and there is none.
    """
    reader = Reader(data, "positions")
    kind = reader.unsigned(1, "kind")
    if not TABLES <= kind <= NETWORK:
        raise FormatError(f"positions: kind {kind} is not known")
    if kind == NETWORK and network is None:
        raise ModelError("positions were coded with a network, which is not at hand")
    if not surface.vertices:
        reader.expect_end()
        return np.zeros((0, 3), dtype=np.int64)
    coded = [reader.varint("least coordinate", 2 * LIMIT) for _ in range(3)]
    least = np.array([-(value + 1) // 2 if value & 1 else value // 2 for value in coded])
    bits = reader.varint("bits", 32)
    rest = bytes(reader.rest())
    words = unpack_words(rest)
    job = _Job(surface, kind, bits, network)
    state = np.empty(STATE_SIZE, dtype=np.uint64)
    decoder_init(state, words)
    floats = np.zeros((surface.vertices, 3))
    job.code(floats, Coder(True, state, words), 0, surface.vertices)
    check_decoded(state, rest)
    values = floats.astype(np.int64)
    found: Int64s = values + least
    if int(values.min()) < 0 or int(values.max()).bit_length() != bits or found.max() >= LIMIT:
        raise FormatError("positions: coordinates leave the stated range; the data are damaged")
    if values.min(axis=0).any():
        raise FormatError("positions: the least coordinates are not those stated")
    return found
