"""Files of splats: integers survive, floats are near, and bad files are refused within bounds."""

from __future__ import annotations

import gzip
import io
import json
import struct
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from splat_scenes import COUNT, rotation_distance, scene, sog_with_harmonics

from nacre.errors import InputError, LimitExceeded
from nacre.limits import Limits
from nacre.media.splat import (
    Splats,
    from_quantized,
    is_splats,
    load_splats,
    read_scheme,
)
from nacre.media.splat_schemes import Even, Grid, Quantized
from nacre.media.splat_sog import SogScheme, to_sog, write_sog
from nacre.media.splat_spz import SpzScheme, read_spz, to_spz, write_spz

NAMES = ("a.ply", "a.compressed.ply", "a.spz", "a.sog")


def integers_equal(a: Quantized, b: Quantized) -> bool:
    """Whether two files hold the same integers in the same order under the same scheme."""
    same = (a.points == b.points).all() and (a.values == b.values).all()
    same &= (a.labels is None) == (b.labels is None)
    if a.labels is not None and b.labels is not None:
        same &= (a.labels == b.labels).all() and (a.palette == b.palette).all()
    return bool(same) and a.scheme.to_bytes() == b.scheme.to_bytes()


def close(a: Splats, b: Splats, position: float, scale: float, colour: float) -> None:
    assert np.abs(a.positions - b.positions).max() <= position
    assert np.abs(a.log_scales - b.log_scales).max() <= scale
    assert np.abs(a.sh0 - b.sh0).max() <= colour
    shares = [1 / (1 + np.exp(-x.opacities.astype(np.float64))) for x in (a, b)]
    assert np.abs(shares[0] - shares[1]).max() <= 0.51 / 255
    assert rotation_distance(a.rotations, b.rotations).max() < 1e-3


@pytest.mark.parametrize("degree", range(5))
def test_inria_files_hold_floats_exactly(tmp_path: Path, degree: int) -> None:
    splats = load_splats(scene(COUNT, degree))
    path = tmp_path / "a.ply"
    splats.save(path)
    loaded = load_splats(path)
    assert loaded.degree == degree and loaded.quantized is None
    for name, array in splats.arrays().items():
        assert np.array_equal(array, loaded.arrays()[name]), name


def test_inria_files_have_red_coefficients_first(tmp_path: Path) -> None:
    """Read by column, as other programs do."""
    splats = load_splats(scene(5, 1))
    data = splats.to_bytes("a.ply")
    header, _, body = data.partition(b"end_header\n")
    names = [line.split()[-1] for line in header.decode().splitlines() if "float" in line]
    table = np.frombuffer(body, "<f4").reshape(5, -1)
    assert np.array_equal(table[:, names.index("f_rest_1")], splats.shN[:, 1, 0])
    assert np.array_equal(table[:, names.index("f_rest_3")], splats.shN[:, 0, 1])
    assert np.array_equal(table[:, names.index("rot_0")], splats.rotations[:, 0])


@pytest.mark.parametrize("degree", range(5))
@pytest.mark.parametrize("version", [2, 3, 4])
def test_spz_files_hold_integers_exactly(version: int, degree: int) -> None:
    splats = load_splats(scene(COUNT, degree))
    made = to_spz(splats.arrays(), version=3)
    old = made.values.copy()
    if version == 2:
        old[:, 7], old[:, 8:11] = 0, old[:, 8:11] >> 2
    scheme = made.scheme
    assert isinstance(scheme, SpzScheme)
    quantized = Quantized(
        SpzScheme(version, degree, 12, 0, scheme.least, scheme.point_bits), made.points, old
    )
    loaded = load_splats(write_spz(quantized))
    assert loaded.quantized is not None and integers_equal(loaded.quantized, quantized)
    assert loaded.to_bytes("b.spz") == write_spz(quantized)
    if version > 2:
        close(loaded, splats, 0.51 / 4096, 0.51 / 16, 0.51 / 255 / 0.15)
        assert np.abs(loaded.shN - splats.shN).max(initial=0) <= 0.51 / 128


def test_spz_is_read_as_its_page_says() -> None:
    """A file put together by hand: 24-bit places, bytes, a quaternion of which z is largest."""
    word = 2 << 30 | (512 | 511) << 20 | 100 << 10 | 0
    body = struct.pack("<4sIIBBBB", b"NGSP", 3, 1, 0, 12, 1, 0)
    body += (4096).to_bytes(3, "little") + (-2048 & 0xFFFFFF).to_bytes(3, "little") + bytes(3)
    body += bytes([255]) + bytes([128, 0, 255]) + bytes([160, 0, 255]) + struct.pack("<I", word)
    splats = load_splats(gzip.compress(body))
    assert splats.positions.tolist() == [[1.0, -0.5, 0.0]]
    assert splats.log_scales.tolist() == [[0.0, -10.0, 5.9375]]
    assert np.allclose(splats.sh0, (np.array([128, 0, 255]) / 255 - 0.5) / 0.15)
    w, x, y, z = splats.rotations[0]
    assert np.isclose(x, -np.sqrt(0.5)) and np.isclose(y, 100 / 511 * np.sqrt(0.5))
    assert w == 0 and np.isclose(z, np.sqrt(1 - x * x - y * y))
    assert splats.antialiased and splats.opacities[0] > 10


