"""The model of ``pyramid.py``: nine integer networks and the tables that they choose from."""

from __future__ import annotations

import functools
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from nacre.entropy.pyramid_geometry import PHASES, Samples, taps_of
from nacre.entropy.pyramid_kernels import (
    FEATURE_LIMIT,
    FRACTIONS,
    HIDDEN,
    HIDDEN_LIMIT,
    OUTPUT_HIGH,
    OUTPUT_LOW,
    REACH,
    Int16s,
    Int32s,
    Network,
)
from nacre.entropy.tables import PRECISION, TOTAL
from nacre.errors import ModelError

Arrays = Mapping[str, npt.NDArray[np.generic]]

KIND = "photo"
"""What the header of a model file says in ``kind``."""
SHIPPED_NAME = "circuit-photo.safetensors"
CLASSES = 40
WIDE_SHARE_BITS = 3
"""The wider of the two logistic distributions has a share of 2^-3."""
DECAY_BITS = 31
LAYER_INPUTS = (FEATURE_LIMIT, HIDDEN_LIMIT, HIDDEN_LIMIT)
"""The largest input of each layer."""


@dataclass(frozen=True, eq=False)
class Pyramid:
    """A model: nine networks and one set of tables.

    Attributes:
        networks: of ``[plane][phase][finest]``, where ``finest`` is 1 at stride 1.
        class_of: scale class of each second output, uint8, from OUTPUT_LOW to OUTPUT_HIGH.
        cumulative: int32 ``[CLASSES * FRACTIONS, 2 REACH + 2]``, each rising from 0 to 2^24.
        near: int16 ``[.., 257]``, the index that holds ``b * 2^16``.
    """

    networks: tuple[tuple[tuple[Network, Network], ...], ...]
    class_of: Samples
    cumulative: Int32s
    near: Int16s

    @functools.cached_property
    def costs(self) -> npt.NDArray[np.int64]:
        """What each symbol of each table costs, in 1/1024 bit, int64 ``[.., 2 REACH + 1]``."""
        frequency = np.diff(self.cumulative, axis=1)
        bits: npt.NDArray[np.int64] = np.rint(1024 * (PRECISION - np.log2(frequency))).astype(
            np.int64
        )
        return bits

    @classmethod
    def from_arrays(cls, arrays: Arrays) -> Pyramid:
        """The model in the arrays of a safetensors file.

        Layer ``l`` of network ``plane.phase`` is ``plane.phase.l.weight``, ``.bias`` and
        ``.shift``, as ``integer.py`` stores them; the last feature of layer 0 is 16 above stride 1,
        else 0; layer 2 sees the 32 values of layer 1 and then 8 times the features.

        Raises:
            ModelError: the arrays are no such model.
        """
        class_of, decay = arrays.get("class_of"), arrays.get("decay")
        outputs = OUTPUT_HIGH - OUTPUT_LOW + 1
        if class_of is None or class_of.dtype != np.uint8 or class_of.shape != (outputs,):
            raise ModelError(f"a pyramid model needs class_of, uint8 [{outputs}]")
        if decay is None or decay.dtype != np.int64 or decay.shape != (CLASSES, 2):
            raise ModelError(f"a pyramid model needs decay, int64 [{CLASSES}, 2]")
        decays = decay.astype(np.int64)
        if int(class_of.astype(np.uint8).max()) >= CLASSES:
            raise ModelError(f"a pyramid model has a scale class of {CLASSES} or more")
        if int(decays.min()) < 0 or int(decays.max()) >= 1 << DECAY_BITS:
            raise ModelError("a decay of a pyramid model is outside 0..2^31 - 1")
        networks = tuple(
            tuple(_network(arrays, plane, phase) for phase in range(len(PHASES)))
            for plane in range(3)
        )
        cumulative = logistic_tables(decays)
        buckets = np.arange(257) << 16
        near = np.stack([np.searchsorted(t, buckets, side="right") - 1 for t in cumulative])
        near = np.minimum(near, 2 * REACH).astype(np.int16)
        return cls(networks, class_of.astype(np.uint8), cumulative, near)


