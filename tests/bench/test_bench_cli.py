"""``nacre bench`` as a person calls it: what it writes, what it says, and its exit codes."""

from __future__ import annotations

import json
import re
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from nacre.bench import memory
from nacre.bench.metrics import bd_rate, similarity_db
from nacre.cli import run

pytest.importorskip("matplotlib", reason="the picture needs nacre[bench]")

Capture = pytest.CaptureFixture[str]


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Two pictures, large enough for MS-SSIM, in a tree."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "in" / "deep").mkdir(parents=True)
    y, x = np.mgrid[:168, :176]
    for seed, name in enumerate(("a.png", "deep/b.png")):
        waves = [128 + 80 * np.sin(x / (6 + k + seed)) * np.cos(y / 8) for k in range(3)]
        noise = np.random.default_rng(seed).normal(0, 6, (168, 176, 3))
        pixels = np.clip(np.stack(waves, -1) + noise, 0, 255).astype(np.uint8)
        Image.fromarray(pixels).save(tmp_path / "in" / name)
    (tmp_path / "in" / "notes.txt").write_text("not a picture")
    return tmp_path / "in"


def test_a_run_writes_records_table_and_picture(folder: Path, capsys: Capture):
    arguments = "bench in --codecs jpeg,webp,png,stored --qualities 20,50,80 --out results"
    assert run(arguments.split()) == 0
    out, err = capsys.readouterr()
    assert out == Path("results/table.md").read_text()
    assert err.splitlines() == [
        f"written: {Path('results') / name}"
        for name in ("records.json", "table.md", "rate_distortion.png", "page.html")
    ]
    records = json.loads(Path("results/records.json").read_text())
    assert len(records) == 2 * (3 + 3 + 1 + 1)
    assert {record["file"] for record in records} == {"a.png", "deep/b.png"}
    assert f"    nacre {arguments}\n" in out

    curves: dict[str, list[tuple[float, float]]] = {"jpeg": [], "webp": []}
    similar: dict[str, list[tuple[float, float]]] = {"jpeg": [], "webp": []}
    for codec in curves:
        for quality in (20, 50, 80):
            rows = [r for r in records if (r["codec"], r["quality"]) == (codec, quality)]
            bpp = np.mean([8 * r["bytes"] / r["units"] for r in rows])
            psnr, ms_ssim = (np.mean([r[key] for r in rows]) for key in ("psnr_db", "ms_ssim"))
            assert f"| {codec} | {quality} | {bpp:.3f} | {psnr:.2f} | {ms_ssim:.4f} |" in out
            curves[codec].append((bpp, psnr))
            similar[codec].append((bpp, similarity_db(ms_ssim)))
    cells = []
    for curve in (curves, similar):
        result = bd_rate(curve["jpeg"], curve["webp"])
        cells.append(f"{result.percent:+.1f} % ({result.low:.2f} to {result.high:.2f} dB)")
    assert f"| webp | {cells[0]} | {cells[1]} |" in out
    assert re.search(r"\| jpeg \| \+0\.0 % \([\d.]+ to [\d.]+ dB\) \|", out)
    sizes = {c: sum(r["bytes"] for r in records if r["codec"] == c) for c in ("png", "stored")}
    share = f"{100 * (sizes['stored'] / sizes['png'] - 1):+.2f} %"
    assert re.search(rf"\| stored \| {sizes['stored']:,} \| [\d.]+ \| [\d.]+ \| \{share} ", out)
    assert re.search(rf"\| png \| {sizes['png']:,} \| [\d.| ]+ \+0\.00 % \| 2 of 2 \| [\d.]+ ", out)
    with Image.open("results/rate_distortion.png") as picture:
        assert picture.format == "PNG"
        assert len(picture.convert("RGB").getcolors(1 << 24)) > 50, "curves in several colours"


def test_a_bad_file_is_reported_and_the_rest_is_measured(folder: Path, capsys: Capture):
    (folder / "bad.png").write_bytes(b"\x89PNG\r\n\x1a\n|broken")
    arguments = "bench in --codecs jpeg,png --qualities 50,80 --repeat 1 --out results"
    assert run(arguments.split()) == 1
    out, err = capsys.readouterr()
    assert "nacre: 3 of 9 measurements failed" in err
    assert "means of per-file figures over the 2 on which" in out
    assert re.search(r"## Failed\n\n.*\n.*\n\| bad\.png \| jpeg \| 50 \| InputError: ", out)
    failed = [r for r in json.loads(Path("results/records.json").read_text()) if r["error"]]
    assert {record["file"] for record in failed} == {"bad.png"}


