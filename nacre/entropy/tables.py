"""Integer frequency tables: the only thing that a range coder of nacre ever sees.

A table covers consecutive integers and has one escape symbol at its end. Its frequencies are
integers of at least 1 that sum to 2^24. They are made from floats once, when a model is exported,
and stored; a decoder reads them and never makes them again (docs/entropy.md, "Tables").
"""

from __future__ import annotations

import hashlib
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from statistics import NormalDist
from typing import Any

import numpy as np
import numpy.typing as npt

from nacre.errors import InputError, ModelError

PRECISION = 24
"""Bits of a table's total."""
TOTAL = 1 << PRECISION
MAX_TABLES = 1 << 16
MAX_SYMBOLS = 1 << 16
"""The most ordinary symbols (escape not counted) that one table may have."""
_INT32 = np.iinfo(np.int32)

Integers = npt.NDArray[np.integer[Any]]
Floats = npt.NDArray[np.floating[Any]]


@dataclass(frozen=True, eq=False)
class Tables:
    """A set of ``T`` integer tables, each over consecutive integers and one escape symbol.

    Table ``t`` gives the integers ``minimum[t] .. minimum[t] + sizes[t] - 1`` the indices
    ``0 .. sizes[t] - 1``, and any other integer the index ``sizes[t]``, the escape. Index ``i``
    owns the interval ``cumulative[offsets[t] + i] .. cumulative[offsets[t] + i + 1] - 1`` of
    ``0 .. 2^24 - 1``.

    Attributes:
        cumulative: all tables one after another, uint32, ``sizes[t] + 2`` entries each; each
            begins with 0, ends with 2^24 and rises strictly.
        offsets: where each table begins in ``cumulative``, int32 ``[T + 1]``.
        minimum: the integer with index 0, int32 ``[T]``.

    Raises:
        ModelError: the arrays are not such tables.

    >>> tables = Tables.from_probabilities([np.array([0.25, 0.5])], [-1])
    >>> tables.cumulative.tolist()
    [0, 4194304, 12582912, 16777216]
    """

    cumulative: npt.NDArray[np.uint32]
    offsets: npt.NDArray[np.int32]
    minimum: npt.NDArray[np.int32]

    def __post_init__(self) -> None:
        _check(self.cumulative, self.offsets, self.minimum)
        for array in (self.cumulative, self.offsets, self.minimum):
            array.setflags(write=False)

    @property
    def count(self) -> int:
        """How many tables there are."""
        return len(self.minimum)

    @property
    def sizes(self) -> npt.NDArray[np.int32]:
        """Ordinary symbols of each table, int32 ``[T]``; also the index of its escape."""
        return np.diff(self.offsets) - np.int32(2)

    @property
    def frequencies(self) -> npt.NDArray[np.uint32]:
        """All frequencies one table after another, uint32 ``[F]``, ``sizes[t] + 1`` each."""
        inside = np.ones(len(self.cumulative) - 1, dtype=bool)
        inside[self.offsets[1:-1] - 1] = False
        steps: npt.NDArray[np.uint32] = np.diff(self.cumulative)[inside]
        return steps

    def frequencies_of(self, table: int) -> npt.NDArray[np.uint32]:
        """The frequencies of one table, escape last, uint32 ``[sizes[table] + 1]``."""
        return np.diff(self.cumulative[self.offsets[table] : self.offsets[table + 1]])

    @classmethod
    def from_frequencies(
        cls,
        frequencies: npt.ArrayLike,
        sizes: npt.ArrayLike,
        minimum: npt.ArrayLike,
    ) -> Tables:
        """Tables from flat frequencies ``[F]``, ordinary symbols ``[T]`` and minima ``[T]``."""
        flat = np.asarray(frequencies, dtype=np.int64)
        lengths = np.asarray(sizes, dtype=np.int64) + 1
        if lengths.ndim != 1 or flat.ndim != 1 or (lengths < 2).any() or lengths.sum() != len(flat):
            raise ModelError(
                f"{flat.size} frequencies do not fill {lengths.size} tables of at least one symbol "
                "each; the model file is damaged"
            )
        if ((flat < 1) | (flat > TOTAL)).any():
            raise ModelError("a frequency is outside 1..2^24; the model file is damaged")
        offsets = np.concatenate([[0], np.cumsum(lengths + 1)])
        steps = np.zeros(offsets[-1], dtype=np.int64)
        steps[np.delete(np.arange(offsets[-1]), offsets[:-1])] = flat
        running = np.cumsum(steps)
        cumulative = running - np.repeat(running[offsets[:-1]], lengths + 1)
        if (cumulative > TOTAL).any():
            raise ModelError("the frequencies of a table exceed 2^24; the model file is damaged")
        return cls(
            cumulative.astype(np.uint32),
            offsets.astype(np.int32),
            np.asarray(minimum, dtype=np.int32).copy(),
        )

    @classmethod
    def from_probabilities(cls, probabilities: Sequence[Floats], minimum: npt.ArrayLike) -> Tables:
        """Tables from the probabilities of the integers from ``minimum[t]`` on.

        Args:
            probabilities: floats ``[sizes[t]]``; what one lacks to a sum of 1 is its escape's.
            minimum: the integer that each array begins with, ``[T]``.

        Raises:
            InputError: a probability is negative or not finite, or all of a table are 0.
        """
        parts = []
        for number, array in enumerate(probabilities):
            values = np.asarray(array, dtype=np.float64)
            if values.ndim != 1 or not len(values) or not np.isfinite(values).all():
                raise InputError(f"table {number}: probabilities must be finite and at least one")
            if (values < 0).any() or values.sum() <= 0:
                raise InputError(f"table {number}: probabilities must be positive")
            parts.append(allocate(np.append(values, max(0.0, 1.0 - float(values.sum())))))
        if not parts:
            raise InputError("no probabilities were given; at least one table is needed")
        sizes = [len(part) - 1 for part in parts]
        return cls.from_frequencies(np.concatenate(parts), sizes, minimum)

    def indices(self, symbols: npt.NDArray[np.int32], table: Integers) -> npt.NDArray[np.int32]:
        """The index of each symbol in its table, int32 ``[N]``; the escape's where it has none.

        Args:
            symbols: int32 ``[N]``.
            table: table of each symbol, any integer type, ``[N]`` (or one for all), in range.
        """
        return index_symbols(symbols, self.minimum[table], self.sizes[table])

    def count_symbols(
        self, symbols: npt.NDArray[np.int32], table: Integers
    ) -> npt.NDArray[np.int64]:
        """How often each index of each table occurs, int64 ``[F]``, in the order of frequencies."""
        start = self.offsets[:-1] - np.arange(self.count, dtype=np.int32)
        flat = start[table] + self.indices(symbols, table)
        return np.bincount(flat, minlength=len(self.cumulative) - self.count).astype(np.int64)

    def refined(self, counts: Integers, strength: float) -> Tables:
        """Tables of the same layout after seeing ``counts``, with these as the prior.

        A table that saw nothing stays as it is.

        Args:
            counts: int64 ``[F]`` as from :meth:`count_symbols` (several of them may be added).
            strength: how many symbols the present tables weigh as much as, in each table; > 0.
        """
        if np.shape(counts) != (len(self.cumulative) - self.count,) or not strength > 0:
            raise InputError("refining needs one count for each frequency and a strength above 0")
        starts = self.offsets[:-1] - np.arange(self.count)
        parts = [
            allocate(seen + strength / TOTAL * old) if seen.any() else old.astype(np.int64)
            for seen, old in zip(
                np.split(np.asarray(counts, dtype=np.float64), starts[1:]),
                np.split(self.frequencies.astype(np.float64), starts[1:]),
                strict=True,
            )
        ]
        return Tables.from_frequencies(np.concatenate(parts), self.sizes, self.minimum)

    def to_arrays(self) -> dict[str, npt.NDArray[np.generic]]:
        """Arrays for a safetensors file, three bytes a frequency, for :meth:`from_arrays`."""
        frequencies = self.frequencies
        return {
            "minimum": self.minimum,
            "sizes": self.sizes,
            "low": (frequencies & 0xFFFF).astype(np.uint16),
            "high": (frequencies >> 16).astype(np.uint8),
        }

    @classmethod
    def from_arrays(cls, arrays: Mapping[str, npt.NDArray[np.generic]]) -> Tables:
        """Tables from what :meth:`to_arrays` gave.

        A frequency of 2^24 cannot occur, as a table has at least two symbols.

        Raises:
            ModelError: an array is missing, or together they are not tables.
        """
        expected = {"minimum": "int32", "sizes": "int32", "low": "uint16", "high": "uint8"}
        for name, dtype in expected.items():
            if name not in arrays or arrays[name].dtype != dtype or arrays[name].ndim != 1:
                raise ModelError(f"tables need a one-dimensional {dtype} array {name!r}")
        low, high = arrays["low"].astype(np.int64), arrays["high"].astype(np.int64)
        if low.shape != high.shape:
            raise ModelError("the two parts of the frequencies differ in length")
        return cls.from_frequencies(high << 16 | low, arrays["sizes"], arrays["minimum"])

    def digest(self) -> str:
        """SHA-256 of minima, sizes and frequencies (little-endian 32-bit), in hexadecimal."""
        hashed = hashlib.sha256()
        for array in (self.minimum, self.sizes, self.frequencies):
            hashed.update(array.astype("<u4").tobytes())
        return hashed.hexdigest()


