"""Recordings from arrays and files and back, bit by bit, and what is refused."""

from __future__ import annotations

import io
import os
import threading
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest
import soundfile

from nacre.errors import InputError, LimitExceeded
from nacre.limits import Limits
from nacre.media.audio import Audio, RawFormat, load_audio, open_audio, open_writer
from nacre.media.audio_metadata import AudioMetadata
from nacre.stream import AudioShape

EXACT = ("wav", "rf64", "w64", "aiff", "flac")


def noise(depth: int, channels: int = 2, samples: int = 1001) -> npt.NDArray[np.int32]:
    """Integers of the whole range, its ends among them, ``[channels, samples]``."""
    low = -(1 << (depth - 1))
    values = np.random.default_rng(depth).integers(low, -low, (channels, samples))
    values[:, :2] = [low, -low - 1]
    return values.astype(np.int32)


def floats(samples: int = 500) -> npt.NDArray[np.float32]:
    """Floats with NaN, infinities, a negative zero and values over full scale, ``[2, samples]``."""
    values = np.random.default_rng(1).standard_normal((2, samples)).astype(np.float32)
    values[0, :4] = [np.nan, np.inf, -np.inf, -0.0]
    return values


def tone(samples: int = 9001, rate_hz: int = 48000) -> npt.NDArray[np.float32]:
    """Two sines, ``[2, samples]``."""
    time = np.arange(samples)[None] / rate_hz
    return (0.4 * np.sin(2 * np.pi * time * [[440.0], [660.0]])).astype(np.float32)


@pytest.mark.parametrize("kind", EXACT)
@pytest.mark.parametrize("depth", [8, 16, 24, 32])
def test_integers_survive_files_and_libsndfile_agrees(
    tmp_path: Path, kind: str, depth: int
) -> None:
    if (kind, depth) == ("flac", 32):
        depth = 24
    for channels in (1, 2, 6):
        audio = Audio(noise(depth, channels), 44100, depth)
        path = tmp_path / f"{channels}.{kind}"
        audio.save(path)
        loaded = load_audio(path)
        assert loaded.shape == audio.shape == AudioShape(1001, channels, 44100, depth)
        assert np.array_equal(loaded.samples, audio.samples)
        assert loaded.notes == ()
        other, rate = soundfile.read(path, dtype="int32", always_2d=True)
        assert np.array_equal(other.T >> (32 - depth), audio.samples)
        assert rate == 44100


@pytest.mark.parametrize("kind", ["wav", "rf64", "w64", "aiff"])
def test_floats_survive_files_bit_by_bit(tmp_path: Path, kind: str) -> None:
    path = tmp_path / f"f.{kind}"
    Audio(floats(), 96000, 32, floating=True).save(path)
    loaded = load_audio(path)
    assert loaded.samples.tobytes() == floats().tobytes()
    assert loaded.shape == AudioShape(500, 2, 96000, 32, True)
    other = soundfile.read(path, dtype="float32")[0].T
    assert np.array_equal(other, floats(), equal_nan=True)


@pytest.mark.parametrize(
    ("form", "subtype"),
    [("WAV", "PCM_U8"), ("WAV", "PCM_24"), ("WAVEX", "PCM_16"), ("WAVEX", "FLOAT"),
     ("RF64", "PCM_32"), ("W64", "PCM_24"), ("AIFF", "PCM_S8"), ("AIFF", "PCM_U8"),
     ("AIFF", "FLOAT"), ("CAF", "PCM_24"), ("AU", "PCM_16"), ("FLAC", "PCM_S8")],
)  # fmt: skip
def test_files_of_libsndfile_are_read(tmp_path: Path, form: str, subtype: str) -> None:
    path = tmp_path / "sound"
    values = noise(32, 3)
    data = tone() if subtype == "FLOAT" else values
    soundfile.write(path, data.T, 22050, format=form, subtype=subtype)
    loaded = load_audio(path)
    if subtype == "FLOAT":
        assert loaded.samples.tobytes() == tone().tobytes()
    else:
        assert np.array_equal(loaded.samples, values >> (32 - loaded.depth))
    assert loaded.sample_rate_hz == 22050


def test_little_endian_aiff_and_compressed_wav(tmp_path: Path) -> None:
    values = noise(16)
    path = tmp_path / "a"
    soundfile.write(path, values.T.astype(np.int16), 8000, "PCM_16", "LITTLE", "AIFF")
    assert np.array_equal(load_audio(path).samples, values)
    soundfile.write(path, values.T.astype(np.int16), 8000, "ULAW", format="WAV")
    loaded = load_audio(path)
    assert loaded.depth == 16
    assert np.array_equal(loaded.samples, soundfile.read(path, dtype="int16")[0].T)
    assert loaded.notes == ("samples are as a decoder of mu-law gives them",)


