"""From a trained model to a model file: integer networks, counted tables, and a card."""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from safetensors.numpy import save
from torch import nn

from nacre.entropy.context import (
    MAGNITUDE_UNIT,
    MAGNITUDES,
    QUARTERS,
    SCALE_UNIT,
    SCALES,
    VALUE_CAP,
    ContextCoder,
    PassNet,
)
from nacre.entropy.integer import FLOAT32_BITS, IntegerConv2d, IntegerNet
from nacre.entropy.tables import Tables
from nacre.files import write_atomically
from nacre.models import ID_BYTES
from nacre.train.context import SCALE_CEILING, SCALE_FLOOR, ContextModel, PassModel
from nacre.transforms.quantize import STEPS_PER_OCTAVE

OCTAVES_PER_SCALE = (SCALE_CEILING - SCALE_FLOOR) / (SCALES - 1)
MAGNITUDE_LIMIT = 8 * MAGNITUDE_UNIT
"""The greatest feature; the step's lies within it."""
HIDDEN_LIMIT = 1023
SCALE_LIMIT = (1 << 15) - 1
"""Of either half of a scale, in units of 1 / SCALE_UNIT."""
QUARTER_LIMIT = 4 * VALUE_CAP
TABLE_REACH = 6.0
"""A table spans so many deviations, then escapes; Laplace's tail beyond is 2^-12."""
TABLE_LIMIT = 400
PRIOR_STRENGTH = 200.0
"""Counted symbols that a table's parametric form weighs as much as."""


def integer_layer(
    weight: torch.Tensor,
    bias: torch.Tensor,
    gain: npt.NDArray[np.float64],
    inputs: tuple[int, int],
    outputs: tuple[int, int],
) -> IntegerConv2d:
    """The integer layer nearest to a float convolution.

    Args:
        weight: ``[O, I, k, k]``.
        bias: ``[O]``, in output integers.
        gain: ``[O, I]``, output integers per input integer for a weight of 1.
        inputs, outputs: ranges of the integers.

    Every output channel gets the largest shift at which its weights fit into 16 bits and its
    partial sums into float32's 24, so rounding the weights costs next to nothing.
    """
    exact = weight.detach().double().numpy() * gain[:, :, None, None]
    largest = max(map(abs, inputs))
    offset = bias.detach().double().numpy()
    sums = np.abs(exact).sum(axis=(1, 2, 3)) * largest + np.abs(offset) + 1
    # Half a unit of each weight may be added by rounding, and half a unit by the shift.
    slack = 1 + exact[0].size * largest / 2
    room = np.log2((2.0**FLOAT32_BITS - 1 - slack) / sums)
    peak = np.abs(exact).max(axis=(1, 2, 3))
    narrow = np.log2(32767 / np.maximum(peak, 1e-9))
    shift = np.clip(np.floor(np.minimum(room, narrow)), 0, 20).astype(np.int32)
    unit = np.exp2(shift.astype(np.float64))
    return IntegerConv2d(
        np.rint(exact * unit[:, None, None, None]).astype(np.int16),
        np.rint(offset * unit).astype(np.int32),
        np.ones(len(exact), np.int32),
        shift,
        inputs,
        outputs,
    )


def _uniform(weight: torch.Tensor, gain: float) -> npt.NDArray[np.float64]:
    return np.full(weight.shape[:2], gain)


def _parts(module: nn.Module) -> tuple[torch.Tensor, torch.Tensor]:
    """Weight and bias of a convolution, the bias zero where it has none."""
    weight, bias = (module.get_parameter("weight"), getattr(module, "bias", None))
    return weight, torch.zeros(len(weight)) if bias is None else bias


def pass_net(model: PassModel, peaks: tuple[float, float]) -> PassNet:
    """A pass in integers.

    Args:
        model: the trained twin.
        peaks: the largest activation of its two hidden layers on training data.
    """
    magnitude = (-MAGNITUDE_LIMIT, MAGNITUDE_LIMIT)
    hidden, scale = (0, HIDDEN_LIMIT), (-SCALE_LIMIT - 1, SCALE_LIMIT)
    first, second = (HIDDEN_LIMIT / max(peak, 1e-3) for peak in peaks)
    octave = SCALE_UNIT / OCTAVES_PER_SCALE  # output integers an octave
    weight, bias = _parts(model.enter)
    enter = integer_layer(
        weight, bias * first, _uniform(weight, first / MAGNITUDE_UNIT), magnitude, hidden
    )
    weight, bias = _parts(model.middle)
    middle = integer_layer(weight, bias * second, _uniform(weight, second / first), hidden, hidden)
    weight, bias = _parts(model.leave)
    # Half a scale is added so that flooring rounds to the nearest.
    start = (bias - SCALE_FLOOR) * octave + SCALE_UNIT / 2
    leave = integer_layer(weight, start, _uniform(weight, octave / second), hidden, scale)
    weight, bias = _parts(model.shortcut)
    shortcut = integer_layer(
        weight, bias, _uniform(weight, octave / MAGNITUDE_UNIT), magnitude, scale
    )
    mean = None
    if model.has_mean:
        weight, bias = _parts(model.mean)
        values, quarters = (-VALUE_CAP, VALUE_CAP), (-QUARTER_LIMIT, QUARTER_LIMIT)
        layer = integer_layer(weight, bias, _uniform(weight, float(QUARTERS)), values, quarters)
        mean = IntegerNet((layer,))
    return PassNet(IntegerNet((enter, middle, leave)), IntegerNet((shortcut,)), mean)