def _check(
    cumulative: npt.NDArray[np.uint32],
    offsets: npt.NDArray[np.int32],
    minimum: npt.NDArray[np.int32],
) -> None:
    dtypes = [array.dtype.name for array in (cumulative, offsets, minimum)]
    if dtypes != ["uint32", "int32", "int32"]:
        raise ModelError("tables need cumulative uint32, offsets int32 and minimum int32")
    count = len(minimum)
    if not 1 <= count <= MAX_TABLES or offsets.shape != (count + 1,):
        raise ModelError(f"a set of tables has 1 to {MAX_TABLES} of them; found {count}")
    sizes = np.diff(offsets.astype(np.int64)) - 2
    if offsets[0] != 0 or offsets[-1] != len(cumulative) or cumulative.ndim != 1:
        raise ModelError("the offsets of the tables do not fit their frequencies")
    if (sizes < 1).any() or (sizes > MAX_SYMBOLS).any():
        raise ModelError(f"a table must have 1 to {MAX_SYMBOLS} symbols besides its escape")
    if (minimum.astype(np.int64) + sizes - 1 > _INT32.max).any():
        raise ModelError("a table reaches beyond the integers of 32 bits")
    steps = np.diff(cumulative.astype(np.int64))
    steps[offsets[1:-1] - 1] = 1
    if (cumulative[offsets[:-1]] != 0).any() or (cumulative[offsets[1:] - 1] != TOTAL).any():
        raise ModelError("a table does not sum to 2^24; the model file is damaged")
    if (steps < 1).any():
        raise ModelError("a table has a frequency below 1; the model file is damaged")