@pytest.mark.parametrize(
    ("kind", "rate", "error"), [("ogg", 44100, 0.03), ("opus", 48000, 0.1), ("mp3", 44100, 0.05)]
)
def test_lossy_files_keep_the_length(tmp_path: Path, kind: str, rate: int, error: float) -> None:
    for samples in (1, 4000, 30011):
        path = tmp_path / f"{samples}.{kind}"
        Audio(tone(samples), rate, 32, floating=True).save(path)
        loaded = load_audio(path)
        assert loaded.shape == AudioShape(samples, 2, rate, 32, True)
        assert "decoder of" in loaded.notes[0]
        assert np.abs(loaded.samples - tone(samples))[:, 500:].max(initial=0) < error
        whole = soundfile.read(path, dtype="float32", always_2d=True)[0].T
        assert np.array_equal(loaded.samples, whole)
    integers = (tone() * 32767).astype(np.int32)
    Audio(integers, rate).save(tmp_path / f"i.{kind}")
    assert np.abs(load_audio(tmp_path / f"i.{kind}").samples - tone())[:, 500:].max() < error


@pytest.mark.parametrize("kind", [*EXACT, "ogg", "mp3"])
def test_blocks_are_the_whole_in_pieces(tmp_path: Path, kind: str) -> None:
    path = tmp_path / f"a.{kind}"
    Audio((tone(10_000) * 32767).astype(np.int32), 48000).save(path)
    whole = load_audio(path).samples
    with open_audio(path) as reader:
        for size in (1000, 1 << 20, 777):
            blocks = list(reader.blocks(size))
            assert [block.shape[1] for block in blocks[:-1]] == [size] * (len(blocks) - 1)
            assert np.array_equal(np.concatenate(blocks, axis=1), whole)
        with pytest.raises(InputError, match="at least 1"):
            next(reader.blocks(0))


@pytest.mark.parametrize("kind", EXACT)
def test_a_recording_without_samples(tmp_path: Path, kind: str) -> None:
    path = tmp_path / f"a.{kind}"
    tags = AudioMetadata(tags=(("TITLE", "silence"),))
    Audio(np.zeros((2, 0), np.int32), 44100, metadata=tags).save(path)
    loaded = load_audio(path)
    assert loaded.shape == AudioShape(0, 2, 44100)
    assert loaded.metadata == tags
    assert loaded.notes == ()


def test_arrays_and_tensors() -> None:
    torch = pytest.importorskip("torch")
    for dtype, depth in ((np.int8, 8), (np.int16, 16), (np.int32, 32)):
        array = noise(depth).astype(dtype)
        loaded = load_audio(array, sample_rate_hz=8000)
        assert loaded.shape == AudioShape(1001, 2, 8000, depth)
        assert np.array_equal(loaded.numpy(), array)
        tensor = load_audio(torch.from_numpy(array), sample_rate_hz=8000).torch()
        assert np.array_equal(tensor.numpy(), array)
    mono = load_audio(noise(24)[0], sample_rate_hz=8000, depth=24)
    assert mono.shape == AudioShape(1001, 1, 8000, 24)
    assert load_audio(noise(16).astype(">i2"), sample_rate_hz=1).samples.dtype == np.int32
    unsigned = load_audio(np.array([0, 128, 255], np.uint8), sample_rate_hz=8000)
    assert unsigned.samples.tolist() == [[-128, 0, 127]]
    assert load_audio(floats(), sample_rate_hz=8000).floating
    assert np.array_equal(load_audio(mono).samples, mono.samples)


@pytest.mark.parametrize(
    ("array", "message"),
    [
        (np.zeros((2, 3, 4), np.int16), "shape"),
        (np.zeros((1000, 2), np.int16), "channels come first"),
        (np.zeros(5), "float64"),
        (np.zeros(5, np.int64), "int64"),
        (np.zeros(5, np.float16), "float16"),
        (np.zeros(5, bool), "bool"),
    ],
)
def test_arrays_that_are_refused(array: npt.NDArray[np.generic], message: str) -> None:
    with pytest.raises(InputError, match=message):
        load_audio(array, sample_rate_hz=8000)


