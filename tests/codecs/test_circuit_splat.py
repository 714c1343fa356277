"""The codec of splats: exact for integers, within half a step for floats, safe for damage."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from splat_scenes import rotation_distance, scene, sog_with_harmonics

from nacre.codecs.base import Codec
from nacre.codecs.circuit_splat import (
    CircuitSplat,
    CircuitSplatSettings,
    decode_quantized,
    encode_quantized,
)
from nacre.errors import FormatError, InputError, ModelError, NacreError
from nacre.media.splat import Splats, load_splats
from nacre.media.splat_schemes import Quantized
from nacre.stream import Section, SectionKind, SplatShape, Stream

CODEC = CircuitSplat()


def round_trip(splats: Splats, settings: CircuitSplatSettings) -> Splats:
    data = CODEC.encode(splats, settings).to_bytes()
    return CODEC.decode(Stream.from_bytes(data))


def rows(quantized: Quantized) -> list[tuple[int, ...]]:
    """All integers of each splat, sorted: order is not kept."""
    columns = [quantized.points, quantized.values]
    if quantized.labels is not None and quantized.palette is not None:
        columns.append(quantized.palette[quantized.labels])
    return sorted(map(tuple, np.concatenate(columns, axis=1).tolist()))


@pytest.mark.parametrize("degree", [0, 1, 3])
@pytest.mark.parametrize("name", ["a.spz", "a.sog", "a.compressed.ply"])
def test_integers_are_kept_and_written_back(name: str, degree: int) -> None:
    if name == "a.sog" and degree:
        pytest.skip("SOG of floats has no harmonics; palettes are tested below")
    source = load_splats(load_splats(scene(400, degree)).to_bytes(name))
    decoded = round_trip(source, CircuitSplatSettings(lossless=True))
    assert source.quantized is not None and decoded.quantized is not None
    assert rows(decoded.quantized) == rows(source.quantized)
    again = load_splats(decoded.to_bytes(name))
    assert again.quantized is not None
    assert rows(again.quantized) == rows(source.quantized)
    assert again.quantized.scheme.to_bytes() == source.quantized.scheme.to_bytes()
    for array in ("positions", "log_scales", "sh0", "opacities"):
        values = [np.sort(splats.arrays()[array], axis=0) for splats in (source, decoded)]
        assert np.array_equal(*values)


@pytest.mark.parametrize("bands", [1, 3])
def test_palettes(bands: int) -> None:
    quantized = sog_with_harmonics(bands)
    decoded = decode_quantized(encode_quantized(quantized), len(quantized.points))
    assert rows(decoded) == rows(quantized)


def test_what_was_decoded_encodes_to_the_same_bytes() -> None:
    source = load_splats(load_splats(scene(300, 1)).to_bytes("a.spz"))
    first = CODEC.encode(source, CircuitSplatSettings()).to_bytes()
    decoded = CODEC.decode(Stream.from_bytes(first))
    assert CODEC.encode(decoded, CircuitSplatSettings()).to_bytes() == first


@pytest.mark.parametrize("precision", ["low", "medium", "high"])
@pytest.mark.parametrize("degree", [0, 2])
def test_floats_are_within_half_a_step(precision: str, degree: int) -> None:
    source = load_splats(scene(300, degree))
    decoded = round_trip(source, CircuitSplatSettings(precision=precision))
    bounds = decoded.bounds
    distances = np.abs(decoded.positions[:, None] - source.positions[None]).max(axis=2)
    nearest = distances.argmin(axis=1)
    assert sorted(nearest) == list(range(300))
    slack = 1 + 1e-4
    assert distances.min(axis=1).max() <= bounds["position"] * slack + 1e-7
    assert np.abs(decoded.log_scales - source.log_scales[nearest]).max() <= bounds["scale"] * slack
    assert np.abs(decoded.sh0 - source.sh0[nearest]).max() <= bounds["colour"] * slack
    off = np.abs(decoded.shN - source.shN[nearest]).max(initial=0)
    assert off <= bounds["harmonic"] * slack
    shares = [1 / (1 + np.exp(-x)) for x in (decoded.opacities, source.opacities[nearest])]
    assert np.abs(shares[0] - shares[1]).max() <= bounds["opacity"] * slack + 2e-6
    turned = rotation_distance(decoded.rotations, source.rotations[nearest])
    assert turned.max() <= 4 * bounds["rotation"] ** 2


def test_precisions_are_in_order_and_bits_are_obeyed() -> None:
    source = load_splats(scene(2000))
    sizes = [
        len(CODEC.encode(source, CircuitSplatSettings(precision=precision)).to_bytes())
        for precision in ("low", "medium", "high")
    ]
    assert sizes == sorted(sizes)
    fine = round_trip(source, CircuitSplatSettings(precision="low", bits=22))
    assert fine.bounds["position"] < 1e-6


def test_values_that_are_no_numbers() -> None:
    arrays = scene(20)
    arrays["log_scales"][3] = [np.nan, np.inf, -np.inf]
    arrays["rotations"][4] = 0
    arrays["opacities"][5] = np.inf
    decoded = round_trip(load_splats(arrays), CircuitSplatSettings())
    assert all(np.isfinite(decoded.arrays()[name]).all() for name in ("log_scales", "rotations"))
    arrays["positions"][0, 0] = np.nan
    with pytest.raises(InputError, match="NaN"):
        CODEC.encode(load_splats(arrays), CircuitSplatSettings())


def test_settings_and_requests_that_make_no_sense() -> None:
    with pytest.raises(InputError):
        CircuitSplatSettings(precision="best")
    with pytest.raises(InputError):
        CircuitSplatSettings(bits=7)
    with pytest.raises(InputError):
        CircuitSplatSettings(precision="low", lossless=True)
    with pytest.raises(InputError, match="needs integers"):
        CODEC.encode(load_splats(scene(3)), CircuitSplatSettings(lossless=True))
    with pytest.raises(ModelError):
        CircuitSplat(model="x.safetensors")
    stream = CODEC.encode(load_splats(scene(3)), CircuitSplatSettings())
    with pytest.raises(InputError):
        CODEC.decode(stream, region=(0, 0, 1, 1))
    assert isinstance(CODEC, Codec)


@pytest.mark.parametrize("count", [0, 1, 2])
def test_few_splats(count: int) -> None:
    for name in ("a.spz", "a.sog", "a.compressed.ply"):
        source = load_splats(load_splats(scene(count)).to_bytes(name))
        assert round_trip(source, CircuitSplatSettings(lossless=True)).count == count
    assert round_trip(load_splats(scene(count, 1)), CircuitSplatSettings()).count == count


@pytest.mark.parametrize("name", ["grid", "a.spz", "a.sog", "a.compressed.ply", "palette"])
def test_damaged_payloads(name: str) -> None:
    """With checksums made to fit, as an attacker would: errors of ours, or other splats."""
    source = load_splats(scene(60))
    if name == "palette":
        payload, count = encode_quantized(sog_with_harmonics(1)), 300
    else:
        loaded = source if name == "grid" else load_splats(source.to_bytes(name))
        payload, count = CODEC.encode(loaded, CircuitSplatSettings()).payload, 60
    rng, refused = np.random.default_rng(1), 0
    for trial in range(120):
        damaged = bytearray(payload)
        if trial % 4 == 0:
            damaged = damaged[: rng.integers(len(payload))]
        else:
            at = rng.integers(min(len(payload), 90) if trial % 2 else len(payload))
            damaged[at] = rng.integers(256)
        section = Section(SectionKind.PAYLOAD, bytes(damaged))
        degree = 1 if name == "palette" else 0
        try:
            CODEC.decode(Stream(9, None, SplatShape(count, degree), (section,)))
        except NacreError:
            refused += 1
    assert refused > 40


def test_headers_that_disagree() -> None:
    payload = CODEC.encode(load_splats(scene(30)), CircuitSplatSettings()).payload
    section = (Section(SectionKind.PAYLOAD, payload),)
    for shape in (SplatShape(31, 0), SplatShape(29, 0), SplatShape(30, 1)):
        with pytest.raises(FormatError):
            CODEC.decode(Stream(9, None, shape, section))


@pytest.mark.slow
def test_real_files_come_back(shared_data: Path) -> None:
    for path in sorted((shared_data / "eval" / "splats").iterdir()):
        source = load_splats(path)
        decoded = round_trip(source, CircuitSplatSettings(lossless=True))
        assert source.quantized is not None and decoded.quantized is not None
        assert rows(decoded.quantized) == rows(source.quantized)