def index_symbols(
    symbols: npt.NDArray[np.int32],
    minimum: npt.NDArray[np.int32],
    sizes: npt.NDArray[np.int32],
) -> npt.NDArray[np.int32]:
    """Index of each symbol in a table that begins at ``minimum`` and has ``sizes`` symbols.

    One unsigned comparison finds values on either side: the difference modulo 2^32 of one below
    the table is at least 2^31 or more than any table is long.
    """
    with np.errstate(over="ignore"):
        distance = (symbols - minimum).view(np.uint32)
    return np.minimum(distance, sizes.view(np.uint32), out=distance).view(np.int32)


def allocate(weights: npt.NDArray[np.float64]) -> npt.NDArray[np.int64]:
    """Frequencies of at least 1 that sum to 2^24, in proportion to ``weights`` ``[n]``.

    Each symbol gets 1, the rest is shared by largest remainders; of equal remainders the earlier
    symbol wins.
    """
    free = TOTAL - len(weights)
    if free < 0:
        raise InputError(f"{len(weights)} symbols are too many for one table")
    exact = weights / weights.sum() * free
    shares: npt.NDArray[np.int64] = np.floor(exact).astype(np.int64)
    missing = free - int(shares.sum())
    if missing > 0:
        shares[np.argsort(shares - exact, kind="stable")[:missing]] += 1
    else:
        shares[np.argmax(shares)] += missing
    shares += 1
    return shares


def gaussian_tables(
    scales: Sequence[float] | Floats,
    means: Sequence[float] | Floats = (0.0,),
    *,
    tail: float = 2.0**-PRECISION,
) -> Tables:
    """Tables of rounded Gaussians, one for each scale and each fractional mean.

    Table ``i * len(means) + j`` has scale ``scales[i]`` and mean ``means[j]``. A coder adds an
    integer to the mean by subtracting it from the symbol, so means of -0.5 to 0.5 are enough.

    Args:
        scales: standard deviations in steps, > 0.
        means: means in steps.
        tail: the probability on both sides together that is left to the escape.

    Raises:
        InputError: a scale or the tail cannot be used.
    """
    if not all(0 < scale < MAX_SYMBOLS / 16 for scale in scales) or not 0 < tail < 1:
        raise InputError(f"scales must lie between 0 and {MAX_SYMBOLS // 16}, tail between 0 and 1")
    reach = NormalDist().inv_cdf(1 - tail / 2)
    probabilities, minimum = [], []
    for scale in scales:
        for mean in means:
            first = math.floor(mean - reach * scale)
            last = math.ceil(mean + reach * scale)
            edges = (np.arange(first, last + 2) - 0.5 - mean) / scale
            probabilities.append(_gaussian_masses(edges))
            minimum.append(first)
    return Tables.from_probabilities(probabilities, minimum)


def _gaussian_masses(edges: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    """Standard Gaussian mass between neighbours of ``edges``; each taken in its own tail."""
    upper = np.array([0.5 * math.erfc(edge / math.sqrt(2)) for edge in np.abs(edges)])
    below = np.where(edges < 0, upper, 1 - upper)
    same_side = (edges[:-1] >= 0) == (edges[1:] >= 0)
    masses = np.where(same_side, np.abs(np.diff(upper)), np.diff(below))
    return np.asarray(masses, dtype=np.float64)
