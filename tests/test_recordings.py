"""Sound piece by piece: parts of it, damage that stays where it is, pipes still written to."""

from __future__ import annotations

import io
import itertools
import json
import os
import subprocess
import sys
import threading
import tracemalloc
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import PIL.Image
import pytest
from hypothesis import given
from hypothesis import strategies as st

import nacre
from nacre.cli import run
from nacre.codecs.adaptive_audio import AdaptiveAudio, AdaptiveAudioSettings
from nacre.errors import ChecksumMismatch, FormatError, InputError, Truncated
from nacre.media.audio import Audio, AudioMetadata, RawFormat, open_audio
from nacre.recordings import Recording, encode_recording, span_of
from nacre.stream import (
    AudioShape,
    OpenStream,
    PipeSource,
    Section,
    SectionKind,
    Stream,
    open_stream,
)

RATE = 100
"""So low that frames are as short as they can be: 4,096 samples."""
FRAME = 4096

Capture = pytest.CaptureFixture[str]


def waves(length: int, channels: int = 2) -> npt.NDArray[np.int32]:
    t = np.arange(length) / 3000
    rows = [np.sin(2 * np.pi * (20 + c) * t) * 9000 for c in range(channels)]
    noise = np.random.default_rng(1).integers(-20, 20, (channels, length))
    return (np.rint(rows) + noise).astype(np.int32)


SAMPLES = waves(5 * FRAME + 700)
CUES = ((3, "a"), (FRAME + 10, "b"), (5 * FRAME, "c"))
SOUND = Audio(SAMPLES, RATE, metadata=AudioMetadata(tags=(("TITLE", "Waves"),), cues=CUES))
DATA = nacre.encode(SOUND, lossless=True, effort=1)


