"""The commands in this process: what they write, what they say, and their exit codes."""

from __future__ import annotations

import importlib.util
import json
import os
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import PIL.Image
import pytest

import nacre
from nacre.cli import COMMANDS, batch, run
from nacre.stream import ImageShape, Section, SectionKind, Stream

Pictures = dict[str, np.ndarray]
WriteModel = Callable[[str, float], Path]
Capture = pytest.CaptureFixture[str]


def lines(capsys: Capture) -> tuple[list[str], list[str]]:
    """Lines of standard output and of standard error so far."""
    captured = capsys.readouterr()
    return captured.out.splitlines(), captured.err.splitlines()


@pytest.fixture(autouse=True)
def work_in_a_folder_of_its_own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


@pytest.fixture
def folder(tmp_path: Path, pictures: Pictures) -> Path:
    """Three pictures in a tree, beside files that are none."""
    root = tmp_path / "in"
    (root / "deep" / "er").mkdir(parents=True)
    (root / ".hidden").mkdir()
    for name in ("a.png", "deep/b.png", "deep/er/c.PNG", ".hidden/d.png"):
        PIL.Image.fromarray(pictures["rgb"]).save(root / name)
    (root / "notes.txt").write_text("not a picture")
    return root


def test_encode_info_verify_decode(picture_file: Path, pictures: Pictures, capsys: Capture) -> None:
    stream = picture_file.with_name("photo.png.ncr")
    assert run(["encode", str(picture_file), "--lossless", "--verify"]) == 0
    out, err = lines(capsys)
    assert out == []
    assert len(err) == 1
    assert (
        f"{picture_file} -> {stream}: adaptive-image, 64 x 48, {stream.stat().st_size:,} b"
        in err[0]
    )
    assert "exact" in err[0]
    assert run(["info", str(stream)]) == 0
    out, err = lines(capsys)
    assert err == []
    assert f"{stream.stat().st_size:,}" in "\n".join(out)
    assert run(["verify", str(stream), "--original", str(picture_file)]) == 0
    assert "equal to the original" in lines(capsys)[1][0]
    back = picture_file.with_name("back.png")
    assert run(["decode", str(stream), "-o", str(back), "--quiet"]) == 0
    assert lines(capsys) == ([], [])
    assert np.array_equal(np.asarray(PIL.Image.open(back)), pictures["rgb"])


def test_decode_names_and_kinds(picture_file: Path, tmp_path: Path) -> None:
    for name, result in {
        "x.png.ncr": "x.png",
        "y.jpg.ncr": "y.jpg.png",
        "z.tiff.ncr": "z.tiff",
        "w.ncr": "w.png",
    }.items():
        shutil.copy(picture_file, tmp_path / "source.png")
        assert run(["encode", str(tmp_path / "source.png"), "--lossless", "-o", name]) == 0
        assert run(["decode", name]) == 0
        assert Path(result).is_file()
    assert run(["decode", "w.ncr", "-o", "w.webp", "--region", "3,4,10,11"]) == 0
    with PIL.Image.open("w.webp") as picture:
        assert (picture.format, picture.size) == ("WEBP", (10, 11))


def test_quality_and_targets(toy: Path, picture_file: Path, capsys: Capture) -> None:
    sizes = []
    for quality in ("0", "40", "80"):
        output = f"q{quality}.ncr"
        arguments = ["encode", str(picture_file), "--codec", "toy", "-q", quality, "-o", output]
        assert run([*arguments, "--json", "--verify"]) == 0
        record = json.loads(lines(capsys)[0][0])
        assert record["bytes"] == Path(output).stat().st_size
        assert record["bpp"] == 8 * record["bytes"] / (64 * 48)
        assert record["psnr_db"] > 15
        sizes.append(record["bytes"])
    assert sizes == sorted(set(sizes))
    for flags, met in (
        (["--target-size", str(sizes[1])], lambda r: sizes[1] * 0.95 <= r["bytes"] <= sizes[1]),
        (["--target-bpp", "6"], lambda r: abs(r["bpp"] - 6) < 0.12),
        (["--target-psnr", "35"], lambda r: 35 <= r["psnr_db"] < 35.5),
    ):
        arguments = ["encode", str(picture_file), "--codec", "toy", "-o", "t.ncr", "-f", *flags]
        assert run([*arguments, "--json", "--verify", "--quiet"]) == 0
        out, err = lines(capsys)
        assert met(json.loads(out[0])), out
        assert err == []