def test_spz_version_1_has_halves_for_positions() -> None:
    halves = np.array([[0.5, -0.25, 0.0], [-65504, 1e-7, 2.0]], np.float16)
    body = struct.pack("<4sIIBBBB", b"NGSP", 1, 2, 0, 12, 0, 0) + halves.tobytes()
    data = gzip.compress(body + bytes(range(2 * 10)))
    splats = load_splats(data)
    assert np.array_equal(splats.positions, halves.astype(np.float32))
    assert splats.quantized is not None
    again = read_spz(write_spz(splats.quantized), Limits())
    assert integers_equal(again, splats.quantized)


def test_spz_keeps_both_zeros_and_extensions() -> None:
    made = to_spz(scene(4))
    values = made.values.copy()
    values[:, 8:11] = [[511, 512, 511], [512, 511, 0], [1023, 0, 511], [512, 512, 512]]
    scheme = made.scheme
    assert isinstance(scheme, SpzScheme)
    extension = struct.pack("<II4s", 0xADBE0002, 4, b"abcd")
    full = SpzScheme(4, 0, 12, 2, scheme.least, scheme.point_bits, extension)
    loaded = load_splats(write_spz(Quantized(full, made.points, values)))
    assert loaded.quantized is not None and np.array_equal(loaded.quantized.values, values)
    assert loaded.quantized.scheme.to_bytes().endswith(extension)
    assert (loaded.rotations[3, :3] != 0).sum() <= 1


@pytest.mark.parametrize("degree", range(4))
def test_compressed_files_hold_integers_exactly(degree: int) -> None:
    splats = load_splats(scene(700, degree))
    data = splats.to_bytes("a.compressed.ply")
    loaded = load_splats(data)
    assert loaded.degree == degree and loaded.count == 700
    assert loaded.quantized is not None and loaded.to_bytes("b.compressed.ply") == data
    order = np.lexsort(loaded.positions.T.round(1))
    assert len(order) == 700
    # Order changes: compare with the nearest original.
    distances = np.abs(loaded.positions[:, None] - splats.positions[None]).sum(axis=2)
    nearest = distances.argmin(axis=1)
    assert sorted(nearest) == list(range(700)) and distances.min(axis=1).max() < 0.01
    assert np.abs(loaded.log_scales - splats.log_scales[nearest]).max() < 0.01
    assert np.abs(loaded.sh0 - splats.sh0[nearest]).max() < 0.05
    assert rotation_distance(loaded.rotations, splats.rotations[nearest]).max() < 1e-4
    assert np.abs(loaded.shN - splats.shN[nearest]).max(initial=0) < 0.02


def test_sog_files_hold_integers_exactly() -> None:
    splats = load_splats(scene(COUNT))
    data = splats.to_bytes("a.sog")
    loaded = load_splats(data)
    assert loaded.quantized is not None
    assert integers_equal(loaded.quantized, to_sog(splats.arrays()))
    assert loaded.to_bytes("b.sog") == data
    close(loaded, splats, 1e-4, 0.4, 0.4)


@pytest.mark.parametrize("bands", [1, 2, 3])
def test_sog_palettes(bands: int) -> None:
    quantized = sog_with_harmonics(bands)
    loaded = load_splats(write_sog(quantized))
    assert loaded.quantized is not None and integers_equal(loaded.quantized, quantized)
    assert loaded.degree == bands and loaded.antialiased
    assert quantized.labels is not None and quantized.palette is not None
    assert isinstance(quantized.scheme, SogScheme)
    row = quantized.scheme.codebooks[2][quantized.palette[quantized.labels[7]]]
    assert np.allclose(loaded.shN[7].reshape(-1), row)


@pytest.mark.parametrize("name", NAMES)
def test_no_splats_and_one_splat(name: str) -> None:
    for count in (0, 1):
        loaded = load_splats(load_splats(scene(count)).to_bytes(name))
        assert loaded.count == count


@pytest.mark.parametrize("name", NAMES[1:])
def test_schemes_are_bytes(name: str) -> None:
    quantized = load_splats(load_splats(scene(COUNT)).to_bytes(name)).quantized
    assert quantized is not None
    number = {"a.spz": 1, "a.sog": 2, "a.compressed.ply": 3}[name]
    again = read_scheme(number, quantized.scheme.to_bytes())
    assert again.to_bytes() == quantized.scheme.to_bytes()
    same = from_quantized(Quantized(again, quantized.points, quantized.values))
    assert np.array_equal(same.positions, from_quantized(quantized).positions)


