"""Full wavelet-packet transforms in 1, 2 and 3 dimensions, as matrix products.

A full packet tree of J levels turns a signal of N samples into 2^J bands of N / 2^J samples. It is
separable, so a picture needs the one-dimensional transform along each axis and a rearrangement of
every 2^J x 2^J block into channels (``pixel_unshuffle``). The one-dimensional transform of *all*
levels is a banded matrix: blocks of 64 outputs share one small dense matrix in the interior and
have one of their own at either end. Two or three matrix products replace some hundred strided
convolutions and run at the speed of the machine's BLAS, with gradients for free.

The filters are PyWavelets'. Boundaries:

``periodic``
    PyWavelets' ``periodization``, for every wavelet.
``symmetric``
    whole-sample reflection (x[-1] = x[1]) of every band at every level, for filters of odd length
    that are symmetric themselves (``bior2.2``, ``bior4.4``, ``bior6.8``, ...) and for ``haar``: no
    seam between the left and the right edge of a picture, and still no more coefficients than
    samples. It is what JPEG 2000 does (ISO/IEC 15444-1, annex F).

Synthesis is the inverse of the analysis matrix, computed once in float64; it is banded too because
the filter banks are biorthogonal.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import lru_cache
from typing import Literal

import numpy as np
import numpy.typing as npt
import pywt
import torch
from torch.nn import functional

from nacre.errors import InputError

Boundary = Literal["periodic", "symmetric"]

_BLOCK = 64  # outputs per interior block; 64 + 2 * 32 columns keep BLAS busy at J = 3
_DEEPEST = 4  # levels of one matrix: the band of eight is 3,000 columns wide, of four 200
_DENSE = 256  # up to this length one dense matrix is as fast as blocks


def _extend(index: npt.NDArray[np.int64], n: int, boundary: Boundary) -> npt.NDArray[np.int64]:
    """Where in 0..n-1 the sample at ``index`` of the endless extended signal lies."""
    if boundary == "periodic":
        return index % n
    period = 2 * n - 2
    folded = index % period
    return np.minimum(folded, period - folded)


@lru_cache(maxsize=64)
def analysis_matrix(
    wavelet: str, levels: int, n: int, boundary: Boundary
) -> npt.NDArray[np.float64]:
    """The packet transform of a signal of ``n`` samples as a matrix ``[n, n]``.

    Row ``position * 2**levels + band`` gives coefficient ``position`` of ``band``; the first
    level's choice (low 0, high 1) is the most significant bit of ``band`` (PyWavelets' natural
    order).

    Raises:
        InputError: ``n`` is not a multiple of ``2**levels``, or the wavelet has no symmetric form.
    """
    if n % (1 << levels) or n == 0:
        raise InputError(
            f"a {levels}-level packet needs a multiple of {1 << levels} samples, not {n}"
        )
    if levels == 0:
        return np.eye(n)
    filters = pywt.Wavelet(wavelet)
    if boundary == "symmetric" and wavelet != "haar" and not _is_odd_symmetric(filters):
        raise InputError(f"wavelet {wavelet!r} has no symmetric boundary; use bior4.4 or periodic")
    half = n // 2
    step = np.zeros((2, half, n))
    rows = np.arange(half)
    for band, taps in enumerate((filters.dec_lo, filters.dec_hi)):
        for j, tap in enumerate(taps):
            columns = _extend(2 * rows + len(taps) // 2 - j, n, boundary)
            np.add.at(step[band], (rows, columns), tap)
    rest = analysis_matrix(wavelet, levels - 1, half, boundary)
    both = np.stack([rest @ step[0], rest @ step[1]]).reshape(2, -1, 1 << (levels - 1), n)
    return np.ascontiguousarray(both.transpose(1, 0, 2, 3).reshape(n, n))


def _is_odd_symmetric(filters: pywt.Wavelet) -> bool:
    """Whether both analysis filters have odd length and a mirror axis on the sampling point."""
    for taps in (filters.dec_lo, filters.dec_hi):
        core = np.trim_zeros(np.asarray(taps))
        if len(core) % 2 == 0 or not np.allclose(core, core[::-1]):
            return False
    return True


@lru_cache(maxsize=64)
def synthesis_matrix(
    wavelet: str, levels: int, n: int, boundary: Boundary
) -> npt.NDArray[np.float64]:
    """The inverse of :func:`analysis_matrix`, ``[n, n]``, with the zeros of its band restored."""
    inverse = np.linalg.inv(analysis_matrix(wavelet, levels, n, boundary))
    inverse[np.abs(inverse) < 1e-13] = 0.0
    return np.ascontiguousarray(inverse)


@dataclass(frozen=True)
class _Blocks:
    """A banded matrix of any size as three dense blocks; ``reach`` columns on either side."""

    first: torch.Tensor  # [block, block + reach]
    inner: torch.Tensor  # [block, block + 2 reach]
    last: torch.Tensor  # [block, block + reach]
    reach: int


@lru_cache(maxsize=32)
def _blocks(
    wavelet: str,
    levels: int,
    boundary: Boundary,
    inverse: bool,
    dtype: torch.dtype,
    device: torch.device,
) -> _Blocks:
    """Cut the three blocks out of a matrix that is large enough to show all of them."""
    make = synthesis_matrix if inverse else analysis_matrix
    length = len(pywt.Wavelet(wavelet).dec_lo)
    unit = 1 << levels
    reach = (length // 2 + 1) * (unit - 1)  # trimmed to the true band below
    block = max(_BLOCK, unit)
    n = block * (3 + 2 * -(-reach // block))
    full = make(wavelet, levels, n, boundary)
    middle = n // 2 // block * block
    rows = full[middle : middle + block]
    used = np.flatnonzero(np.abs(rows).max(axis=0) > 1e-13)
    reach = max(middle - int(used[0]), int(used[-1]) + 1 - middle - block, 0)
    reach = -(-reach // unit) * unit

    def tensor(part: npt.NDArray[np.float64]) -> torch.Tensor:
        with torch.inference_mode(False):
            return torch.tensor(part, dtype=dtype, device=device)

    return _Blocks(
        tensor(full[:block, : block + reach]),
        tensor(rows[:, middle - reach : middle + block + reach]),
        tensor(full[n - block :, n - block - reach :]),
        reach,
    )


@lru_cache(maxsize=64)
def _dense(
    wavelet: str,
    levels: int,
    n: int,
    boundary: Boundary,
    inverse: bool,
    dtype: torch.dtype,
    device: torch.device,
) -> torch.Tensor:
    make = synthesis_matrix if inverse else analysis_matrix
    # A tensor that was made in inference mode could not be kept for a later gradient.
    with torch.inference_mode(False):
        return torch.tensor(make(wavelet, levels, n, boundary), dtype=dtype, device=device)


def _along(
    x: torch.Tensor, dim: int, wavelet: str, levels: int, boundary: Boundary, inverse: bool
) -> torch.Tensor:
    """Apply the transform along ``dim``; the shape stays, coefficients lie position-major."""
    n = x.shape[dim]
    if n % (1 << levels) or n == 0:
        raise InputError(
            f"a {levels}-level packet needs a multiple of {1 << levels} samples, not {n}"
        )
    if n > _DENSE:
        b = _blocks(wavelet, levels, boundary, inverse, x.dtype, x.device)
        if boundary == "periodic":
            return _circulant(x, dim, b)
        if n >= 3 * b.first.shape[0] + 2 * b.reach:
            return _banded(x, dim, b)
    matrix = _dense(wavelet, levels, n, boundary, inverse, x.dtype, x.device)
    if dim % x.ndim == x.ndim - 1:
        return x @ matrix.T
    return (matrix @ x.movedim(dim, -2)).movedim(-2, dim)


def _circulant(x: torch.Tensor, dim: int, b: _Blocks) -> torch.Tensor:
    """The product with a banded matrix that wraps around: inner blocks only."""
    n, block, reach = x.shape[dim], b.first.shape[0], b.reach
    count = -(-n // block)
    columns = torch.arange(-reach, count * block + reach, device=x.device) % n
    wrapped = x.movedim(dim, -1).index_select(-1, columns)
    frames = wrapped.unfold(-1, block + 2 * reach, block)
    return (frames @ b.inner.T).flatten(-2)[..., :n].movedim(-1, dim)


def _banded(x: torch.Tensor, dim: int, b: _Blocks) -> torch.Tensor:
    """The product with a banded matrix of which only three blocks are stored."""
    n, block, reach = x.shape[dim], b.first.shape[0], b.reach
    # Rows stay contiguous either way: the last axis is multiplied from the right, others from
    # the left.
    axis = -1 if dim % x.ndim == x.ndim - 1 else -2
    moved = x.movedim(dim, axis)

    def product(matrix: torch.Tensor, start: int, stop: int) -> torch.Tensor:
        part = moved.narrow(axis, start, stop - start)
        return part @ matrix.T if axis == -1 else matrix @ part

    # Inner blocks start at ``block`` and read ``reach`` samples on either side of their own.
    count = min((n - block) // block - 1, (n - reach) // block - 1)
    covered = block * (count + 1)
    span = block + 2 * reach
    inner = moved.narrow(axis, block - reach, covered + 2 * reach - block)
    frames = inner.unfold(axis, span, block)
    body = frames @ b.inner.T if axis == -1 else b.inner @ frames.mT
    parts = [product(b.first, 0, block + reach), body.flatten(axis - 1, axis)]
    if covered < n - block:  # one more inner block, laid so that it ends where the tail begins
        start = n - 2 * block
        extra = product(b.inner, start - reach, start + block + reach)
        missing = n - block - covered
        parts.append(extra.narrow(axis, block - missing, missing))
        covered = n - block
    tail = product(b.last, n - block - reach, n)
    parts.append(tail.narrow(axis, block - (n - covered), n - covered))
    return torch.cat(parts, dim=axis).movedim(axis, dim)


@dataclass(frozen=True)
class WaveletPacket:
    """A full packet tree over the last ``dims`` axes of a tensor.

    Attributes:
        wavelet: a name that PyWavelets knows.
        levels: J; each axis is cut into 2^J bands.
        dims: 1 (``[B, C, L]``), 2 (``[B, C, H, W]``) or 3 (``[B, C, D, H, W]``).
        boundary: ``"symmetric"`` or ``"periodic"``.

    Example:
        >>> packet = WaveletPacket("bior4.4", levels=3, dims=2)
        >>> x = torch.rand(1, 3, 64, 96)
        >>> y = packet.analyze(x)
        >>> tuple(y.shape)
        (1, 192, 8, 12)
        >>> bool(torch.allclose(packet.synthesize(y), x, atol=1e-5))
        True
    """

    wavelet: str = "bior4.4"
    levels: int = 3
    dims: int = 2
    boundary: Boundary = "symmetric"

    @property
    def stride(self) -> int:
        """Samples of one axis per coefficient position: 2^levels."""
        return 1 << self.levels

    @property
    def _deep(self) -> bool:
        """Whether two packets after each other, the second one of each band, are cheaper."""
        return self.dims == 1 and self.levels > _DEEPEST

    def _part(self, levels: int) -> WaveletPacket:
        return replace(self, levels=levels)

    def analyze(self, x: torch.Tensor) -> torch.Tensor:
        """``[B, C, *n]`` to ``[B, C * stride**dims, *(n / stride)]``, same dtype and device.

        Channel ``(c * stride + band_first_axis) * stride + band_second_axis ...``.

        Raises:
            InputError: an axis is not a multiple of :attr:`stride` (see :func:`pad_to_multiple`).
        """
        if self._deep:
            return self._part(self.levels - _DEEPEST).analyze(self._part(_DEEPEST).analyze(x))
        for axis in range(self.dims):
            x = _along(x, 2 + axis, self.wavelet, self.levels, self.boundary, inverse=False)
        return _blocks_to_channels(x, self.stride, self.dims)

    def synthesize(self, y: torch.Tensor) -> torch.Tensor:
        """The inverse of :meth:`analyze`, exact to float rounding."""
        if self._deep:
            return self._part(_DEEPEST).synthesize(self._part(self.levels - _DEEPEST).synthesize(y))
        x = _channels_to_blocks(y, self.stride, self.dims)
        for axis in range(self.dims):
            x = _along(x, 2 + axis, self.wavelet, self.levels, self.boundary, inverse=True)
        return x


def _blocks_to_channels(x: torch.Tensor, s: int, dims: int) -> torch.Tensor:
    """``pixel_unshuffle`` for 1 to 3 axes."""
    if dims == 2:
        return functional.pixel_unshuffle(x, s)
    batch, channels, *sizes = x.shape
    split = x.reshape(batch, channels, *[part for n in sizes for part in (n // s, s)])
    positions, bands = range(2, 2 + 2 * dims, 2), range(3, 3 + 2 * dims, 2)
    moved = split.permute(0, 1, *bands, *positions)
    return moved.reshape(batch, channels * s**dims, *[n // s for n in sizes])


def _channels_to_blocks(y: torch.Tensor, s: int, dims: int) -> torch.Tensor:
    """``pixel_shuffle`` for 1 to 3 axes."""
    if dims == 2:
        return functional.pixel_shuffle(y, s)
    batch, channels, *sizes = y.shape
    split = y.reshape(batch, channels // s**dims, *[s] * dims, *sizes)
    order = [axis for d in range(dims) for axis in (2 + dims + d, 2 + d)]
    return split.permute(0, 1, *order).reshape(batch, channels // s**dims, *[n * s for n in sizes])


def pad_to_multiple(x: torch.Tensor, multiple: int, dims: int) -> torch.Tensor:
    """Repeat the last sample of each of the last ``dims`` axes up to a multiple of ``multiple``.

    The decoder crops, so the padding is free to be whatever costs least; a constant costs least.
    """
    for dim in range(x.ndim - dims, x.ndim):
        missing = -x.shape[dim] % multiple
        if missing:
            edge = x.narrow(dim, x.shape[dim] - 1, 1)
            x = torch.cat([x, edge.expand(*edge.shape[:dim], missing, *edge.shape[dim + 1 :])], dim)
    return x
