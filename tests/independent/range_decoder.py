"""A second range decoder, written from docs/entropy.md alone, in Python's unlimited integers."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import accumulate, chain, pairwise

import numpy as np
import numpy.typing as npt
from ncr_reader import require

TOTAL = 2**24
ESCAPES_AT_ONCE = 65_536


def edges_of(frequencies: Sequence[int]) -> list[int]:
    """``low(i)`` of every index, and the total."""
    edges = list(accumulate(frequencies, initial=0))
    require(edges[-1] == TOTAL and min(frequencies) >= 1, "frequencies of a table")
    return edges


CLASSES = [2**22 - 8, *(2 ** (22 - k) for k in range(1, 22)), *[1] * 10]
CLASS_EDGES = edges_of(list(chain.from_iterable((share, share) for share in CLASSES)))
BIT_EDGES = edges_of([TOTAL // 2, TOTAL // 2])


@dataclass(frozen=True)
class Tables:
    """A set of tables: the first integer of each, and its edges, the escape's among them."""

    minimum: list[int]
    edges: list[list[int]]

    @classmethod
    def from_arrays(
        cls,
        minimum: npt.NDArray[np.int32],
        sizes: npt.NDArray[np.int32],
        low: npt.NDArray[np.uint16],
        high: npt.NDArray[np.uint8],
    ) -> Tables:
        """The four arrays of a model file."""
        frequencies = (high.astype(int) * 2**16 + low).tolist()
        ends = list(accumulate((size + 1 for size in sizes.tolist()), initial=0))
        require(ends[-1] == len(frequencies), "number of frequencies")
        edges = [edges_of(frequencies[a:b]) for a, b in pairwise(ends)]
        return cls(minimum.tolist(), edges)

    def size(self, table: int) -> int:
        return len(self.edges[table]) - 2


class RangeDecoder:
    """The state of a decoder; ``lower`` and ``point`` keep all their digits."""

    def __init__(self, message: bytes) -> None:
        self.message = message
        self.lower, self.span, self.settled = 0, 2**64 - 1, 0
        self.point = self.digits(0, 8)

    def digits(self, place: int, count: int) -> int:
        """The number in some bytes of the message; zeros follow its end."""
        return int.from_bytes(self.message[place : place + count].ljust(count, b"\0"), "big")

    def index(self, edges: list[int]) -> int:
        """Decode one index of the table with these edges."""
        scale = self.span >> 24
        target = (self.point - self.lower) // scale
        require(target < TOTAL, "a target that is no symbol")
        index = bisect_right(edges, target) - 1
        self.lower += scale * edges[index]
        self.span = scale * (edges[index + 1] - edges[index])
        if self.span < 2**32:
            self.point = self.point << 32 | self.digits(8 + 4 * self.settled, 4)
            self.lower <<= 32
            self.span <<= 32
            self.settled += 1
        return index

    def expect_end(self) -> None:
        """Refuse a message other than that of the decoded symbols."""
        for kept in range(9):
            unit = 2 ** (64 - 8 * kept)
            value = -(-self.lower // unit) * unit
            if value < self.lower + self.span:
                break
        written = value.to_bytes(4 * self.settled + 8, "big")
        settled, last = written[: 4 * self.settled], written[4 * self.settled :]
        require(self.message == settled + last.rstrip(b"\0"), "not the bytes of these symbols")


def decode(message: bytes, table: Sequence[int], tables: Tables) -> list[int]:
    """The symbols of a message of ``coder``, given the table number of each."""
    if not table:
        require(not message, "a message without symbols")
        return []
    decoder = RangeDecoder(message)
    symbols, escaped = [0] * len(table), []
    for place in sorted(range(len(table)), key=lambda place: table[place]):
        number = table[place]
        index = decoder.index(tables.edges[number])
        symbols[place] = tables.minimum[number] + index
        if index == tables.size(number):
            escaped.append(place)
    for start in range(0, len(escaped), ESCAPES_AT_ONCE):
        places = escaped[start : start + ESCAPES_AT_ONCE]
        classes = [decoder.index(CLASS_EDGES) for _ in places]
        for place, (length, side) in zip(places, (divmod(c, 2) for c in classes), strict=True):
            distance = 1
            for _ in range(length):
                distance = 2 * distance + decoder.index(BIT_EDGES)
            first, size = tables.minimum[table[place]], tables.size(table[place])
            symbol = first + size - 1 + distance if side else first - distance
            require(-(2**31) <= symbol < 2**31, "a symbol of more than 32 bits")
            symbols[place] = symbol
    decoder.expect_end()
    return symbols
