"""The entropy coder beside CompressAI's: the same symbols, tables and thread, in one run.

Both code integers under a Gaussian scale table of 64 scales (``GaussianConditional``). CompressAI's
coder is timed twice: as its users call it (tensors in, bytes out), and with its Python lists made
beforehand, which is the compiled coder alone. Times are those of the thread, so that what else the
machine does counts little.
"""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from nacre.entropy import coder, estimate, priors, sequential
from nacre.entropy.tables import Tables
from nacre.errors import NacreError

LOWEST_SCALE, HIGHEST_SCALE = 0.11, 16.0
"""Standard deviations in steps; beyond, CompressAI's 16-bit tables cost more than their entropy."""


@dataclass(frozen=True)
class CoderFigures:
    """One coder's row.

    Attributes:
        coder: its name.
        bits_per_symbol: 8 * bytes / symbols.
        above_entropy: bits over the cross-entropy under nacre's tables, less 1.
        encode_msymbols: million symbols a second of the thread's time.
        decode_msymbols: the same.
    """

    coder: str
    bits_per_symbol: float
    above_entropy: float
    encode_msymbols: float
    decode_msymbols: float


def compare(*, symbols: int = 1_000_000, runs: int = 7, seed: int = 0) -> list[CoderFigures]:
    """Time both coders on one thread.

    Args:
        symbols: how many to code, their scales uniform among the 64.
        runs: the median of so many is reported; the coders take turns.
        seed: of the symbols.

    Returns:
        A row a coder: CompressAI's two, then nacre's: as it comes, without the check that no
        other coder makes (that the bytes are the ones an encoder writes), with the groups known
        beforehand as well, and symbol by symbol.

    Raises:
        InputError: CompressAI is not installed (``nacre[train]``).
        NacreError: a coder does not give back the symbols.
    """
    import torch

    rng = np.random.default_rng(seed)
    scales = np.geomspace(LOWEST_SCALE, HIGHEST_SCALE, 64)
    table = rng.integers(0, len(scales), symbols).astype(np.uint8)
    values = np.round(rng.normal(size=symbols) * scales[table]).astype(np.int32)
    prior = priors.gaussian_prior(scales.tolist())
    tables = priors.gaussian_scale_tables(prior)
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        contenders = _theirs(prior, values, table) | _ours(tables, values, table)
        timings = _time(contenders, values, runs)
    finally:
        torch.set_num_threads(threads)
    ideal = estimate.bits(values, table, tables)
    return [
        CoderFigures(
            name,
            8 * length / symbols,
            8 * length / ideal - 1,
            symbols / 1e6 / encode_seconds,
            symbols / 1e6 / decode_seconds,
        )
        for name, (length, encode_seconds, decode_seconds) in timings.items()
    ]


Contender = tuple[Callable[[], bytes], Callable[[bytes], Any]]


def _theirs(
    prior: Any, values: npt.NDArray[np.int32], table: npt.NDArray[np.uint8]
) -> dict[str, Contender]:
    import torch

    latents = torch.from_numpy(values).float()[None]
    indexes = torch.from_numpy(table.astype(np.int32))[None]
    lists = (
        indexes[0].tolist(),
        prior._quantized_cdf.tolist(),
        prior._cdf_length.tolist(),
        prior._offset.tolist(),
    )
    listed = values.tolist()
    inner = prior.entropy_coder
    return {
        "CompressAI": (
            lambda: prior.compress(latents, indexes)[0],
            lambda data: prior.decompress([data], indexes)[0].numpy(),
        ),
        "CompressAI, lists at hand": (
            lambda: inner.encode_with_indexes(listed, *lists),
            lambda data: inner.decode_with_indexes(data, *lists),
        ),
    }


def _ours(
    tables: Tables, values: npt.NDArray[np.int32], table: npt.NDArray[np.uint8]
) -> dict[str, Contender]:
    grouping = coder.group(table, tables)
    near = sequential.hints(tables)
    return {
        "nacre": (
            lambda: coder.encode(values, table, tables),
            lambda data: coder.decode(data, table, tables),
        ),
        "nacre, unchecked": (
            lambda: coder.encode(values, table, tables),
            lambda data: coder.decode(data, table, tables, check=False),
        ),
        "nacre, unchecked, groups at hand": (
            lambda: coder.encode(values, grouping, tables),
            lambda data: coder.decode(data, grouping, tables, check=False),
        ),
        "nacre, symbol by symbol": (
            lambda: sequential.encode(values, table, tables),
            lambda data: sequential.decode(data, table, tables, near),
        ),
    }


def _time(
    contenders: dict[str, Contender], values: npt.NDArray[np.int32], runs: int
) -> dict[str, tuple[int, float, float]]:
    """Bytes and median seconds of encoding and decoding, after one run that is not counted."""
    encoding: dict[str, list[float]] = {name: [] for name in contenders}
    decoding: dict[str, list[float]] = {name: [] for name in contenders}
    lengths: dict[str, int] = {}
    for run in range(runs + 1):
        for name, (encode, decode) in contenders.items():
            start = time.thread_time()
            data = encode()
            middle = time.thread_time()
            decoded = decode(data)
            stop = time.thread_time()
            if not np.array_equal(decoded, values):
                raise NacreError(f"{name} did not give back its symbols")
            lengths[name] = len(data)
            if run:
                encoding[name].append(middle - start)
                decoding[name].append(stop - middle)
    return {
        name: (lengths[name], statistics.median(encoding[name]), statistics.median(decoding[name]))
        for name in contenders
    }
