"""A run of the benchmark: real files, real bytes, failures recorded."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

import nacre
from nacre.bench.candidates import candidate
from nacre.bench.metrics import psnr_db
from nacre.bench.peers import find_peer
from nacre.bench.records import write_records
from nacre.bench.runner import Plan, halve, load_rgb, parse_qualities, run
from nacre.errors import InputError


def picture(seed: int, height: int = 64, width: int = 96) -> np.ndarray:
    y, x = np.mgrid[:height, :width]
    waves = np.stack([128 + 80 * np.sin(x / (6 + k + seed)) * np.cos(y / 8) for k in range(3)], -1)
    noise = np.random.default_rng(seed).normal(0, 4, waves.shape)
    return np.clip(waves + noise, 0, 255).astype(np.uint8)


@pytest.fixture
def photos(tmp_path: Path) -> Path:
    folder = tmp_path / "photos"
    (folder / "deep").mkdir(parents=True)
    Image.fromarray(picture(0)).save(folder / "a.png")
    Image.fromarray(picture(1, 170, 180)).save(folder / "deep" / "b.png")
    (folder / "notes.txt").write_text("not a picture")
    return folder


def plan_for(folder: Path, *arguments, **named) -> Plan:
    return Plan.of(folder, sorted(folder.rglob("*.png")), *arguments, **named)


def plan_for_one(path: Path, *arguments, **named) -> Plan:
    return Plan.of(path.parent, [path], *arguments, **named)


def test_every_codec_on_every_file_at_every_quality(photos, tmp_path):
    codecs = [candidate(name) for name in ("jpeg", "webp-lossless", "stored")]
    streams = tmp_path / "streams"
    plan = plan_for(photos, codecs, qualities={"": (30, 80)}, repeats=2, seed=3, streams=streams)
    records = run(plan)
    assert len(records) == len(plan) == 2 * (2 + 1 + 1)
    assert {record.error for record in records} == {None}
    assert {(r.codec, r.quality, r.file) for r in records} == {
        (codec, quality, file)
        for file in ("a.png", "deep/b.png")
        for codec, quality in (
            ("jpeg", 30.0), ("jpeg", 80.0), ("webp-lossless", None), ("stored", None)
        )
    }  # fmt: skip
    for record in records:
        original = load_rgb(photos / record.file)
        quality = "-" if record.quality is None else f"{record.quality:g}"
        file = streams / record.codec / quality / f"{record.file}.bin"
        assert record.bytes == file.stat().st_size
        assert record.units == original.shape[0] * original.shape[1]
        assert record.bpp == 8 * record.bytes / record.units
        assert record.encode_seconds > 0
        assert record.decode_seconds > 0
        assert (record.threads, record.repeats, record.seed) == (1, 2, 3)
        if record.codec == "jpeg":
            decoded = np.asarray(Image.open(file))
            assert record.metrics["psnr_db"] == pytest.approx(psnr_db(original, decoded))
        else:
            assert record.metrics["identical"] is True
            assert record.metrics["psnr_db"] is None, "infinite"
    small = next(r for r in records if r.file == "a.png" and r.codec == "jpeg")
    large = next(r for r in records if r.file == "deep/b.png" and r.codec == "jpeg")
    assert small.metrics["ms_ssim"] is None, "the picture is too small for it"
    assert 0.5 < large.metrics["ms_ssim"] < 1
    stored = next(r for r in records if r.codec == "stored")
    assert nacre.info((streams / "stored/-" / f"{stored.file}.bin").read_bytes()).codec == "stored"
    assert stored.versions == f"nacre {nacre.__version__}"


def test_the_order_of_work_follows_from_the_seed(photos):
    orders = []
    for seed in (0, 0, 1):
        seen: list[tuple[str, float | None]] = []
        plan = plan_for_one(photos / "a.png", [find_peer("jpeg"), find_peer("png")], seed=seed)
        records = run(plan, lambda record, seen=seen: seen.append((record.codec, record.quality)))
        orders.append(seen)
        assert [r.codec for r in records] == 7 * ["jpeg"] + ["png"]
        assert [r.quality for r in records] == [*find_peer("jpeg").qualities, None]
    assert orders[0] == orders[1]
    assert orders[0] != orders[2]


def test_records_are_a_json_list_with_a_key_per_metric(photos, tmp_path):
    records = run(plan_for_one(photos / "a.png", [find_peer("jpeg")], qualities={"jpeg": (50,)}))
    path = tmp_path / "records.json"
    write_records(records, path)
    (loaded,) = json.loads(path.read_text())
    assert set(loaded) == {
        "codec", "medium", "quality", "file", "bytes", "units", "psnr_db", "ms_ssim", "ms_ssim_db",
        "identical", "encode_seconds", "decode_seconds", "threads", "repeats", "versions", "model",
        "seed", "error", "encode_cpu_seconds", "decode_cpu_seconds",
    }  # fmt: skip
    assert loaded["codec"] == "jpeg"
    assert loaded["file"] == "a.png"
    assert loaded["psnr_db"] == records[0].metrics["psnr_db"]


def test_a_file_that_fails_is_recorded_and_the_rest_goes_on(photos):
    (photos / "broken.png").write_bytes(b"\x89PNG\r\n\x1a\nand no more")
    Image.fromarray(np.zeros((8, 8, 4), np.uint8)).save(photos / "clear.png")
    records = run(plan_for(photos, [find_peer("jpeg")], qualities={"jpeg": (50,)}))
    errors = {record.file: record.error for record in records}
    assert errors["a.png"] is None
    assert errors["deep/b.png"] is None
    assert errors["broken.png"].startswith("InputError: ")
    assert "transparent" in errors["clear.png"]
    failed = next(record for record in records if record.file == "broken.png")
    assert (failed.bytes, failed.metrics, failed.encode_seconds) == (None, {}, None)
    with pytest.raises(InputError, match="no result"):
        _ = failed.bpp


def test_a_codec_that_fails_is_recorded(photos):
    def encode(pixels, quality, threads):
        raise MemoryError("too large")

    failing = dataclasses.replace(find_peer("jpeg"), name="failing", encode=encode)
    lossy = dataclasses.replace(find_peer("jpeg"), name="lossy", lossless=True)
    records = run(plan_for_one(photos / "a.png", [failing, lossy, find_peer("png")]))
    by_codec = {record.codec: record for record in records}
    assert by_codec["failing"].error == "MemoryError: too large"
    assert "is lossless, but" in by_codec["lossy"].error
    assert by_codec["png"].error is None


def test_grey_is_measured_as_rgb(tmp_path):
    grey = picture(0)[..., 0]
    Image.fromarray(grey).save(tmp_path / "grey.png")
    assert np.array_equal(load_rgb(tmp_path / "grey.png"), np.stack([grey] * 3, axis=-1))
    Image.fromarray(grey.astype(np.uint16)).save(tmp_path / "deep.png")
    with pytest.raises(InputError, match="16 bits"):
        load_rgb(tmp_path / "deep.png")


def test_qualities_of_each_codec():
    grids = parse_qualities(["20,80", "jpeg2000=0.5,1"])
    assert grids == {"": (20.0, 80.0), "jpeg2000": (0.5, 1.0)}
    assert parse_qualities(["walloc-rgb:channels=12=5,6"]) == {"walloc-rgb:channels=12": (5, 6)}
    for bad in ("", "jpeg=", "a,b", "nan"):
        with pytest.raises(InputError, match="qualities"):
            parse_qualities([bad])


def test_a_general_quality_leaves_other_scales_alone(photos):
    codecs = [find_peer(name) for name in ("jpeg", "jpeg2000", "png")]
    plan = plan_for(photos, codecs, qualities={"": (50,)})
    assert plan.qualities == {
        "jpeg": (50,),
        "jpeg2000": find_peer("jpeg2000").qualities,
        "png": (None,),
    }


@pytest.mark.parametrize(
    ("codecs", "qualities", "says"),
    [
        ([], {}, "none"),
        (["jpeg", "jpeg"], {}, "each once"),
        (["jpeg"], {"": (101,)}, "off its scale"),
        (["jpeg2000"], {"jpeg2000": (0,)}, "off its scale"),
        (["png"], {"png": (5,)}, "no quality"),
        (["jpeg"], {"webp": (5,)}, "not among"),
    ],
)
def test_plans_that_make_no_sense_are_refused(photos, codecs, qualities, says):
    with pytest.raises(InputError, match=says):
        plan_for(photos, [find_peer(name) for name in codecs], qualities=qualities)


def test_nothing_to_measure(tmp_path):
    with pytest.raises(InputError, match="no pictures"):
        Plan.of(tmp_path, [], [find_peer("jpeg")])
    with pytest.raises(InputError, match="not below"):
        Plan.of(tmp_path, [tmp_path.parent / "a.png"], [find_peer("jpeg")])


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("jpeg:quality=5", "takes no options"),
        ("stored:shape=5", "no option 'shape'"),
        ("stored:nothing", "not understood"),
        ("flac:level=5", "takes no options"),
        ("wallok-rgb", "did you mean 'walloc-rgb'"),
    ],
)
def test_codecs_that_cannot_be_run(text, says):
    with pytest.raises(InputError, match=says):
        candidate(text)


def test_halving_takes_means_of_two_by_two(photos):
    pixels = picture(3, 65, 97)
    halved = halve(pixels)
    assert (halved.shape, halved.dtype) == ((32, 48, 3), np.uint8)
    means = pixels[:64, :96].astype(float).reshape(32, 2, 48, 2, 3).mean(axis=(1, 3))
    assert np.array_equal(halved, np.floor(means + 0.5))
    with pytest.raises(InputError, match="cannot be halved"):
        halve(pixels[:1])
    (record,) = run(plan_for_one(photos / "a.png", [find_peer("png")], halve=True))
    assert record.units == 32 * 48