@pytest.fixture
def files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with ``song.wav`` and ``song.ncr``, which is worked in."""
    monkeypatch.chdir(tmp_path)
    SOUND.save("song.wav")
    Path("song.ncr").write_bytes(DATA)
    return tmp_path


def frame_places() -> list[tuple[int, int]]:
    """First byte and end of each frame of DATA."""
    from nacre.entropy.audio.payload import open_payload

    stream = open_stream(DATA)
    assert isinstance(stream.shape, AudioShape)
    start = DATA.index(stream.payload)
    offsets = [start + each for each in open_payload(stream.body, stream.shape).offsets]
    return list(itertools.pairwise(offsets))


def with_damage(*frames: int) -> bytes:
    """DATA with a byte of some frames changed, the section's checksum as it was."""
    broken = bytearray(DATA)
    for index in frames:
        first, end = frame_places()[index]
        broken[(first + end) // 2] ^= 0x40
    return bytes(broken)


# ---- parts ----


@pytest.mark.parametrize(
    ("start", "stop", "first", "last"),
    [
        (None, None, 0, SAMPLES.shape[1]),
        (0.0, 0.01, 0, 1),
        (12.5, 15.504, 1250, 1550),
        (40.96, 81.92, FRAME, 2 * FRAME),
        (40.95, 81.93, FRAME - 1, 2 * FRAME + 1),
        (200.0, None, 20000, SAMPLES.shape[1]),
        (None, 1e9, 0, SAMPLES.shape[1]),
        (7.0, 7.0, 700, 700),
        (211.8, 300.0, SAMPLES.shape[1], SAMPLES.shape[1]),
    ],
)
def test_a_part_is_exact_to_the_sample(
    start: float | None, stop: float | None, first: int, last: int
) -> None:
    part = nacre.decode(DATA, start=start, stop=stop)
    assert np.array_equal(part.samples, SAMPLES[:, first:last])
    assert part.metadata.tags == SOUND.metadata.tags
    whole = last - first == SAMPLES.shape[1]
    inside = CUES if whole else tuple((p - first, n) for p, n in CUES if first <= p < last)
    assert part.metadata.cues == inside


@pytest.mark.parametrize(
    ("start", "stop", "message"),
    [
        (-1.0, None, "start is -1"),
        (float("nan"), None, "start is nan"),
        (0.0, float("inf"), "stop is inf"),
        (211.81, None, "behind the end, the recording has 211.8"),
        (2.0, 1.0, "before start"),
    ],
)
def test_parts_that_are_none(start: float | None, stop: float | None, message: str) -> None:
    with pytest.raises(InputError, match=message):
        nacre.decode(DATA, start=start, stop=stop)


@given(st.integers(1, 400_000), st.integers(0, 1 << 30))
def test_neighbouring_parts_leave_nothing_out(rate: int, milliseconds: int) -> None:
    shape = AudioShape(1 << 40, 1, rate)
    seconds = milliseconds / 1000
    assert span_of(shape, 0.0, seconds)[1] == span_of(shape, seconds, None)[0]


def test_only_the_frames_that_are_needed_are_read() -> None:
    broken = with_damage(0, 1, 3, 4, 5)
    part = nacre.decode(broken, start=2 * FRAME / RATE, stop=3 * FRAME / RATE)
    assert np.array_equal(part.samples, SAMPLES[:, 2 * FRAME : 3 * FRAME])
    with pytest.raises(ChecksumMismatch, match="frame 3"):
        nacre.decode(broken, start=2 * FRAME / RATE, stop=3 * FRAME / RATE + 0.01)


class Plain:
    """A codec of another package that knows only how to decode all."""

    name, number, medium, lossless = "plain", 64, "audio", True
    models, settings = (), AdaptiveAudioSettings

    def encode(self, item: Audio, settings: AdaptiveAudioSettings) -> Stream:
        return AdaptiveAudio().encode(item, settings)

    def decode(self, stream: Stream, *, region: Any = None) -> Audio:
        return AdaptiveAudio().decode(stream, region=region)


def test_codecs_that_know_no_pieces_are_cut_too() -> None:
    with open_audio(SOUND) as reader:
        stream = encode_recording(Plain(), reader, AdaptiveAudioSettings(1))
    assert stream.to_stream().to_bytes() == DATA
    with Recording(stream, Plain(), start=12.5, stop=15.5) as recording:
        assert np.array_equal(recording.audio().samples, SAMPLES[:, 1250:1550])


def test_pictures_have_no_seconds() -> None:
    picture = nacre.encode(np.zeros((3, 3), np.uint8), lossless=True)
    for options in ({"start": 1.0}, {"allow_partial": True}):
        with pytest.raises(InputError, match="for recordings"):
            nacre.decode(picture, **options)


def test_a_part_is_saved_piece_by_piece(tmp_path: Path) -> None:
    with nacre.open_recording(DATA, start=10.0) as recording:
        assert recording.save(tmp_path / "part.flac") == ()
        with pytest.raises(InputError, match="exists"):
            recording.save(tmp_path / "part.flac")
    back = nacre.load_audio(tmp_path / "part.flac")
    assert np.array_equal(back.samples, SAMPLES[:, 1000:])
    assert back.metadata.cues == ((FRAME - 990, "b"), (5 * FRAME - 1000, "c"))


# ---- damage ----


def test_a_damaged_frame_is_silence_and_the_rest_is_there() -> None:
    with pytest.raises(ChecksumMismatch, match=r"frame 1 of 6.*--allow-partial"):
        nacre.decode(with_damage(1))
    back = nacre.decode(with_damage(1, 3, 4), allow_partial=True)
    expected = SAMPLES.copy()
    for index in (1, 3, 4):
        expected[:, index * FRAME : (index + 1) * FRAME] = 0
    assert np.array_equal(back.samples, expected)
    assert back.metadata == SOUND.metadata
    assert [note.partition(":")[0] for note in back.notes] == [
        "silence from 40.960 s to 81.920 s",
        "silence from 122.880 s to 204.800 s",
    ]


def test_sound_that_is_whole_is_the_same_when_parts_are_allowed() -> None:
    back = nacre.decode(DATA, allow_partial=True)
    assert np.array_equal(back.samples, SAMPLES)
    assert back.notes == ()


@pytest.mark.parametrize("pipe", [False, True])
def test_every_truncation_keeps_the_frames_before_it(pipe: bool) -> None:
    places = frame_places()
    for length in (places[0][0], places[0][1] - 1, *(end for _, end in places[2:]), len(DATA) - 1):
        cut: Any = DATA[:length]
        with pytest.raises(Truncated):
            nacre.decode(cut)
        with nacre.open_recording(Pipe(cut) if pipe else cut, allow_partial=True) as recording:
            back = recording.audio()
        whole = sum(end <= length for _, end in places)
        assert np.array_equal(back.samples[:, : whole * FRAME], SAMPLES[:, : whole * FRAME])
        assert not back.samples[:, whole * FRAME :].any()
        assert len(recording.damaged) == (6 - whole or 1)  # or the digest behind them


def test_damaged_metadata_is_left_out_and_noted() -> None:
    for kind in (SectionKind.TAGS, SectionKind.SOUND):
        stream = Stream.from_bytes(DATA)
        place = DATA.index(stream.section(kind)) + 1
        broken = DATA[:place] + bytes([DATA[place] ^ 1]) + DATA[place + 1 :]
        with pytest.raises(ChecksumMismatch):
            nacre.decode(broken)
        back = nacre.decode(broken, allow_partial=True)
        assert np.array_equal(back.samples, SAMPLES)
        assert kind.name in back.notes[0]


def test_what_only_the_whole_shows_is_reported() -> None:
    _, end = frame_places()[-1]
    for place, message in ((end, "MD5"), (len(DATA) - 1, "PAYLOAD")):
        broken = DATA[:place] + bytes([DATA[place] ^ 1]) + DATA[place + 1 :]
        with pytest.raises(ChecksumMismatch, match=message):
            nacre.decode(broken)
        back = nacre.decode(broken, allow_partial=True)
        assert np.array_equal(back.samples, SAMPLES)
        assert back.notes[0].startswith("damaged: ")


def test_what_leads_to_the_frames_must_be_whole() -> None:
    first, _ = frame_places()[0]
    for place in (5, 10, first - 1):
        broken = DATA[:place] + bytes([DATA[place] ^ 1]) + DATA[place + 1 :]
        with pytest.raises(FormatError):
            nacre.decode(broken, allow_partial=True)


def test_bytes_behind_the_end_are_refused_unless_parts_are_allowed() -> None:
    for source in (DATA + b"x", Pipe(DATA + b"x")):
        with (
            pytest.raises(FormatError, match="follow the end"),
            nacre.open_recording(source) as recording,
        ):
            recording.audio()
    assert np.array_equal(nacre.decode(DATA + b"x", allow_partial=True).samples, SAMPLES)


@given(st.integers(0, len(DATA) - 1), st.integers(1, 255))
def test_a_changed_byte_never_goes_unseen(place: int, change: int) -> None:
    broken = DATA[:place] + bytes([DATA[place] ^ change]) + DATA[place + 1 :]
    with pytest.raises(FormatError), nacre.open_recording(Pipe(broken)) as recording:
        recording.audio()


# ---- pipes ----


class Pipe(io.RawIOBase):
    """Gives bytes in small and uneven pieces, once."""

    def __init__(self, data: bytes) -> None:
        self._data, self.place = data, 0

    def readable(self) -> bool:
        return True

    def read(self, count: int = -1) -> bytes:
        most = len(self._data) if count < 0 else min(count, 1 + self.place % 5000)
        piece = self._data[self.place : self.place + most]
        self.place += len(piece)
        return piece


def test_a_pipe_gives_what_a_file_gives() -> None:
    for start, stop in ((None, None), (50.0, 130.0)):
        with nacre.open_recording(Pipe(DATA), start=start, stop=stop) as recording:
            audio = recording.audio()
        assert np.array_equal(audio.samples, nacre.decode(DATA, start=start, stop=stop).samples)


def test_a_piece_is_there_before_the_next_is_sent(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OMP_NUM_THREADS", "1")  # several threads read ahead
    pipe = Pipe(DATA)
    places = frame_places()
    with nacre.open_recording(pipe) as recording:
        for index, _ in enumerate(recording.blocks()):
            assert pipe.place <= max(places[index][1], 2048 + 5000)


def test_a_pipe_is_read_once_and_forward() -> None:
    with nacre.open_recording(Pipe(DATA)) as recording:
        recording.audio()
        with pytest.raises(InputError, match="cannot be read again"):
            recording.audio()


def test_sections_behind_the_payload_are_found_in_pipes_too() -> None:
    stream = Stream.from_bytes(DATA)
    turned = Stream(11, None, stream.shape, stream.sections[::-1]).to_bytes()
    for source in (turned, Pipe(turned)):
        with nacre.open_recording(source) as recording:
            assert recording.metadata == SOUND.metadata
            assert np.array_equal(recording.audio().samples, SAMPLES)


@given(st.lists(st.tuples(st.integers(0, 300), st.integers(0, 80)), max_size=20))
def test_a_pipe_is_read_like_bytes(reads: list[tuple[int, int]]) -> None:
    data = bytes(range(256))
    pipe = PipeSource(Pipe(data))
    for offset, count in sorted(reads):
        assert pipe.read_at(offset, count) == data[offset : offset + count]


def test_pipes_are_encoded_whatever_they_bring(files: Path) -> None:
    png = io.BytesIO()
    PIL.Image.fromarray(np.arange(48, dtype=np.uint8).reshape(4, 4, 3)).save(png, "PNG")
    for name, content in (("s", Path("song.wav").read_bytes()), ("p", png.getvalue())):
        size = nacre.encode_file(Pipe(content), name, lossless=True)
        assert Path(name).read_bytes() == nacre.encode(content, lossless=True)
        assert size == Path(name).stat().st_size
    with pytest.raises(InputError, match="exists"):
        nacre.encode_file("song.wav", "s")
    out = io.BytesIO()
    nacre.encode_file("song.wav", out, effort=1)
    assert out.getvalue() == DATA
    nacre.encode_file("song.wav", "bare", effort=1, strip="cues, tags")
    assert nacre.decode("bare").metadata == AudioMetadata()


def test_open_streams_are_written_as_streams_are() -> None:
    out = io.BytesIO()
    with open_stream(DATA) as stream:
        assert stream.write_to(out) == len(DATA)
        assert stream.to_stream() == Stream.from_bytes(DATA)
    assert out.getvalue() == DATA
    assert OpenStream.of(Stream.from_bytes(DATA)).payload == Stream.from_bytes(DATA).payload


def call(arguments: list[str], data: bytes) -> bytes:
    """Standard output of ``nacre`` in a process of its own."""
    result = subprocess.run(
        [sys.executable, "-m", "nacre", *arguments], input=data, capture_output=True, check=True
    )
    return result.stdout


def test_wav_of_unknown_length_through_pipes(files: Path) -> None:
    wav = Path("song.wav").read_bytes()
    unknown = wav[:4] + b"\xff" * 4 + wav[8:]
    place = unknown.index(b"data") + 4
    cut = unknown[:place] + b"\xff" * 4 + unknown[place + 4 : place + 4 + 4 * SAMPLES.shape[1]]
    data = call(["encode", "-", "--lossless", "--effort", "1"], cut)
    assert np.array_equal(nacre.decode(data).samples, SAMPLES)


def test_output_begins_while_input_is_still_written(files: Path) -> None:
    command = [sys.executable, "-m", "nacre", "decode", "-", "--raw", "s16le"]
    _, end = frame_places()[1]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        killer = threading.Timer(60, process.kill)
        killer.start()
        process.stdin.write(DATA[:end])
        process.stdin.flush()
        begun = process.stdout.read(4 * FRAME)  # the rest of the input has not been sent
        process.stdin.write(DATA[end:])
        process.stdin.close()
        rest = process.stdout.read()
        killer.cancel()
    assert process.returncode == 0
    assert begun + rest == SAMPLES.T.astype("<i2").tobytes()


def test_what_a_pipe_declares_takes_no_memory() -> None:
    stream = Stream.from_bytes(DATA)
    sections = (Section(SectionKind.TAGS, bytes(3 << 20)), Section(SectionKind.PAYLOAD, b"abc"))
    long = Stream(11, None, stream.shape, sections).to_bytes()
    for source in (long[:500], Pipe(long[:500])):
        tracemalloc.start()
        with pytest.raises(Truncated):
            nacre.open_recording(source)
        _, peak = tracemalloc.get_traced_memory()
        tracemalloc.stop()
        assert peak < 3 << 19


# ---- the command line ----


def test_from_and_to(files: Path, capsys: Capture) -> None:
    assert run(["decode", "song.ncr", "-o", "part.wav", "--from", "12.5", "--to", "15.5"]) == 0
    assert np.array_equal(nacre.load_audio("part.wav").samples, SAMPLES[:, 1250:1550])
    assert "3.00 s, 2 channels" in capsys.readouterr().err
    assert run(["decode", "song.ncr", "-o", "b.wav", "--from", "300"]) == 2
    assert "behind the end" in capsys.readouterr().err
    assert not Path("b.wav").exists()


def test_partial_decoding_reports_what_is_missing(files: Path, capsys: Capture) -> None:
    Path("bad.ncr").write_bytes(with_damage(2)[:-100])
    assert run(["decode", "bad.ncr", "-o", "back.wav"]) == 1
    assert not Path("back.wav").exists()
    assert list(files.glob(".*")) == []
    arguments = ["decode", "bad.ncr", "-o", "back.wav", "--allow-partial", "--json", "--quiet"]
    capsys.readouterr()
    assert run(arguments) == 0
    told = capsys.readouterr()
    assert json.loads(told.out)["damaged"][0] == [81.92, 122.88]
    assert "nacre: bad.ncr: silence from 81.920 s to 122.880 s" in told.err
    back = nacre.load_audio("back.wav").samples
    assert back.shape == SAMPLES.shape
    assert np.array_equal(back[:, : 2 * FRAME], SAMPLES[:, : 2 * FRAME])


def test_lossy_sound_is_cut_and_mended_too(files: Path, capsys: Capture) -> None:
    speech = np.tile(waves(8000, 1), 25)
    Audio(speech, 16000).save("speech.wav")
    flags = ["--codec", "walloc-speech", "--kbps", "8", "--noise", "0.2"]
    assert run(["encode", "speech.wav", "-o", "a.ncr", *flags]) == 0
    whole = nacre.decode("a.ncr")
    assert np.abs(whole.samples - speech).mean() < 300
    assert run(["decode", "a.ncr", "-o", "part.wav", "--from", "9.9", "--to", "10.1"]) == 0
    assert np.array_equal(nacre.load_audio("part.wav").samples, whole.samples[:, 158400:161600])
    Path("cut.ncr").write_bytes(Path("a.ncr").read_bytes()[:-9])
    assert run(["decode", "cut.ncr", "-o", "cut.wav", "--allow-partial"]) == 0
    assert "cut.ncr: silence from 10.000 s to 12.500 s" in capsys.readouterr().err
    mended = nacre.load_audio("cut.wav").samples
    assert np.array_equal(mended[:, :159000], whole.samples[:, :159000])
    assert not mended[:, 161000:].any()
    with nacre.open_recording(Pipe(Path("a.ncr").read_bytes())) as recording:
        assert np.array_equal(recording.audio().samples, whole.samples)
    assert run(["encode", "speech.wav", "-o", "b.ncr", "--kbps", "8"]) == 2
    assert "walloc-speech" in capsys.readouterr().err
    assert run(["info", "a.ncr"]) == 0
    assert "160,000 samples (10,000 ms)" in capsys.readouterr().out


def test_flags_for_sound_are_refused_with_pictures(files: Path, capsys: Capture) -> None:
    Path("a.ncr").write_bytes(nacre.encode(np.zeros((3, 3), np.uint8), lossless=True))
    for flags in (["--from", "1"], ["--allow-partial"], ["--raw", "s16le"]):
        assert run(["decode", "a.ncr", "-o", "a.png", *flags]) == 2
        assert "for sound" in capsys.readouterr().err
    assert run(["decode", "song.ncr", "-o", "a.wav", "--region", "1,1,1,1"]) == 2
    for flags in (["--target-psnr", "30"], ["--target-size", "500"], ["--textures", "lossy"]):
        assert run(["encode", "song.wav", "-o", "x.ncr", "--codec", "adaptive-audio", *flags]) == 2


@pytest.mark.parametrize(
    ("name", "form"),
    [
        ("s16le", RawFormat(RATE, 2, 16)),
        ("s16be", RawFormat(RATE, 2, 16, "signed", "big")),
        ("U16", RawFormat(RATE, 2, 16, "unsigned")),
    ],
)
def test_raw_samples_there_and_back(files: Path, name: str, form: RawFormat) -> None:
    assert run(["decode", "song.ncr", "-o", "song.raw", "--raw", name]) == 0
    with open_audio("song.raw", raw=form) as reader:
        assert np.array_equal(np.concatenate(list(reader.blocks()), axis=1), SAMPLES)
    flags = ["--raw", name, "--rate", str(RATE), "--channels", "2", "--effort", "1"]
    assert run(["encode", "song.raw", "-o", "again.ncr", "--lossless", *flags, "--verify"]) == 0
    again = nacre.decode("again.ncr")
    assert again.shape == SOUND.shape
    assert np.array_equal(again.samples, SAMPLES)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["encode", "song.wav", "--raw", "s16le", "-o", "x"], "--rate"),
        (["encode", "song.wav", "--raw", "s17le", "--rate", "8", "-o", "x"], "not understood"),
        (["encode", "song.wav", "--raw", "f16", "--rate", "8", "-o", "x"], "16"),
        (["decode", "song.ncr", "--raw", "s24le", "-o", "x"], "the recording has 2 channels"),
        (["decode", "song.ncr", "--raw", "s16le"], "needs -o"),
    ],
)
def test_raw_formats_that_do_not_fit(
    files: Path, arguments: list[str], message: str, capsys: Capture
) -> None:
    assert run(arguments) == 2
    assert message in capsys.readouterr().err