@pytest.mark.parametrize(
    ("flags", "message"),
    [
        (["--lossless", "-q", "50"], "codec 'adaptive-image' has no setting 'quality'"),
        (["--lossless", "--codec", "toy"], "'toy' is lossy"),
        (["--codec", "toy", "--target-bpp", "1", "-q", "3"], "exclude each other"),
        (["--codec", "toy", "--target-size", "9"], "out of reach"),
        (["--codec", "toi"], "did you mean 'toy'"),
        (["--lossless", "--strip", "gps"], "use icc, exif, xmp, tags or all"),
        (["--lossless", "--limit", "pixels=10"], "over the limit of 10"),
        (["--lossless", "--limit", "pixls=10"], "is not understood"),
        (["--codec", "toy-model"], "'toy-model-1' of codec 'toy-model' not found"),
        (["--codec", "toy-model", "--model", "no.safetensors"], "no such model file"),
        (["--lossless", "--device", "quantum", "--model", "x"], "has no models"),
        (["-q", "101"], "'-q' / '--quality'"),
        (["--effort", "0"], "'-e' / '--effort'"),
        (["--lossy"], "--lossy"),
        (["--json", "-o", "-"], "cannot both go to standard output"),
    ],
)
def test_unusable_flags(
    toy: Path, picture_file: Path, capsys: Capture, flags: list[str], message: str
) -> None:
    before = sorted(picture_file.parent.iterdir())
    assert run(["encode", str(picture_file), *flags]) == 2
    out, err = lines(capsys)
    assert out == []
    assert len(err) == 1, err
    assert err[0].startswith("nacre: ")
    assert message in err[0]
    assert sorted(picture_file.parent.iterdir()) == before


def bomb() -> bytes:
    """A PNG whose header claims 2^31 - 1 pixels in each direction."""
    import zlib

    chunk = b"IHDR" + (2**31 - 1).to_bytes(4, "big") * 2 + bytes([8, 2, 0, 0, 0])
    crc = zlib.crc32(chunk).to_bytes(4, "big")
    body = b"IDAT" + zlib.compress(b"0")
    data = (len(body) - 4).to_bytes(4, "big") + body + zlib.crc32(body).to_bytes(4, "big")
    return b"\x89PNG\r\n\x1a\n" + (13).to_bytes(4, "big") + chunk + crc + data


