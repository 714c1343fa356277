"""What a table says of records that are given."""

from __future__ import annotations

import io
from dataclasses import replace

import numpy as np
import pytest
from PIL import Image

from nacre.bench.metrics import bd_rate, similarity_db
from nacre.bench.records import Record
from nacre.bench.report import points, rate_distortion, table, write_report
from nacre.errors import InputError


def record(codec: str, quality: float | None, file: str, size: int, psnr: float | None) -> Record:
    ms_ssim = None if psnr is None else 1 - 10 ** (-psnr / 20)
    similar = {"ms_ssim": ms_ssim, "ms_ssim_db": None if psnr is None else psnr / 2}
    return Record(
        codec, "image", quality, file, size, 1000, {"psnr_db": psnr, "identical": psnr is None,
        **similar}, 0.002, 0.0005, 1, 3, "version 1.2", None, 0,
    )  # fmt: skip


def two_codecs() -> list[Record]:
    """Two files at two qualities; ``other`` takes 90 % of the bytes of ``jpeg``."""
    made = []
    for codec, factor in (("jpeg", 1.0), ("other", 0.9)):
        for quality, size, psnr in ((10, 100, 30.0), (90, 400, 38.0)):
            for file, more in (("a", 0), ("b", 100)):
                made.append(record(codec, quality, file, round(factor * (size + more)), psnr))
    return made


def test_points_are_means_of_files_and_speeds_are_of_totals():
    records = two_codecs()
    records[1] = replace(records[1], encode_seconds=0.006, metrics=records[3].metrics)
    first = points(records)[0]
    assert (first.codec, first.quality, first.files) == ("jpeg", 10, 2)
    assert first.bpp == pytest.approx((0.8 + 1.6) / 2)
    assert first.psnr_db == pytest.approx(34.0)
    assert first.encode_mps == pytest.approx(2000 / 0.008 / 1e6)
    assert first.decode_mps == pytest.approx(2000 / 0.001 / 1e6)
    mean = np.mean([records[0].metrics["ms_ssim"], records[1].metrics["ms_ssim"]])
    assert first.ms_ssim_db == pytest.approx(similarity_db(mean)), "of the mean, not mean of dB"


def test_bd_rate_of_nine_tenths_is_minus_ten_percent():
    text = table(two_codecs(), command="nacre bench x")
    assert "| other | -10.0 % (30.00 to 38.00 dB) | -10.0 % (15.00 to 19.00 dB) |" in text
    other = table(two_codecs(), command="nacre bench x", reference="other")
    expected = bd_rate([(0.9, 1), (1.8, 2)], [(1, 1), (2, 2)]).percent
    assert f"| jpeg | {expected:+.1f} % (30.00 to 38.00 dB)" in other
    assert "webp was not measured" in table(two_codecs(), command="x", reference="webp")


def test_a_file_that_failed_for_one_codec_counts_for_none():
    records = two_codecs()
    records[-1] = replace(records[-1], bytes=None, units=None, metrics={}, error="OSError: a|b")
    assert {point.files for point in points(records)} == {1}
    text = table(records, command="x")
    assert "over the 1 on which" in text
    assert "| b | other | 90 | OSError: a\\|b |" in text


def test_a_codec_that_always_fails_takes_nothing_from_the_others():
    broken = [
        replace(one, codec="broken", bytes=None, units=None, metrics={}, error="OSError: no")
        for one in two_codecs()[:4]
    ]
    measured = points([*two_codecs(), *broken])
    assert {point.codec for point in measured} == {"jpeg", "other"}
    assert {point.files for point in measured} == {2}


def test_curves_that_cannot_be_compared_say_why():
    apart = [replace(one, metrics={**one.metrics, "psnr_db": 50.0 + i}) for i, one in
             enumerate(two_codecs()[4:])]  # fmt: skip
    text = table([*two_codecs()[:4], *apart], command="x")
    assert "| other | none: the curves have no quality in common" in text
    small = [replace(one, metrics={**one.metrics, "ms_ssim": None}) for one in two_codecs()]
    assert "| not defined for every file |" in table(small, command="x")


def test_lossless_codecs_have_a_table_of_their_own():
    records = [record("png", None, "a", 1500, None), record("png", None, "b", 2500, None)]
    text = table(records, command="x")
    assert "| png | 4,000 | 16.000 | 5.3333 | +0.00 % | 2 of 2 | 0.50 | 2.00 |" in text
    assert "PSNR" not in text
    records += [record("mine", None, "a", 1600, None), record("mine", None, "b", 2000, None)]
    records = [replace(r, encode_cpu_seconds=0.001, decode_cpu_seconds=0.004) for r in records]
    text = table(records, command="x", reference="png")
    assert "| mine | 3,600 | 14.400 | 4.8000 | -10.00 % | 1 of 2 | 1.00 | 0.25 |" in text
    assert "| png | 4,000 | 16.000 | 5.3333 | +11.11 % |" in table(
        records, command="x", reference="mine"
    )
    assert "against png" in table(records, command="x", reference="webp")
    assert "BD-rate" not in text
    with pytest.raises(InputError, match="no lossy codec"):
        rate_distortion(records)


def test_the_picture_draws_every_curve(tmp_path):
    pytest.importorskip("matplotlib")
    written = write_report(two_codecs(), tmp_path, command="x")
    assert [path.name for path in written] == ["table.md", "rate_distortion.png"]
    with Image.open(io.BytesIO(written[1].read_bytes())) as picture:
        colours = {colour for _, colour in picture.convert("RGB").getcolors(1 << 24)}
    assert {(0, 0x72, 0xB2), (0xD5, 0x5E, 0)} <= colours, "jpeg is blue, nacre's own vermilion"


def test_no_records_are_no_report(tmp_path):
    with pytest.raises(InputError, match="no record"):
        write_report([], tmp_path, command="x")
