"""PESQ, STOI and Zimtohrli: what programs think that people would hear.

Each is a package of its own (``pip install 'nacre[perceptual]'``) and left out where that is not
installed. Nobody listened.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Mapping
from importlib import import_module
from importlib.metadata import PackageNotFoundError, version
from importlib.util import find_spec
from types import MappingProxyType

import numpy as np

from nacre.bench.resampling import Floats, resample

ZIMTOHRLI_HZ, PESQ_HZ, STOI_HZ = 48000, 16000, 10000
SHORTEST_SECONDS = 0.25
"""Shorter signals have no figure: zimtohrli writes beyond its memory on very short ones."""


def perceptual_figures(original: Floats, decoded: Floats, rate_hz: int) -> dict[str, float | None]:
    """The figures whose packages are installed, each the mean over channels.

    Args:
        original, decoded: ``[C, N]``, full scale -1 to 1.
        rate_hz: of both.

    Returns:
        ``pesq_wb``, ``stoi`` and ``zimtohrli``, None where one is not defined: the sound is shorter
        than a quarter of a second, its rate is below the metric's, or it is silent.
    """
    long_enough = original.shape[1] >= SHORTEST_SECONDS * rate_hz
    figures: dict[str, float | None] = {}
    for name, (package, least_hz, compare) in _METRICS.items():
        if find_spec(package) is None:
            continue
        fits = long_enough and rate_hz >= least_hz
        figures[name] = compare(original, decoded, rate_hz) if fits else None
    return figures


def missing() -> list[str]:
    """Names of the metrics whose packages are not installed."""
    return [name for name, (package, _, _) in _METRICS.items() if find_spec(package) is None]


def software() -> str:
    """The packages that are installed, with their versions."""
    found = []
    for package, _, _ in _METRICS.values():
        try:
            found.append(f"{package} {version(package)}")
        except PackageNotFoundError:
            continue
    return ", ".join(found)


def _pesq(original: Floats, decoded: Floats, rate_hz: int) -> float | None:
    """PESQ, wide band (ITU-T P.862.2), at 16 kHz."""
    pesq = import_module("pesq")
    pairs = zip(*(resample(one, rate_hz, PESQ_HZ) for one in (original, decoded)), strict=True)
    # It divides by the larger peak of both, and finds no utterance in silence.
    scores = [
        pesq.pesq(PESQ_HZ, a, b, "wb", on_error=pesq.PesqError.RETURN_VALUES)
        for a, b in pairs
        if a.any() and b.any()
    ]
    return _mean([float(score) for score in scores if score >= 0])


def _stoi(original: Floats, decoded: Floats, rate_hz: int) -> float | None:
    """STOI (Taal et al., 2011), 0 to 1."""
    pystoi = import_module("pystoi")
    scores = []
    for a, b in zip(original, decoded, strict=True):
        with warnings.catch_warnings(record=True) as said:
            warnings.simplefilter("always")
            score = float(pystoi.stoi(a, b, rate_hz)) if a.any() else 0.0
        # It warns where too little of the sound is not silent, and then gives 0.00001.
        if a.any() and not any(issubclass(one.category, RuntimeWarning) for one in said):
            scores.append(score)
    return _mean(scores)


def _zimtohrli(original: Floats, decoded: Floats, rate_hz: int) -> float | None:
    """Zimtohrli's guess of the mean opinion score, 1 to 5, at 48 kHz."""
    zimtohrli = import_module("zimtohrli")
    pairs = zip(*(resample(one, rate_hz, ZIMTOHRLI_HZ) for one in (original, decoded)), strict=True)
    return _mean(
        [
            float(zimtohrli.mos_from_signals(a.astype(np.float32), b.astype(np.float32)))
            for a, b in pairs
            if a.any()
        ]
    )


def _mean(values: list[float]) -> float | None:
    return sum(values) / len(values) if values else None


Compare = Callable[[Floats, Floats, int], float | None]
_METRICS: Mapping[str, tuple[str, int, Compare]] = MappingProxyType(
    {
        "pesq_wb": ("pesq", PESQ_HZ, _pesq),
        "stoi": ("pystoi", STOI_HZ, _stoi),
        "zimtohrli": ("zimtohrli", 0, _zimtohrli),
    }
)
"""By name in records: the package, the lowest rate in hertz, and the metric."""