def test_threads_never_change_bytes(files: Path) -> None:
    before = os.environ["OMP_NUM_THREADS"]
    try:
        assert run(["encode", "song.wav", "-o", "a.ncr", "--effort", "1", "--jobs", "3"]) == 0
        assert run(["decode", "a.ncr", "-o", "a.wav", "--threads", "2"]) == 0
    finally:
        os.environ["OMP_NUM_THREADS"] = before
    assert Path("a.ncr").read_bytes() == DATA
    assert Path("a.wav").read_bytes() == Path("song.wav").read_bytes()


def test_info_tells_seek_points_and_latency(files: Path, capsys: Capture) -> None:
    details = nacre.info("song.ncr").details
    assert details["frames"] == "6 of up to 4,096 samples; decoding can start at each"
    assert details["latency"] == "4,096 samples (40,960 ms)"
    short = nacre.encode(np.zeros(300, np.int16), sample_rate_hz=48000, lossless=True)
    assert nacre.info(short).details["latency"] == "300 samples (6 ms)"
    assert run(["info", "song.ncr"]) == 0
    assert "latency         4,096 samples" in capsys.readouterr().out


def test_verify_compares_piece_by_piece(files: Path) -> None:
    assert nacre.verify("song.ncr", original="song.wav").equal is True
    assert nacre.verify(DATA, original=SOUND).equal is True
    assert nacre.verify(io.BytesIO(DATA)).ok
    changed = SAMPLES.copy()
    changed[1, -1] += 1
    report = nacre.verify("song.ncr", original=Audio(changed, RATE))
    assert (report.ok, report.equal) == (False, False)
    expected = 10 * np.log10(SAMPLES.size * 2.0**30)
    assert report.psnr_db == pytest.approx(expected, abs=1e-3)
    shorter = nacre.verify("song.ncr", original=Audio(SAMPLES[:, :-1].copy(), RATE))
    assert (shorter.ok, shorter.equal, shorter.psnr_db) == (False, False, None)
    Path("bad.ncr").write_bytes(with_damage(4))
    assert "frame 4" in (nacre.verify("bad.ncr").problem or "")
    assert not nacre.verify(DATA[:-1]).ok


# ---- memory ----


def test_files_are_encoded_and_decoded_in_little_memory(tmp_path: Path) -> None:
    length = 100 * FRAME

    def pieces() -> Iterator[bytes]:
        random = np.random.default_rng(5)
        for _ in range(100):
            yield random.integers(-9, 9, (FRAME, 8), np.int32).astype("<i4").tobytes()

    with (tmp_path / "a.raw").open("wb") as file:
        file.writelines(pieces())
    form = RawFormat(RATE, 8, 32)
    nacre.decode(nacre.encode(SOUND))  # imports and compiles
    tracemalloc.start()
    with open_audio(tmp_path / "a.raw", raw=form) as reader:
        size = nacre.encode_file(reader, tmp_path / "a.ncr", effort=1)
    with nacre.open_recording(tmp_path / "a.ncr") as recording:
        crc = count = 0
        for block in recording.blocks():
            crc = zlib.crc32(block.T.astype("<i4").tobytes(), crc)
            count += block.shape[1]
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert count == length
    assert crc == zlib.crc32((tmp_path / "a.raw").read_bytes())
    assert size == (tmp_path / "a.ncr").stat().st_size
    assert peak < 4 * length * 8 / 2  # half of the samples; most is the spool's 16 MiB
