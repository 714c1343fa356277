"""A lapped orthogonal transform of sound whose blocks may be of any lengths.

The modified discrete cosine transform (J. Princen, A. Johnson, A. Bradley, "Subband/transform
coding using filter bank designs based on time domain aliasing cancellation", ICASSP 1987), in the
form that needs no rule for windows of unequal halves (H. Malvar, "Signal Processing with Lapped
Transforms", 1992): rotations fold the samples around each border between two blocks into both of
them, and a DCT-IV follows in each block. A border's overlap is as long as the shorter block, so
short blocks around an attack keep their noise to themselves.

    samples ──fold at each border──▶ ──DCT-IV of each block──▶ coefficients
    samples ◀──unfold──◀ ──DCT-IV, its own inverse──◀ coefficients

All of it is orthonormal: an error of the coefficients is an error of the same energy in the sound.
A frame of ``frame`` samples is one block, or 2^split equal ones.
"""

from __future__ import annotations

import functools

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]
Splits = npt.NDArray[np.uint8]


@functools.cache
def _twiddle(size: int) -> npt.NDArray[np.complex128]:
    """e^(-i pi (8 n + 1) / (8 size)), n < size / 2."""
    twiddle: npt.NDArray[np.complex128] = np.exp(
        -1j * np.pi * (8 * np.arange(size // 2) + 1) / (8 * size)
    )
    return twiddle


def dct4(blocks: Floats) -> Floats:
    """DCT-IV of the last axis, orthonormal, its own inverse; an even number of samples.

    >>> bool(np.allclose(dct4(dct4(np.arange(6.0))), np.arange(6.0)))
    True
    """
    size = blocks.shape[-1]
    packed = np.empty((*blocks.shape[:-1], size // 2), np.complex128)
    packed.real, packed.imag = blocks[..., ::2], blocks[..., ::-2]
    packed *= _twiddle(size)
    turned = np.fft.fft(packed, axis=-1)
    turned *= _twiddle(size) * np.sqrt(2 / size)
    out = np.empty(blocks.shape)
    out[..., ::2] = turned.real
    np.negative(turned.imag, out=out[..., ::-2])
    return out


@functools.cache
def _rotation(overlap: int) -> tuple[Floats, Floats]:
    """Cosines and sines from a border outwards: the sine window's two halves."""
    angles = np.pi / 2 * (np.arange(overlap) + 0.5) / overlap
    window = np.sin(angles)
    half = overlap // 2
    return window[half:], window[:half][::-1]


def _turn(left: Floats, right: Floats, overlap: int, sign: int) -> None:
    """Rotate the ends of ``left`` and beginnings of ``right`` (``[..., n]``) in place."""
    half = overlap // 2
    cosine, sine = _rotation(overlap)
    before = left[..., : -half - 1 : -1].copy()
    after = right[..., :half].copy()
    right[..., :half] = cosine * after + sign * sine * before
    left[..., : -half - 1 : -1] = cosine * before - sign * sine * after


def _within(frames: Floats, splits: Splits, sign: int) -> None:
    """Turn the borders between the blocks of each frame ``[C, F, frame]``, in place."""
    channels, _, frame = frames.shape
    for split in np.unique(splits[splits > 0]):
        chosen = np.flatnonzero(splits == split)
        own = frames if len(chosen) == len(splits) else frames[:, chosen]
        blocks = own.reshape(channels, len(chosen), 1 << split, -1)
        size = frame >> split
        left, right = blocks[:, :, :-1], blocks[:, :, 1:]
        half = size // 2
        cosine, sine = _rotation(size)
        before, after = left[..., : half - 1 : -1].copy(), right[..., :half].copy()
        right[..., :half] = cosine * after + sign * sine * before
        left[..., : half - 1 : -1] = cosine * before - sign * sine * after
        if own is not frames:
            frames[:, chosen] = blocks.reshape(channels, len(chosen), frame)


def _between(frames: Floats, splits: Splits, sign: int) -> None:
    """Turn the borders between frames, in place."""
    sizes = frames.shape[2] >> splits.astype(np.int64)
    overlaps = np.minimum(sizes[:-1], sizes[1:])
    for overlap in np.unique(overlaps):
        borders = np.flatnonzero(overlaps == overlap)
        left, right = frames[:, borders], frames[:, borders + 1]
        half = int(overlap) // 2
        # Only the touched parts go back: a frame may stand at two borders.
        _turn(left, right, int(overlap), sign)
        frames[:, borders, -half:] = left[..., -half:]
        frames[:, borders + 1, :half] = right[..., :half]


def _blockwise(frames: Floats, splits: Splits) -> Floats:
    """DCT-IV of each block."""
    channels, _, frame = frames.shape
    kinds = np.unique(splits)
    if len(kinds) == 1:
        return dct4(frames.reshape(channels, -1, frame >> int(kinds[0]))).reshape(frames.shape)
    out = np.empty_like(frames)
    for split in kinds:
        chosen = splits == split
        blocks = frames[:, chosen].reshape(channels, -1, frame >> int(split))
        out[:, chosen] = dct4(blocks).reshape(channels, -1, frame)
    return out


def analyze(
    samples: Floats, splits: Splits, frame: int, *, overlap: int, begins: bool, ends: bool
) -> Floats:
    """Coefficients of a stretch of whole frames.

    Args:
        samples: ``[C, h + F * frame + h]`` with h = ``overlap`` / 2: the stretch and what lies
            beside it (of the outer parts nothing is read where the sound begins or ends).
        splits: uint8 ``[F]``, F > 0.
        frame: samples of a frame; a block is even.
        overlap: of the stretch's two outer borders; at most the shortest block.
        begins, ends: the sound begins or ends there, so that nothing is folded.

    Returns:
        ``[C, F, frame]``, the blocks of a frame one after another.
    """
    half = overlap // 2
    own = samples[:, half : samples.shape[1] - half].copy()
    if not begins:
        _turn(samples[:, :half].copy(), own, overlap, 1)
    if not ends:
        _turn(own, samples[:, samples.shape[1] - half :].copy(), overlap, 1)
    return reanalyze(own, splits, frame)


def reanalyze(stretch: Floats, splits: Splits, frame: int) -> Floats:
    """Coefficients of what :func:`synthesize` gave, in frames and blocks of any other lengths.

    ``stretch`` is used up; its outer borders stay folded.
    """
    frames = stretch.reshape(len(stretch), len(splits), frame)
    _between(frames, splits, 1)
    _within(frames, splits, 1)
    return _blockwise(frames, splits)


def synthesize(coefficients: Floats, splits: Splits) -> Floats:
    """The stretch ``[C, F * frame]`` again, but that its outer borders are folded still.

    :func:`join` unfolds them.
    """
    frames = _blockwise(coefficients, splits)
    _within(frames, splits, -1)
    _between(frames, splits, -1)
    return frames.reshape(len(frames), -1)


def join(left: Floats, right: Floats, overlap: int) -> None:
    """Unfold the border between two stretches that :func:`synthesize` gave, in place."""
    _turn(left, right, overlap, -1)