def test_unusable_pictures(picture_file: Path, capsys: Capture) -> None:
    whole = picture_file.read_bytes()
    cases: dict[str, tuple[bytes | None, str]] = {
        "missing.png": (None, "no such file"),
        "empty.png": (b"", "is empty (0 bytes)"),
        "cut.png": (whole[: len(whole) // 2], "damaged or cut short"),
        "text.png": (b"hello, this is a text", "is not a picture"),
        "bomb.png": (bomb(), "over the limit"),
        "stream.png": (nacre.encode(picture_file, lossless=True), "nacre stream already"),
    }
    for name, (content, message) in cases.items():
        if content is not None:
            Path(name).write_bytes(content)
        assert run(["encode", name, "--lossless"]) == 2, name
        err = lines(capsys)[1]
        assert len(err) == 1, err
        assert err[0].startswith(f"nacre: {name}"), err
        assert message in err[0]
        assert not Path(name + ".ncr").exists()


def test_unusable_streams(
    toy: Path, picture_file: Path, capsys: Capture, write_model: WriteModel
) -> None:
    data = nacre.encode(picture_file, lossless=True)
    write_model("toy-model-1", 1.0)
    modelled = nacre.encode(picture_file, codec="toy-model")
    write_model("toy-model-1", 2.0)
    flipped = bytearray(data)
    flipped[-30] ^= 4
    sections = (Section(SectionKind.PAYLOAD, b"1"),)
    unknown = Stream(60, None, ImageShape(1, 1), sections).to_bytes()
    huge = Stream(0, None, ImageShape(2**31, 2**31), sections).to_bytes()
    cases: dict[str, tuple[bytes | None, int, str]] = {
        "missing.ncr": (None, 2, "No such file"),
        "empty.ncr": (b"", 2, "the input is empty"),
        "jpeg.ncr": (b"\xff\xd8\xff\xe0\x00\x10JFIF", 2, "this is a JPEG image"),
        "version.ncr": (bytes([data[0] + 1]) + data[1:], 2, "format version 2"),
        "codec.ncr": (unknown, 2, "codec number 60"),
        "model.ncr": (modelled, 2, "of codec 'toy-model' not found"),
        "huge.ncr": (huge, 2, "over the limit"),
        "text.ncr": (data.replace(b"\r\n", b"\n", 1), 2, "transferred as text"),
        "cut.ncr": (data[:-9], 1, "ends 9 bytes early"),
        "joined.ncr": (data + data, 1, "two files were joined"),
        "flipped.ncr": (bytes(flipped), 1, "CRC-32"),
    }
    for name, (content, code, message) in cases.items():
        if content is not None:
            Path(name).write_bytes(content)
        for command in ("decode", "verify"):
            assert run([command, name]) == code, (command, name)
            out, err = lines(capsys)
            assert out == []
            assert len(err) == 1, err
            assert err[0].startswith(f"nacre: {name}: "), err
            assert message in err[0], err
        assert not Path(name).with_suffix(".png").exists()


def test_a_folder_as_a_file(picture_file: Path, capsys: Capture, tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    assert run(["encode", "empty", "--lossless"]) == 2
    assert "no file of this kind" in lines(capsys)[1][0]
    (tmp_path / "photo.png.ncr").mkdir()
    assert run(["encode", str(picture_file), "--lossless"]) == 1
    assert "is a folder" in lines(capsys)[1][0]


def test_existing_outputs_are_kept(picture_file: Path, capsys: Capture) -> None:
    output = Path("old.ncr")
    output.write_bytes(b"precious")
    assert run(["encode", "nothere.png", "--lossless", "-o", str(output)]) == 2
    assert "nothere.png: no such file" in lines(capsys)[1][0]
    arguments = ["encode", str(picture_file), "--lossless", "-o", str(output)]
    assert run(arguments) == 2
    assert "old.ncr exists" in lines(capsys)[1][0]
    assert output.read_bytes() == b"precious"
    assert run([*arguments, "--force"]) == 0
    assert run(["decode", str(output), "-o", str(picture_file)]) == 2
    for name in (str(picture_file), str(picture_file.parent / "." / "photo.png")):
        assert run(["encode", str(picture_file), "--lossless", "-o", name, "--force"]) == 2
        assert "is the input itself" in lines(capsys)[1][-1]


def test_a_failed_overwrite_keeps_the_old_file(picture_file: Path) -> None:
    output = Path("old.ncr")
    output.write_bytes(b"precious")
    Path("bad.png").write_bytes(picture_file.read_bytes()[:200])
    assert run(["encode", "bad.png", "--lossless", "-o", str(output), "--force"]) == 2
    assert output.read_bytes() == b"precious"


def test_a_folder_is_mirrored_and_resumed(folder: Path, capsys: Capture) -> None:
    assert run(["encode", str(folder), "--lossless", "-o", "out"]) == 0
    out, err = lines(capsys)
    assert out == []
    assert err[-1].startswith("3 encoded: ")
    names = ["a.png.ncr", "deep/b.png.ncr", "deep/er/c.PNG.ncr"]
    found = sorted(str(path.relative_to("out")) for path in Path("out").rglob("*.ncr"))
    assert found == names
    Path("out/deep/b.png.ncr").unlink()
    stamp = Path("out/a.png.ncr").stat().st_mtime_ns
    assert run(["encode", str(folder), "--lossless", "-o", "out"]) == 0
    assert lines(capsys)[1][-1].startswith("1 encoded, 2 skipped (up to date; --force does them")
    assert Path("out/a.png.ncr").stat().st_mtime_ns == stamp
    assert run(["encode", str(folder), "--lossless", "-o", "out", "-f", "-v"]) == 0
    err = lines(capsys)[1]
    assert len(err) == 4
    assert err[-1].startswith("3 encoded: ")
    os.utime(folder / "a.png")
    os.utime("out/a.png.ncr", (1, 1))
    assert run(["encode", str(folder), "--lossless", "-o", "out"]) == 2
    assert "is older than its input" in lines(capsys)[1][0]
    assert run(["verify", "out", "--quiet"]) == 0
    assert run(["decode", "out", "-o", "back"]) == 0
    assert Path("back/deep/er/c.PNG").is_file()


def test_a_bad_file_does_not_stop_the_rest(folder: Path, capsys: Capture) -> None:
    (folder / "0.png").write_bytes(b"")
    (folder / "deep" / "b.png.ncr").mkdir()
    assert run(["encode", str(folder), "--lossless", "--json"]) == 2
    out, err = lines(capsys)
    records = {Path(record["input"]).name: record for record in map(json.loads, out)}
    assert {name: record["ok"] for name, record in records.items()} == {
        "0.png": False,
        "a.png": True,
        "b.png": False,
        "c.PNG": True,
    }
    assert [records[name]["exit_code"] for name in ("0.png", "b.png")] == [2, 1]
    assert err[-1].startswith("2 encoded, 2 failed")


def test_several_inputs_need_a_folder(folder: Path, picture_file: Path, capsys: Capture) -> None:
    for output in ("-", str(picture_file)):
        arguments = ["encode", str(folder), str(picture_file), "--lossless", "-o", output]
        assert run(arguments) == 2
        assert "need a folder as output" in lines(capsys)[1][0]
    assert run(["encode", "-", str(picture_file), "--lossless"]) == 2
    shutil.copytree(folder, "twin")
    assert run(["encode", str(folder), "twin", "--lossless", "-o", "out"]) == 2
    assert "would both become" in lines(capsys)[1][-1]
    assert not Path("out").exists()


def test_jobs_and_threads_never_change_bytes(folder: Path, capsys: Capture) -> None:
    arguments = ["encode", str(folder), "--lossless", "-o"]
    assert run([*arguments, "one", "--threads", "1"]) == 0
    (folder / "0.png").write_bytes(b"")
    assert run([*arguments, "two", "--jobs", "2", "--threads", "2"]) == 2
    err = lines(capsys)[1]
    assert err[-1].startswith("3 encoded, 1 failed: ")
    assert "is empty" in err[-2]
    assert len(list(Path("one").rglob("*.ncr"))) == 3
    for path in Path("one").rglob("*.ncr"):
        assert path.read_bytes() == (Path("two") / path.relative_to("one")).read_bytes()


def test_a_worker_that_dies_is_reported(toy: Path, capsys: Capture) -> None:
    import nacre_toy

    tasks = [batch.Task("a"), batch.Task("b")]
    assert batch.run(tasks, nacre_toy.die, True, batch.Manner("done", jobs=2)) == 1
    err = lines(capsys)[1]
    assert [line.partition(": out of memory")[0] for line in sorted(err[:2])] == [
        "nacre: a",
        "nacre: b",
    ]
    assert err[2] == "0 done, 2 failed"


def test_a_missing_extra_is_named(
    picture_file: Path, capsys: Capture, monkeypatch: pytest.MonkeyPatch
) -> None:
    from nacre.codecs.adaptive_image import AdaptiveImage

    def lacking(*_: object) -> None:
        raise ModuleNotFoundError("No module named 'compressai.zoo'", name="compressai.zoo")

    monkeypatch.setattr(AdaptiveImage, "encode", lacking)
    assert run(["encode", str(picture_file), "--lossless"]) == 2
    assert "pip install 'nacre[train]'" in lines(capsys)[1][0]


def test_info_json_and_every_field(picture_file: Path, capsys: Capture) -> None:
    Path("a.ncr").write_bytes(nacre.encode(picture_file, lossless=True))
    assert run(["info", "a.ncr", "--json"]) == 0
    record = json.loads(lines(capsys)[0][0])
    assert (record["codec"], record["lossless"], record["model"]) == ("adaptive-image", True, None)
    assert record["shape"] == {"width": 64, "height": 48, "channels": 3, "depth": 8}
    assert record["bytes"] == Path("a.ncr").stat().st_size
    assert run(["info", "a.ncr", "-v"]) == 0
    shown = "\n".join(lines(capsys)[0])
    assert "PAYLOAD_crc" in shown
    Path("b.ncr").write_bytes(b"GIF89a and so on")
    assert run(["info", "a.ncr", "b.ncr"]) == 2
    out, err = lines(capsys)
    assert out[0] == "a.ncr:"
    assert err == ["nacre: b.ncr: not a nacre stream: this is a GIF image"]


def test_verify_says_what_differs(toy: Path, picture_file: Path, capsys: Capture) -> None:
    Path("a.ncr").write_bytes(nacre.encode(picture_file, codec="toy"))
    assert run(["verify", "a.ncr", "--original", str(picture_file), "--json"]) == 0
    record: dict[str, Any] = json.loads(lines(capsys)[0][0])
    assert (record["ok"], record["equal"]) == (True, False)
    Path("b.ncr").write_bytes(nacre.encode(nacre.decode("a.ncr"), lossless=True))
    assert run(["verify", "b.ncr", "--original", str(picture_file), "--json"]) == 1
    record = json.loads(lines(capsys)[0][0])
    assert (record["ok"], record["equal"]) == (False, False)
    assert run(["verify", "a.ncr", "b.ncr", "--original", str(picture_file)]) == 2


def test_codecs(toy: Path, capsys: Capture, write_model: WriteModel) -> None:
    path = write_model("toy-model-1", 1.0)
    assert run(["codecs"]) == 0
    text = "\n".join(lines(capsys)[0])
    assert "stored" in text
    assert "toy-model-1" in text
    assert run(["codecs", "--json"]) == 0
    listing = json.loads(lines(capsys)[0][0])
    assert {"stored", "toy"} <= {entry["name"] for entry in listing["codecs"]}
    assert str(path) in [card["path"] for card in listing["models"]]
    path.write_bytes(b"damaged")
    assert run(["codecs"]) == 2
    out, err = lines(capsys)
    assert "stored" in "\n".join(out)
    assert "one of them is damaged" in err[0]


def test_sixteen_bits_come_back(pictures: Pictures) -> None:
    PIL.Image.fromarray(pictures["grey16"][..., 0]).save("deep.png")
    assert run(["encode", "deep.png", "--lossless"]) == 0
    assert run(["decode", "deep.png.ncr", "-o", "back.png"]) == 0
    assert np.array_equal(np.asarray(PIL.Image.open("back.png")), pictures["grey16"][..., 0])


def test_notes_are_said(toy: Path, capsys: Capture) -> None:
    frames = [PIL.Image.new("L", (4, 4), level) for level in (0, 255)]
    frames[0].save("two.gif", save_all=True, append_images=frames[1:])
    assert run(["encode", "two.gif", "--codec", "toy"]) == 0
    assert "note: only the first of 2 pictures" in lines(capsys)[1][0]


def test_lossless_refuses_what_was_changed_while_reading(capsys: Capture) -> None:
    frames = [PIL.Image.new("L", (4, 4), level) for level in (0, 255)]
    frames[0].save("two.gif", save_all=True, append_images=frames[1:])
    assert run(["encode", "two.gif", "--lossless"]) == 2
    assert "would not hold what the source does" in lines(capsys)[1][0]
    assert not Path("two.gif.ncr").exists()


def test_a_bug_is_owned_in_one_line(
    picture_file: Path, capsys: Capture, monkeypatch: pytest.MonkeyPatch
) -> None:
    from nacre.codecs.adaptive_image import AdaptiveImage

    def broken(*_: object) -> None:
        raise ZeroDivisionError("division by zero")

    monkeypatch.setattr(AdaptiveImage, "encode", broken)
    assert run(["encode", str(picture_file), "--lossless"]) == 1
    err = lines(capsys)[1]
    assert len(err) == 1
    assert "unexpected ZeroDivisionError" in err[0]
    monkeypatch.setenv("NACRE_DEBUG", "1")
    assert run(["encode", str(picture_file), "--lossless"]) == 1
    assert any(line.startswith("Traceback") for line in lines(capsys)[1])


def test_help_and_version(capsys: Capture) -> None:
    assert run(["--version"]) == 0
    assert lines(capsys)[0] == [f"nacre {nacre.__version__}"]
    for command, (module, _, summary) in COMMANDS.items():
        if importlib.util.find_spec(module) is None:
            continue
        assert run([command, "--help"]) == 0
        text = "\n".join(lines(capsys)[0])
        assert "Usage: nacre " + command in text
        assert summary.split()[0] in text
    assert run([]) == 2
    out, err = lines(capsys)
    assert "Usage: nacre" in "\n".join(out)
    assert err == []
    assert run(["encdoe"]) == 2
    err = lines(capsys)[1]
    assert len(err) == 1
    assert "encdoe" in err[0]