def test_what_else_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="sample_rate_hz"):
        load_audio(noise(16))
    with pytest.raises(InputError, match="8 bits hold"):
        load_audio(noise(16), sample_rate_hz=8000, depth=8)
    with pytest.raises(InputError, match="list"):
        load_audio([1, 2, 3])  # type: ignore[arg-type]
    with pytest.raises(InputError, match="no such file"):
        load_audio(tmp_path / "none.wav")
    with pytest.raises(InputError, match="folder"):
        load_audio(tmp_path)
    with pytest.raises(InputError, match="empty"):
        load_audio(b"")
    with pytest.raises(InputError, match="PNG"):
        load_audio(b"\x89PNG\r\n\x1a\n" + bytes(30))
    with pytest.raises(InputError, match="nacre decode"):
        load_audio(b"\x81N\r\n" + bytes(30))
    with pytest.raises(InputError, match="raw samples"):
        load_audio(b"hello, this is a text")
    with pytest.raises(InputError, match="binary"):
        load_audio(io.StringIO("text"))  # type: ignore[arg-type]
    with pytest.raises(InputError, match="0 channels"):
        Audio(np.zeros((0, 5), np.int32), 8000)
    with pytest.raises(InputError, match="sample rate of 0"):
        Audio(np.zeros((1, 5), np.int32), 0)
    with pytest.raises(InputError, match="float32 is expected"):
        Audio(noise(16), 8000, 32, floating=True)
    with pytest.raises(InputError, match="tags, pictures, cues"):
        load_audio(noise(16), sample_rate_hz=8000, strip=("exif",))


def test_limits_are_checked_before_samples_are_read(tmp_path: Path) -> None:
    few = Limits(samples=2001)
    for kind in (*EXACT, "ogg"):
        path = tmp_path / f"a.{kind}"
        Audio(noise(16), 44100).save(path)
        with pytest.raises(LimitExceeded, match="2,002 samples"):
            open_audio(path, limits=few)
        open_audio(path, limits=Limits(samples=2002)).close()
    with pytest.raises(LimitExceeded):
        load_audio(noise(16), sample_rate_hz=1, limits=few)
    with pytest.raises(LimitExceeded):
        load_audio(load_audio(noise(16), sample_rate_hz=1), limits=few)
    raw = RawFormat(8000, 2)
    with pytest.raises(LimitExceeded):
        load_audio(bytes(8008), limits=few, raw=raw)


@pytest.mark.parametrize("endian", ["little", "big"])
@pytest.mark.parametrize("kind", ["signed", "unsigned", "float"])
@pytest.mark.parametrize("depth", [8, 16, 24, 32])
def test_raw_samples(tmp_path: Path, depth: int, kind: str, endian: str) -> None:
    if kind == "float" and depth != 32:
        with pytest.raises(InputError, match="floats of"):
            RawFormat(8000, 2, depth, "float")
        return
    form = RawFormat(8000, 2, depth, kind, endian)  # type: ignore[arg-type]
    samples = floats() if kind == "float" else noise(depth)
    shape = AudioShape(samples.shape[1], 2, 8000, depth, kind == "float")
    path = tmp_path / "a.raw"
    with open_writer(path, shape, AudioMetadata(), raw=form) as writer:
        writer.write(samples)
    assert load_audio(path, raw=form).samples.tobytes() == samples.tobytes()
    # The same by Python's own integers.
    if kind != "float":
        data = path.read_bytes()
        width = depth // 8
        numbers = [
            int.from_bytes(data[i : i + width], endian, signed=kind == "signed")  # type: ignore[arg-type]
            for i in range(0, len(data), width)
        ]
        middle = 1 << (depth - 1) if kind == "unsigned" else 0
        assert (np.array(numbers) - middle).tolist() == samples.T.reshape(-1).tolist()
    if len(path.read_bytes()) % 3:
        with pytest.raises(InputError, match="whole number of frames"):
            load_audio(path, raw=RawFormat(8000, 3, 8))


def test_pipes_and_file_objects(tmp_path: Path) -> None:
    path = tmp_path / "a.flac"
    audio = Audio(noise(16), 44100)
    audio.save(path)
    assert np.array_equal(load_audio(io.BytesIO(path.read_bytes())).samples, audio.samples)
    with path.open("rb") as file:
        assert np.array_equal(load_audio(file).samples, audio.samples)
    ahead = io.BytesIO(b"prefix" + path.read_bytes())
    ahead.seek(6)
    assert np.array_equal(load_audio(ahead).samples, audio.samples)

    reading, writing = os.pipe()

    def send() -> None:
        with open(writing, "wb") as pipe:  # noqa: PTH123 - a descriptor
            pipe.write(path.read_bytes())

    sender = threading.Thread(target=send)
    sender.start()
    with open(reading, "rb") as pipe:  # noqa: PTH123 - a descriptor
        assert np.array_equal(load_audio(pipe).samples, audio.samples)
    sender.join()


