"""Photographs in phases that decode in parallel: integer networks choose the tables.

A picture is a pyramid. The level of stride s knows the samples at multiples of 2 s and codes the
rest in three phases: (odd, odd), (even, odd), (odd, even). A phase needs only what came before it,
so that all of its samples get their tables at once. Planes come one after another, G, then R, then
B; the later ones see G whole, also at and behind the sample. For every sample a small network looks
at the known ones around it, less a local mean, and gives a mean in sixteenths of a grey level and
one of 40 scales; the table is a mixture of two logistic distributions of that mean and scale, cut
to 0..255.

The method is that of hierarchical interpolation (HINT; Roos et al., IEEE Trans. Medical Imaging,
1988) with the networks of learned lossless coders, made small. Figures: docs/photo-circuit.md.
"""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import numpy as np

from nacre.entropy.message import unpack_words
from nacre.entropy.pyramid_geometry import PHASES, Samples, fill_from, new_stack, strides, taps_of
from nacre.entropy.pyramid_kernels import (
    HIDDEN,
    TILE,
    Int16s,
    Network,
    decode_samples,
    encode_samples,
    predict,
)
from nacre.entropy.pyramid_model import Pyramid, shipped_model
from nacre.entropy.pyramid_scales import (
    Phase,
    choose_shifts,
    decode_shifts,
    encode_shifts,
    no_shifts,
    shifted_classes,
    shifted_tables,
)
from nacre.entropy.sequential import (
    STATE_SIZE,
    State,
    Words,
    check_decoded,
    decoder_init,
    encoder_bytes,
    encoder_init,
)
from nacre.errors import FormatError, InputError


def phases_of(
    pixels: Samples,
    model: Pyramid,
    classes: Samples | None = None,
    *,
    threads: int = 1,
    device: str | None = None,
) -> Iterator[Phase]:
    """Every phase of every plane in the order of coding.

    When the next phase is asked for, the samples of this one must be there.

    Args:
        pixels: uint8 ``[H, W, C]``.
        model: the networks.
        classes: what scale classes become, uint8 ``[C, 3, 2, CLASSES]``; None: what they are.
        threads: that run the networks on the CPU.
        device: a torch device that runs them; None is the CPU, without torch.
    """
    height, width, planes = pixels.shape
    if classes is None:
        classes = shifted_classes(no_shifts(planes))
    for plane in range(planes):
        channel = (1, 0, 2)[plane] if planes == 3 else 0
        for stride in strides(height, width):
            level = pixels[::stride, ::stride]
            stack = new_stack(plane + 1, *level.shape[:2])
            for before in range(plane):
                for kind in range(4):
                    fill_from(stack, level, before, kind)
            fill_from(stack, level, plane, 0)
            for number, (top, left) in enumerate(PHASES):
                samples = level[top::2, left::2, channel]
                if samples.size:
                    finest = int(stride == 1)
                    network = model.networks[plane][number][finest]
                    class_of = classes[plane, number, finest][model.class_of]
                    centre, table = _predict(
                        stack, plane, number, network, class_of, samples.shape, threads, device
                    )
                    yield Phase(plane, number, stride, samples, centre.ravel(), table.ravel())
                fill_from(stack, level, plane, 2 * top + left)