def test_streams_are_kept_on_request(folder: Path):
    arguments = "bench in/a.png --codecs jpeg --qualities 50 --repeat 1 --out results"
    assert run([*arguments.split(), "--keep-streams"]) == 0
    (record,) = json.loads(Path("results/records.json").read_text())
    with Image.open("results/streams/jpeg/50/a.png.bin") as picture:
        assert picture.format == "JPEG"
    assert Path("results/streams/jpeg/50/a.png.bin").stat().st_size == record["bytes"]


def test_results_are_not_overwritten_without_force(folder: Path, capsys: Capture):
    arguments = ["bench", "in", "--codecs", "png", "--repeat", "1", "--out", "results"]
    assert run(arguments) == 0
    before = Path("results/records.json").read_bytes()
    capsys.readouterr()
    assert run(arguments) == 2
    assert "--force" in capsys.readouterr().err
    assert Path("results/records.json").read_bytes() == before
    assert run([*arguments, "--force"]) == 0
    assert Path("results/records.json").read_bytes() != before, "times differ"


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        ("bench absent --out o", "absent: no such file or folder"),
        ("bench in --out o --codecs jpgg", "no codec is called 'jpgg'"),
        ("bench in --out o --codecs flac", "the folder has no file of this kind"),
        ("bench in --out o --codecs jpeg --kbps 8", "--kbps is for sounds"),
        ("bench in --out o --codecs jpeg:effort=2", "takes no options"),
        ("bench in --out o --codecs jpeg,jpeg", "each once"),
        ("bench in --out o --codecs jpeg --qualities x", "not understood"),
        ("bench in --out o --codecs jpeg --qualities 101", "off its scale"),
        ("bench in --out in/a.png --codecs jpeg", "in/a.png"),
        ("bench in --codecs jpeg", "--out"),
        ("bench in --out o --threads 0", "--threads"),
        ("bench latents in --codec stored", "stored"),
        ("bench latents in --codec jpeg", "no codec is called 'jpeg'"),
        ("bench memory in/notes.txt --codec stored", "not a picture"),
        ("bench memory in/a.png --pixels 0 --codec stored", "0.0 megapixels"),
    ],
)
def test_a_users_mistake_is_one_line_and_exit_2(
    folder: Path, capsys: Capture, arguments: str, says: str
):
    assert run(arguments.split()) == 2
    out, err = capsys.readouterr()
    assert out == ""
    assert len(err.splitlines()) == 1
    assert says in err
    assert not Path("o").exists()


def test_a_folder_named_like_a_command_is_written_with_a_dot(folder: Path, capsys: Capture):
    folder.rename("memory")
    assert run(["bench", "./memory", "--codecs", "png", "--repeat", "1", "--out", "results"]) == 0
    assert len(json.loads(Path("results/records.json").read_text())) == 2


def test_memory_says_what_each_process_took(folder: Path, capsys: Capture):
    if memory.sys.platform not in memory.PLATFORMS:
        pytest.skip("peak memory is not known on this system")
    assert run(["bench", "memory", "in/a.png", "--pixels", "1", "--codec", "stored", "--json"]) == 0
    out, _ = capsys.readouterr()
    report = json.loads(out)
    assert report["width"] * report["height"] == pytest.approx(1e6, rel=0.01)
    assert report["encode_bytes"] > report["start_bytes"] > 1 << 20


def test_coder_prints_a_row_a_coder(capsys: Capture, monkeypatch: pytest.MonkeyPatch):
    """The measurement itself has tests of its own; here: what is printed of it."""
    coder = pytest.importorskip("nacre.bench.coder")
    rows = [coder.CoderFigures("nacre", 3.25, 0.0004, 101.25, 39.5)]
    asked = []
    monkeypatch.setattr(coder, "compare", lambda *, symbols: asked.append(symbols) or rows)
    assert run(["bench", "coder", "--symbols", "2000"]) == 0
    assert "| nacre | 3.2500 | +0.040 % | 101.2 | 39.5 |" in capsys.readouterr().out.splitlines()
    assert run(["bench", "coder", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["decode_msymbols"] == 39.5
    assert asked == [2000, 1_000_000]


def test_help_names_every_measurement(capsys: Capture):
    assert run(["bench", "--help"]) == 0
    text = capsys.readouterr().out
    for name in ("files", "coder", "latents", "memory"):
        assert name in text