@pytest.mark.parametrize("name", NAMES)
def test_cut_and_damaged_files_are_refused_or_read(name: str) -> None:
    data = load_splats(scene(40, 1 if name != "a.sog" else 0)).to_bytes(name)
    limits = Limits(vertices=5000, bytes=1 << 20, pixels=1 << 20)
    refused = 0
    for length in range(0, len(data), max(len(data) // 60, 1)):
        refused += _survives(data[:length], limits)
    rng = np.random.default_rng(8)
    for at in rng.integers(0, len(data), 150):
        damaged = bytearray(data)
        damaged[at] ^= 1 << int(rng.integers(8))
        refused += _survives(bytes(damaged), limits)
    assert refused > 20


def _survives(data: bytes, limits: Limits) -> bool:
    try:
        load_splats(data, limits=limits)
    except (InputError, LimitExceeded):
        return True
    return False


@given(st.binary(max_size=200))
@settings(max_examples=100, deadline=None)
def test_anything_else_is_refused(data: bytes) -> None:
    for head in (b"", b"ply\n", b"NGSP", b"\x1f\x8b", b"PK\x03\x04"):
        assert _survives(head + data, Limits())


def test_lying_headers_take_no_memory() -> None:
    huge = struct.pack("<4sIIBBBB", b"NGSP", 3, 1 << 26, 3, 12, 0, 0)
    with pytest.raises(InputError, match="cut short or lies"):
        load_splats(gzip.compress(huge))
    with pytest.raises(LimitExceeded):
        load_splats(gzip.compress(huge), limits=Limits.STRICT)
    header = load_splats(scene(1)).to_bytes("a.ply").replace(b"vertex 1", b"vertex 99999999")
    with pytest.raises(InputError, match="ends before them"):
        load_splats(header)


def test_a_bomb_is_not_unpacked() -> None:
    head = struct.pack("<4sIIBBBB", b"NGSP", 3, 2, 0, 12, 0, 0)
    bomb = gzip.compress(head + bytes(1 << 26))
    assert load_splats(bomb).count == 2

    files = zipfile.ZipFile(io.BytesIO(load_splats(scene(9)).to_bytes("a.sog")))
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as archive:
        for name in files.namelist():
            archive.writestr(name, bytes(1 << 25) if name == "meta.json" else files.read(name))
    with pytest.raises(InputError, match=r"meta.json has over"):
        load_splats(out.getvalue())


def changed_meta(change: Any) -> bytes:
    files = zipfile.ZipFile(io.BytesIO(load_splats(scene(9)).to_bytes("a.sog")))
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as archive:
        for name in files.namelist():
            data = files.read(name)
            if name == "meta.json":
                meta = json.loads(data)
                change(meta)
                data = json.dumps(meta).encode()
            archive.writestr(name, data)
    return out.getvalue()


@pytest.mark.parametrize(
    "change",
    [
        lambda meta: meta.update(version=1),
        lambda meta: meta.update(count=-1),
        lambda meta: meta.update(count=10_000),
        lambda meta: meta.pop("scales"),
        lambda meta: meta["means"].update(mins=[0, "x", 0]),
        lambda meta: meta["means"].update(maxs=[0, 1e400, 0]),
        lambda meta: meta["means"].update(files=["means_l.webp"]),
        lambda meta: meta["quats"].update(files=["../../etc/passwd"]),
        lambda meta: meta["sh0"].update(codebook=[1.0] * 300),
        lambda meta: meta.update(shN={"bands": 9, "count": 1, "codebook": [0.0], "files": []}),
    ],
)
def test_meta_that_lies(change: Any) -> None:
    with pytest.raises(InputError):
        load_splats(changed_meta(change))


def test_arrays_of_wrong_shapes() -> None:
    for name, array in (
        ("rotations", np.zeros((3, 4))), ("shN", np.zeros((5, 2, 3))), ("colour", np.zeros(5)),
    ):  # fmt: skip
        with pytest.raises(InputError):
            load_splats({**scene(5), name: array})
    with pytest.raises(InputError):
        load_splats(3)
    with pytest.raises(InputError, match="cannot be read"):
        load_splats("/nowhere/scene.ply")


def test_unknown_extension(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="saved as"):
        load_splats(scene(3)).save(tmp_path / "a.obj")
    with pytest.raises(InputError, match="palette"):
        load_splats(scene(3, 1)).save(tmp_path / "a.sog")


def test_heads() -> None:
    for name in NAMES:
        assert is_splats(load_splats(scene(2)).to_bytes(name)[:4096])
    assert not is_splats(b"ply\nformat ascii 1.0\nelement vertex 3\nproperty float x\nend_header\n")


def test_steps_that_lead_beyond_float32_give_infinities() -> None:
    """What a damaged grid says must not be a warning on the terminal."""
    far = Even(16, 9e29, 3.4028e38)
    grid = Grid(1, 24, (3.4e38, 0.0, 0.0), 1e29, (far, far, far, far), 8)
    assert Grid.from_bytes(grid.to_bytes()) == grid
    values = np.full((2, len(grid.bits)), (1 << 16) - 1, np.int64)
    values[:, 7] = 3
    floats = grid.floats(Quantized(grid, np.full((2, 3), (1 << 24) - 1), values))
    for name in ("positions", "log_scales", "sh0", "shN"):
        assert np.isinf(floats[name]).any()