def laplace_tables() -> Tables:
    """The 64 x 4 tables before anything was counted."""
    probabilities, minimum = [], []
    for scale in range(SCALES):
        deviation = 2.0 ** (SCALE_FLOOR + scale * OCTAVES_PER_SCALE)
        reach = min(math.ceil(TABLE_REACH * deviation) + 1, TABLE_LIMIT)
        for quarter in range(QUARTERS):
            mean = (quarter - QUARTERS // 2) / QUARTERS
            edges = np.arange(-reach, reach + 2) - 0.5 - mean
            rate = math.sqrt(2) / deviation
            tail = 0.5 * np.exp(-rate * np.abs(edges))
            below = np.where(edges < 0, tail, 1 - tail)
            same = (edges[:-1] >= 0) == (edges[1:] >= 0)
            mass = np.where(same, np.abs(np.diff(tail)), np.diff(below))
            probabilities.append(mass)
            minimum.append(-reach)
    return Tables.from_probabilities(probabilities, minimum)


def _magnitude_table() -> npt.NDArray[np.uint8]:
    levels = np.rint(MAGNITUDE_UNIT * np.log2(1 + np.arange(MAGNITUDES)))
    table: npt.NDArray[np.uint8] = np.minimum(levels, MAGNITUDE_LIMIT).astype(np.uint8)
    return table


def hidden_peaks(
    model: ContextModel, grids: Sequence[tuple[npt.NDArray[np.int16], int]]
) -> list[tuple[float, float]]:
    """The largest activations of every pass that ``grids`` (symbols and step code) have."""
    rows: list[list[float]] = []
    hooks = []
    for module in model.passes:
        for layer in (module.get_submodule("enter"), module.get_submodule("middle")):
            rows.append([])
            hooks.append(layer.register_forward_hook(_note_peak(rows[-1])))
    with torch.no_grad():
        for symbols, code in grids:
            log_step = torch.tensor([code / STEPS_PER_OCTAVE])
            model(torch.from_numpy(symbols).float()[None], log_step)
    for hook in hooks:
        hook.remove()
    seen = zip(rows[::2], rows[1::2], strict=True)
    return [(max(a), max(b)) for a, b in seen if a and b]


def _note_peak(row: list[float]) -> Callable[[nn.Module, object, torch.Tensor], None]:
    return lambda _module, _inputs, out: row.append(float(out.max()))


def context_coder(
    model: ContextModel, grids: Sequence[tuple[npt.NDArray[np.int16], int]]
) -> ContextCoder:
    """The integer twin of ``model`` for as many channels as ``grids`` have, its tables counted."""
    peaks = hidden_peaks(model, grids)
    nets = tuple(pass_net(m, p) for m, p in zip(model.passes, peaks, strict=False))  # type: ignore[arg-type]
    tables = laplace_tables()
    plain = ContextCoder(nets, tables, _magnitude_table())
    counts = np.zeros(len(tables.cumulative) - tables.count, np.int64)
    for symbols, code in grids:
        for values, numbers in plain.examine(symbols, code, len(symbols)):
            counts += tables.count_symbols(values, numbers)
    return ContextCoder(nets, tables.refined(counts, PRIOR_STRENGTH), plain.magnitudes)


def write_model(
    path: Path,
    arrays: Mapping[str, npt.NDArray[Any]],
    card: Mapping[str, object],
    *,
    force: bool,
    header: Mapping[str, str] | None = None,
) -> dict[str, object]:
    """Write NAME.safetensors and its card NAME.json.

    Args:
        path: ends in ``.safetensors``.
        arrays: the model.
        card: what is known of it; must name the ``codec``.
        force: replace existing files.
        header: further text in the file's own header, beside the codec.

    Returns:
        The card with ``name`` and ``id`` (the first bytes of the file's SHA-256).
    """
    tensors = {name: np.ascontiguousarray(array) for name, array in sorted(arrays.items())}
    data = _sorted_header(save(tensors, {"codec": str(card["codec"]), **(header or {})}))
    identity = hashlib.sha256(data).digest()[:ID_BYTES].hex()
    whole = {"name": path.stem, "id": identity, **card}
    write_atomically(path, data, force=force)
    write_card(path, whole)
    return whole


def _sorted_header(data: bytes) -> bytes:
    """The safetensors file with its header in one order; the library's changes from call to call.

    So the same model is the same file, and has the same id.
    """
    end = 8 + int.from_bytes(data[:8], "little")
    header = json.dumps(json.loads(data[8:end]), sort_keys=True, separators=(",", ":")).encode()
    header += b" " * (-len(header) % 8)
    return len(header).to_bytes(8, "little") + header + data[end:]


def write_card(path: Path, card: Mapping[str, object]) -> None:
    """Write the card of the model file ``path``, in place of the one it has."""
    text = json.dumps(card, indent=2, ensure_ascii=False)
    write_atomically(path.with_suffix(".json"), (text + "\n").encode(), force=True)
