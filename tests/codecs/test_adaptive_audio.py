"""adaptive-audio through the API and the commands: exact, described, cut out, refused when odd."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import soundfile

import nacre
from nacre.cli import run
from nacre.codecs.adaptive_audio import AdaptiveAudio, AdaptiveAudioSettings
from nacre.errors import FormatError, InputError
from nacre.media.audio import Audio, AudioMetadata
from nacre.stream import Stream

RATE = 8000


def sound(length: int = 5000, channels: int = 2, depth: int = 16) -> Audio:
    t = np.arange(length) / RATE
    waves = [np.sin(2 * np.pi * (200 + 30 * c) * t) * np.exp(-2 * t) for c in range(channels)]
    noise = np.random.default_rng(0).standard_normal((channels, length)) * 0.002
    samples = np.rint((0.5 * np.array(waves) + noise) * (1 << depth - 1)).astype(np.int32)
    tags = (("ARTIST", "One"), ("ARTIST", "Two"))
    return Audio(samples, RATE, depth, metadata=AudioMetadata(tags=tags, cues=((7, "here"),)))


@pytest.mark.parametrize("effort", [1, 5])
@pytest.mark.parametrize(("channels", "depth"), [(1, 8), (2, 16), (6, 24)])
def test_sound_comes_back_with_its_tags(effort: int, channels: int, depth: int) -> None:
    audio = sound(3000, channels, depth)
    back = nacre.decode(nacre.encode(audio, lossless=True, effort=effort))
    assert np.array_equal(back.samples, audio.samples)
    assert back.shape == audio.shape
    assert back.metadata == audio.metadata


def test_no_samples_and_one() -> None:
    for length in (0, 1):
        audio = sound(length)
        assert np.array_equal(nacre.decode(nacre.encode(audio)).samples, audio.samples)


def test_arrays_are_sound_when_their_rate_is_given() -> None:
    array = (sound().samples[:, :400]).astype(np.int16)
    data = nacre.encode(array, sample_rate_hz=RATE)
    assert nacre.info(data).codec == "adaptive-audio"
    back = nacre.decode(data)
    assert back.depth == 16
    assert np.array_equal(back.samples, array)


def test_a_span_is_the_same_part() -> None:
    audio = sound(9000, 1)
    object_ = AdaptiveAudio()
    stream = object_.encode(Audio(audio.samples, 100), AdaptiveAudioSettings(1))
    for first, last in ((0, 0), (0, 1), (4000, 4200), (4096, 9000), (8999, 9000)):
        part = object_.decode_span(stream, first, last)
        assert np.array_equal(part.samples, audio.samples[:, first:last])
    with pytest.raises(InputError, match="9,001"):
        object_.decode_span(stream, 0, 9001)


def test_the_digest_is_checked() -> None:
    stream = AdaptiveAudio().encode(sound(), AdaptiveAudioSettings(1))
    data = bytearray(stream.to_bytes())
    broken = Stream.from_bytes(bytes(data))
    payload = bytearray(broken.payload)
    payload[-1] ^= 1
    sections = tuple(
        type(each)(each.kind, bytes(payload)) if each.data == broken.payload else each
        for each in broken.sections
    )
    with pytest.raises(FormatError, match="MD5"):
        AdaptiveAudio().decode(Stream(11, None, broken.shape, sections))


def test_commands(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    audio = sound()
    source, stream, back = (tmp_path / name for name in ("a.wav", "a.wav.ncr", "back.flac"))
    audio.save(source)
    assert run(["encode", str(source), "--verify", "--effort", "1", "--json"]) == 0
    record = json.loads(capsys.readouterr().out)
    assert record["codec"] == "adaptive-audio"
    assert record["psnr_db"] == "inf"
    assert record["kbps"] == pytest.approx(8 * stream.stat().st_size / 1000 / (5000 / RATE))
    assert run(["decode", str(stream), "-o", str(back)]) == 0
    assert np.array_equal(nacre.load_audio(back).samples, audio.samples)
    assert nacre.load_audio(back).metadata.tags == audio.metadata.tags
    assert run(["info", str(stream)]) == 0
    assert "adaptive-audio (lossless)" in capsys.readouterr().out


def test_floats_come_back_bit_by_bit_from_their_file(tmp_path: Path) -> None:
    floats = sound(600).samples.astype(np.float32) / np.float32(77777.7)
    floats[0, :5] = [np.nan, np.inf, -np.inf, -0.0, 1e-45]
    Audio(floats, RATE, 32, floating=True).save(tmp_path / "a.wav")
    back = nacre.decode(nacre.encode(tmp_path / "a.wav", lossless=True))
    assert back.floating
    assert np.array_equal(back.samples.view(np.uint32), floats.view(np.uint32))


def test_doubles_are_refused_rather_than_rounded(tmp_path: Path) -> None:
    soundfile.write(tmp_path / "a.wav", np.zeros((9, 2)), RATE, subtype="DOUBLE")
    with pytest.raises(InputError, match="64"):
        nacre.encode(tmp_path / "a.wav", lossless=True)


def test_high_rates_and_many_channels(tmp_path: Path) -> None:
    samples = np.random.default_rng(3).integers(-(1 << 23), 1 << 23, (64, 300)).astype(np.int32)
    Audio(samples, 192_000, 24).save(tmp_path / "a.wav")
    assert run(["encode", str(tmp_path / "a.wav"), "--effort", "1", "--verify", "--quiet"]) == 0
    packed = (tmp_path / "a.wav.ncr").stat().st_size
    assert packed <= samples.size * 3 + 80  # noise is kept as it is
    back = nacre.decode(tmp_path / "a.wav.ncr", start=0.001)
    assert back.sample_rate_hz == 192_000
    assert np.array_equal(back.samples, samples[:, 192:])


def test_a_file_that_lies_about_its_length(tmp_path: Path) -> None:
    audio = sound(400)
    audio.save(tmp_path / "a.wav")
    wav = (tmp_path / "a.wav").read_bytes()
    place = wav.index(b"data") + 4
    for length in (0, 7, 399 * 4, 401 * 4, 0x7FFFFFFF, 0xFFFFFFFF):
        lying = wav[:place] + length.to_bytes(4, "little") + wav[place + 4 :]
        try:
            back = nacre.decode(nacre.encode(lying, effort=1))
        except InputError as error:
            assert "\n" not in str(error)
        else:
            found = min(back.length, 400)
            assert np.array_equal(back.samples[:, :found], audio.samples[:, :found])


def test_bad_input_is_one_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    cut = tmp_path / "cut.flac"
    audio = sound(20000)
    audio.save(tmp_path / "a.flac")
    cut.write_bytes((tmp_path / "a.flac").read_bytes()[:9000])
    assert run(["encode", str(cut)]) == 2
    assert "damaged or cut short" in capsys.readouterr().err
    assert not (tmp_path / "cut.flac.ncr").exists()