def _network(arrays: Arrays, plane: int, phase: int) -> tuple[Network, Network]:
    taps = len(taps_of(plane, phase)[0])
    shapes = ((HIDDEN, taps + 1), (HIDDEN, HIDDEN), (2, HIDDEN + taps))
    layers = []
    for layer, shape in enumerate(shapes):
        names = [f"{plane}.{phase}.{layer}.{part}" for part in ("weight", "bias", "shift")]
        if any(name not in arrays for name in names):
            raise ModelError(f"a pyramid model lacks one of {', '.join(names)}")
        weight, bias, shift = (arrays[name].astype(np.int64) for name in names)
        if weight.shape != shape or bias.shape != shape[:1] or shift.shape != shape[:1]:
            raise ModelError(f"layer {names[0]} has the shape {weight.shape}, not {shape}")
        if ((shift < 0) | (shift > 30)).any():
            raise ModelError(f"{names[2]}: a shift is outside 0..30")
        offset = bias + (np.left_shift(1, shift) >> 1)
        bound = np.abs(weight).sum(axis=1) * LAYER_INPUTS[layer] + np.abs(offset)
        if (bound >= 1 << 24).any():
            raise ModelError(f"{names[0]}: a partial sum could reach 2^24")
        layers.append((weight, offset, np.exp2(-shift.astype(np.float64))))
    return _folded(layers, False), _folded(layers, True)


def _folded(layers: list[tuple[Any, Any, Any]], finest: bool) -> Network:
    """Scaled by the shift; the feature that says which level becomes part of the first offset."""
    (w1, b1, s1), (w2, b2, s2), (w3, b3, s3) = layers
    if not finest:
        b1 = b1 + 16 * w1[:, -1]
    w3 = np.concatenate([w3[:, :HIDDEN], 8 * w3[:, HIDDEN:]], axis=1)
    pairs = ((w1[:, :-1], b1, s1), (w2, b2, s2), (w3, b3, s3))
    flat = [array for w, b, s in pairs for array in (w * s[:, None], b * s)]
    return tuple(np.ascontiguousarray(array, dtype=np.float32) for array in flat)  # type: ignore[return-value]


def logistic_tables(decay: npt.NDArray[np.int64]) -> Int32s:
    """Tables of mixtures of two logistic distributions, in integers alone.

    Args:
        decay: int64 ``[S, 2]``, ``2^31 exp(-1 / (16 scale))`` of the narrow and the wide one.

    Returns:
        int32 ``[S * 16, 512]``: table ``16 s + j`` has its mean at j / 16 and covers -255..255.
    """
    steps = FRACTIONS * (REACH + 2)
    tail = np.empty((len(decay), steps), dtype=np.int64)
    power = np.full_like(decay, 1 << DECAY_BITS)
    for step in range(steps):
        mass = (power << PRECISION) // ((1 << DECAY_BITS) + power)
        tail[:, step] = mass[:, 0] + ((mass[:, 1] - mass[:, 0]) >> WIDE_SHARE_BITS)
        power = (power * decay) >> DECAY_BITS
    # tail[u] is the mass below -u sixteenths; by symmetry all of the distribution on this grid.
    grid = np.concatenate([tail[:, :0:-1], TOTAL - tail], axis=1)
    symbols = 2 * REACH + 1
    edge = FRACTIONS * np.arange(-REACH, REACH + 2) - FRACTIONS // 2
    places = edge[None, :] - np.arange(FRACTIONS)[:, None] + steps - 1
    below = grid[:, places]
    cumulative = (below * (TOTAL - symbols) >> PRECISION) + np.arange(symbols + 1)
    cumulative[:, :, 0], cumulative[:, :, -1] = 0, TOTAL
    return np.ascontiguousarray(cumulative.reshape(-1, symbols + 1), dtype=np.int32)


@functools.cache
def shipped_model() -> Pyramid:
    """The model that ships.

    Raises:
        ModelError: it is missing or damaged.
    """
    from nacre.models import SHIPPED, load_arrays

    return Pyramid.from_arrays(load_arrays(SHIPPED / SHIPPED_NAME))