@pytest.mark.parametrize("kind", ["wav", "w64", "aiff", "raw", "flac", "vorbis", "opus", "mp3"])
def test_writing_to_a_stream_that_cannot_seek(tmp_path: Path, kind: str) -> None:
    samples = (tone(5000) * 32767).astype(np.int32)
    shape = AudioShape(5000, 2, 48000)
    tags = AudioMetadata(tags=(("TITLE", "pearl"),))

    class Pipe(io.RawIOBase):
        def __init__(self) -> None:
            self.data = bytearray()

        def writable(self) -> bool:
            return True

        def write(self, data: bytes) -> int:  # type: ignore[override]
            self.data += data
            return len(data)

    pipe = Pipe()
    with open_writer(pipe, shape, tags, kind=kind) as writer:  # type: ignore[arg-type]
        writer.write(samples[:, :1234])
        writer.write(samples[:, 1234:])
    assert not pipe.closed
    raw = RawFormat(48000, 2) if kind == "raw" else None
    loaded = load_audio(bytes(pipe.data), raw=raw)
    assert loaded.length == 5000
    assert loaded.metadata.tags == (() if kind == "raw" else tags.tags)
    if kind in ("wav", "w64", "aiff", "raw", "flac"):
        assert np.array_equal(loaded.samples, samples)


def test_files_appear_whole_or_not_at_all(tmp_path: Path) -> None:
    shape = AudioShape(1001, 2, 44100)
    for kind in ("wav", "flac", "ogg"):
        path = tmp_path / f"a.{kind}"
        with pytest.raises(ZeroDivisionError), open_writer(path, shape, AudioMetadata()) as writer:
            writer.write(noise(16)[:, :500])
            raise ZeroDivisionError
        with (
            pytest.raises(InputError, match="500 samples were written, 1,001"),
            open_writer(path, shape, AudioMetadata()) as writer,
        ):
            writer.write(noise(16)[:, :500])
        with (
            pytest.raises(InputError, match="1,002 samples"),
            open_writer(path, shape, AudioMetadata()) as writer,
        ):
            writer.write(np.zeros((2, 1002), np.int32))
        assert list(tmp_path.iterdir()) == []
    path = tmp_path / "a.wav"
    path.write_bytes(b"precious")
    with pytest.raises(InputError, match="--force"):
        Audio(noise(16), 44100).save(path)
    assert path.read_bytes() == b"precious"
    Audio(noise(16), 44100).save(path, force=True)
    assert load_audio(path).length == 1001
    assert list(tmp_path.iterdir()) == [path]
    with pytest.raises(InputError, match="cannot write"):
        Audio(noise(16), 44100).save(tmp_path / "none" / "a.wav")
    with pytest.raises(InputError, match="folder"):
        open_writer(tmp_path, shape, AudioMetadata(), kind="wav", force=True)


@pytest.mark.parametrize(
    ("name", "audio", "message"),
    [
        ("a.flac", Audio(noise(32), 44100, 32), "32 bits"),
        ("a.flac", Audio(floats(), 44100, 32, floating=True), "floats"),
        ("a.flac", Audio(noise(16, 9), 44100), "8 channels"),
        ("a.flac", Audio(noise(16), 655_351), "655351 Hz"),
        ("a.opus", Audio(noise(16), 44100), "44100 Hz"),
        ("a.mp3", Audio(noise(16, 3), 44100), "2 channels"),
        ("a.mp3", Audio(noise(16, 2, 2)[:, :0], 44100), "without samples"),
        ("a.ogg", Audio(floats(), 44100, 32, floating=True), "NaN"),
        ("a.xyz", Audio(noise(16), 44100), "not known"),
        ("a", Audio(noise(16), 44100), "not known"),
    ],
)
def test_files_that_cannot_hold_a_recording(
    tmp_path: Path, name: str, audio: Audio, message: str
) -> None:
    with pytest.raises(InputError, match=message):
        audio.save(tmp_path / name)
    assert list(tmp_path.iterdir()) == []


def test_blocks_that_a_writer_refuses(tmp_path: Path) -> None:
    shape = AudioShape(1001, 2, 44100)
    with pytest.raises(InputError), open_writer(tmp_path / "a.wav", shape, AudioMetadata()) as out:
        with pytest.raises(InputError, match="channels first"):
            out.write(noise(16, 3))
        with pytest.raises(InputError, match="int32 is expected"):
            out.write(floats())
        with pytest.raises(InputError, match="16 bits hold"):
            out.write(noise(24))


def test_many_channels_and_high_rates(tmp_path: Path) -> None:
    audio = Audio(noise(24, 64), 192_000, 24)
    audio.save(tmp_path / "a.wav")
    loaded = load_audio(tmp_path / "a.wav")
    assert loaded.shape == audio.shape
    assert np.array_equal(loaded.samples, audio.samples)


def test_real_recordings(shared_data: Path, tmp_path: Path) -> None:
    paths = sorted((shared_data / "eval" / "sounds_sonicpi").glob("*.flac"))[:6]
    assert paths
    for path in paths:
        loaded = load_audio(path)
        other = soundfile.read(path, dtype="int16", always_2d=True)[0].T
        assert np.array_equal(loaded.samples, other)
        loaded.save(tmp_path / "copy.flac", force=True)
        assert np.array_equal(load_audio(tmp_path / "copy.flac").samples, other)