def _predict(
    stack: Int16s, plane: int, phase: int, network: Network, class_of: Samples,
    shape: tuple[int, ...], threads: int, device: str | None,
) -> tuple[Samples, Int16s]:  # fmt: skip
    if device is not None:
        from nacre.entropy.pyramid_device import predict_on

        return predict_on(device, stack, plane, phase, network, class_of, (shape[0], shape[1]))
    taps, own = taps_of(plane, phase)
    centre = np.empty(shape, dtype=np.uint8)
    table = np.empty(shape, dtype=np.int16)

    def band(first: int, last: int) -> None:
        scratch = np.empty((len(taps) + 2 * HIDDEN + 2, TILE), dtype=np.float32)
        whole = np.empty((2, TILE), dtype=np.int32)
        predict(stack, taps, own, network, class_of, first, last, scratch, whole, centre, table)

    if threads == 1 or shape[0] < 2 * threads:
        band(0, shape[0])
    else:
        edges = [shape[0] * part // threads for part in range(threads + 1)]
        with ThreadPoolExecutor(threads) as pool:
            list(pool.map(band, edges[:-1], edges[1:]))
    return centre, table


def _top(pixels: Samples) -> tuple[slice, slice]:
    stride = 2 * max(strides(*pixels.shape[:2]), default=0) or 1
    return slice(None, None, stride), slice(None, None, stride)


def encode_pyramid(
    pixels: Samples,
    model: Pyramid | None = None,
    *,
    threads: int = 1,
    device: str | None = None,
) -> bytes:
    """A picture in phases.

    Args:
        pixels: uint8 ``[H, W, C]``, C 1 (grey) or 3 (RGB), of any size from 1 x 1.
        model: the networks and tables; None is the model that ships.
        threads: that run the networks; the bytes do not depend on them.
        device: a torch device with float64 that runs the networks; the bytes do not depend on it.

    Raises:
        InputError: not such a picture.
    """
    _check(pixels.shape, pixels.dtype == np.uint8, threads)
    model = shipped_model() if model is None else model
    top = np.ascontiguousarray(pixels[_top(pixels)]).tobytes()
    phases = list(phases_of(pixels, model, threads=threads, device=device))
    if not phases:
        return top
    state: State = np.empty(STATE_SIZE, dtype=np.uint64)
    words: Words = np.empty(pixels.size + 1024, dtype=np.uint32)
    encoder_init(state)
    shifts = choose_shifts(phases, model, pixels.shape[2])
    encode_shifts(state, words, shifts)
    classes = shifted_classes(shifts)
    for phase in phases:
        flat = np.ascontiguousarray(phase.samples).ravel()
        table = shifted_tables(phase, classes)
        encode_samples(state, words, flat, phase.centre, table, model.cumulative)
    return top + encoder_bytes(state, words)


def decode_pyramid(
    data: bytes | memoryview,
    shape: tuple[int, int, int],
    depth: int = 8,
    model: Pyramid | None = None,
    *,
    threads: int = 1,
    device: str | None = None,
) -> Samples:
    """The picture that :func:`encode_pyramid` coded, uint8 ``shape``.

    Args:
        data: all bytes and no others.
        shape: ``(H, W, C)``; memory for it is taken, so a caller checks it first.
        depth: 8.
        model: the same as when encoding.
        threads: as for encoding.
        device: as for encoding.

    Raises:
        FormatError: no encoder writes these bytes for that shape and model.
        InputError: such pictures are not coded here.
    """
    _check(shape, depth == 8, threads)
    model = shipped_model() if model is None else model
    pixels: Samples = np.zeros(shape, dtype=np.uint8)
    top = pixels[_top(pixels)]
    head, message = bytes(data[: top.size]), bytes(data[top.size :])
    if len(head) < top.size:
        raise FormatError(f"a photo of {len(head)} bytes; {top.size} or more are expected")
    top[:] = np.frombuffer(head, dtype=np.uint8).reshape(top.shape)
    words = unpack_words(message)
    state: State = np.empty(STATE_SIZE, dtype=np.uint64)
    decoder_init(state, words)
    if strides(*shape[:2]):
        classes = shifted_classes(decode_shifts(state, words, shape[2]))
        for phase in phases_of(pixels, model, classes, threads=threads, device=device):
            flat = np.empty(phase.samples.size, dtype=np.uint8)
            decode_samples(
                state, words, flat, phase.centre, phase.table, model.cumulative, model.near
            )  # fmt: skip
            phase.samples[:] = flat.reshape(phase.samples.shape)
    check_decoded(state, message)
    return pixels


def _check(shape: tuple[int, ...], eight_bits: bool, threads: int) -> None:
    if len(shape) != 3 or shape[2] not in (1, 3) or min(shape) < 1 or not eight_bits:
        raise InputError(
            f"pyramids hold grey or RGB pictures of 8 bits, uint8 [H, W, 1 or 3]; got {shape}"
        )
    if threads < 1:
        raise InputError(f"threads {threads}; 1 or more are expected")
