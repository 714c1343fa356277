"""Files that lie about their length, are cut short or damaged, or are larger than 4 GiB."""

from __future__ import annotations

import struct
import tracemalloc
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest
import soundfile

from nacre.errors import InputError, LimitExceeded
from nacre.limits import Limits
from nacre.media.audio import Audio, load_audio, open_audio
from nacre.media.audio_kinds import kind_of_audio
from nacre.media.audio_metadata import AudioMetadata
from nacre.media.audio_ogg import checksum
from nacre.media.audio_riff_write import wav_parts
from nacre.stream import AudioShape

METADATA = AudioMetadata(
    tags=(("TITLE", "Perle 螺"), ("ARTIST", "one"), ("ARTIST", "two"), ("mood", "calm")),
    pictures=(("image/png", 3, "cover", b"\x89PNG" + bytes(range(200))),),
    cues=((5, "start"), (77, "")),
    channel_mask=3,
)


def sound(samples: int = 1000) -> npt.NDArray[np.int32]:
    """A tone of 16 bits, ``[2, samples]``."""
    phase = np.arange(samples)[None] * [[0.05], [0.03]]
    return (20000 * np.sin(phase)).astype(np.int32)


def file_of(path: Path, samples: int = 1000, metadata: AudioMetadata = AudioMetadata()) -> bytes:  # noqa: B008
    """The bytes of an audio file, its kind by the extension."""
    Audio(sound(samples), 48000, metadata=metadata).save(path, force=True)
    return path.read_bytes()


def wav(data: bytes, *, data_bytes: int, riff_bytes: int, after: bytes = b"") -> bytes:
    """A WAV file of 16-bit stereo with the lengths that the header is to have."""
    form = struct.pack("<4sIHHIIHH", b"fmt ", 16, 1, 2, 44100, 176400, 4, 16)
    head = b"RIFF" + struct.pack("<I", riff_bytes) + b"WAVE" + form
    return head + b"data" + struct.pack("<I", data_bytes) + data + after


@pytest.mark.parametrize("wrong", [0, 0xFFFFFFFF, 0x7FFFF000, 5000])
def test_wav_lengths_that_cannot_be_true(wrong: int) -> None:
    frames = sound().T.astype("<i2").tobytes()
    loaded = load_audio(wav(frames, data_bytes=wrong, riff_bytes=min(wrong + 36, 0xFFFFFFFF)))
    assert np.array_equal(loaded.samples, sound())
    assert "to the end of the file" in loaded.notes[0]


def test_a_wav_file_that_ends_within_a_frame() -> None:
    frames = sound().T.astype("<i2").tobytes() + b"\1\2\3"
    loaded = load_audio(wav(frames, data_bytes=len(frames), riff_bytes=36 + len(frames)))
    assert np.array_equal(loaded.samples, sound())
    assert "last 3 bytes" in loaded.notes[0]


def test_a_wav_file_of_no_samples_with_text_behind_them() -> None:
    text = b"LIST" + struct.pack("<I4s4sI", 16, b"INFO", b"INAM", 4) + b"abc\0"
    loaded = load_audio(wav(b"", data_bytes=0, riff_bytes=36 + len(text), after=text))
    assert loaded.length == 0
    assert loaded.metadata.tags == (("TITLE", "abc"),)


def test_samples_of_fewer_bits_than_their_bytes() -> None:
    values = (sound() >> 4) << 4
    form = struct.pack("<4sIHHIIHH", b"fmt ", 40, 0xFFFE, 2, 44100, 176400, 4, 16)
    form += struct.pack("<HHIH", 22, 12, 0, 1) + bytes.fromhex("000000001000800000aa00389b71")
    frames = values.T.astype("<i2").tobytes()
    body = form + b"data" + struct.pack("<I", len(frames)) + frames
    loaded = load_audio(b"RIFF" + struct.pack("<I", 4 + len(body)) + b"WAVE" + body)
    assert np.array_equal(loaded.samples, values)
    assert loaded.metadata.channel_mask == 0
    assert loaded.notes == ("samples of 12 bits are kept in 16",)


@pytest.mark.parametrize(("form", "subtype"), [("WAV", "DOUBLE"), ("AIFF", "DOUBLE")])
def test_doubles_are_refused(tmp_path: Path, form: str, subtype: str) -> None:
    soundfile.write(tmp_path / "a", sound().T / 32768, 8000, format=form, subtype=subtype)
    with pytest.raises(InputError, match="64 bits"):
        load_audio(tmp_path / "a")


def test_files_over_4_gib(tmp_path: Path) -> None:
    shape = AudioShape((1 << 31) + 5, 1, 44100)
    head, tail, _ = wav_parts(shape, AudioMetadata())
    assert head[:4] == b"RF64"
    path = tmp_path / "large.wav"
    with path.open("wb") as file:
        file.write(head)
        file.seek(2 * shape.samples - 2, 1)
        file.write(b"\x34\x12" + tail)
    with open_audio(path) as reader:
        assert reader.shape == shape
        assert reader.notes == ()
        block = next(reader.blocks(1 << 10))
        assert block.shape == (1, 1 << 10)
    info = soundfile.info(path)
    assert (info.frames, info.format) == (shape.samples, "RF64")
    small = AudioShape((1 << 31) - 100, 1, 44100)
    assert wav_parts(small, AudioMetadata())[0][:4] == b"RIFF"


def test_flac_behind_an_id3_tag_and_of_unknown_length(tmp_path: Path) -> None:
    data = file_of(tmp_path / "a.flac", 10_000)
    tag = b"ID3\3\0\0" + struct.pack(">I", 0x200) + b"TIT2\0\0\0\5\0\0\0abcd" + bytes(241)
    loaded = load_audio(tag + data)
    assert np.array_equal(loaded.samples, sound(10_000))
    unknown = bytearray(data)
    unknown[21] &= 0xF0
    unknown[22:26] = bytes(4)
    loaded = load_audio(bytes(unknown))
    assert loaded.length == 10_000
    assert np.array_equal(loaded.samples, sound(10_000))
    with pytest.raises(LimitExceeded):
        open_audio(bytes(unknown), limits=Limits(samples=15_000))
    with pytest.raises(InputError, match="damaged or cut short"):
        load_audio(bytes(unknown[:-3000]))


def test_flac_whose_samples_are_not_those_of_its_digest(tmp_path: Path) -> None:
    data = bytearray(file_of(tmp_path / "a.flac"))
    data[30] ^= 1
    with pytest.raises(InputError, match="MD5"):
        load_audio(bytes(data))
    data[26:42] = bytes(16)
    assert np.array_equal(load_audio(bytes(data)).samples, sound())


def test_mp3_without_a_first_frame_that_says_its_length(tmp_path: Path) -> None:
    data = file_of(tmp_path / "a.mp3", 50_001)
    start = data.index(b"\xff\xfb", 10)
    known, bare = load_audio(data), load_audio(data[start:])
    # Without LAME's numbers the encoder's delay (576 samples) and padding stay.
    assert bare.length > known.length + 576
    assert np.array_equal(bare.samples[:, 5000 + 576 : 45_576], known.samples[:, 5000:45_000])
    tagged = load_audio(data[start:] + b"TAG" + b"title".ljust(125, b"\0"))
    assert np.array_equal(tagged.samples, bare.samples)
    assert tagged.metadata.tags == (("TITLE", "title"),)
    cut = load_audio(data[start:-100])
    assert "not whole" in cut.notes[0]
    assert cut.length == bare.length - 1152


@pytest.mark.parametrize("kind", ["flac", "ogg", "opus", "mp3"])
@pytest.mark.parametrize("kept", [0.02, 0.3, 0.9, 0.99])
def test_compressed_files_that_are_cut_short(tmp_path: Path, kind: str, kept: float) -> None:
    data = file_of(tmp_path / f"a.{kind}", 30_000)
    with pytest.raises(InputError, match="cut short"):
        load_audio(data[: int(len(data) * kept)])


def test_an_mp3_file_of_few_bytes(tmp_path: Path) -> None:
    data = file_of(tmp_path / "a.mp3")
    for size in range(4, 60):
        with pytest.raises(InputError, match="cut short"):
            load_audio(data[:size])


def test_an_ogg_file_without_its_last_page(tmp_path: Path) -> None:
    data = file_of(tmp_path / "a.ogg", 300_000)
    loaded = load_audio(data[: data.rindex(b"OggS")])
    assert 0 < loaded.length < 300_000
    assert "end may be missing" in loaded.notes[0]


def test_checksums_of_pages_are_those_of_libogg(tmp_path: Path) -> None:
    soundfile.write(tmp_path / "a.ogg", sound().T / 32768, 48000, format="OGG", subtype="VORBIS")
    data = bytearray((tmp_path / "a.ogg").read_bytes())
    page = data[: data.index(b"OggS", 4)]
    expected = int.from_bytes(page[22:26], "little")
    page[22:26] = bytes(4)
    assert checksum(page) == expected


@pytest.mark.parametrize("kind", ["wav", "rf64", "w64", "aiff", "flac", "ogg", "opus", "mp3"])
def test_damaged_files_are_read_or_refused(tmp_path: Path, kind: str) -> None:
    data = file_of(tmp_path / f"a.{kind}", 1500, METADATA)
    random = np.random.default_rng(3)
    outcomes = set()
    tracemalloc.start()
    for _ in range(120):
        damaged = bytearray(data)
        for place in random.integers(0, min(len(data), 700), random.integers(1, 4)):
            damaged[place] = random.integers(0, 256)
        if random.random() < 0.2:
            del damaged[random.integers(1, len(data)) :]
        try:
            audio = load_audio(bytes(damaged), limits=Limits(samples=1 << 20))
            outcomes.add("read")
            assert audio.length * audio.channels <= 1 << 20
        except (InputError, LimitExceeded) as error:
            outcomes.add("refused")
            assert "\n" not in str(error)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    # A page of Ogg has a checksum, so that no damage to its head goes unseen.
    assert outcomes == ({"refused"} if kind in ("ogg", "opus") else {"read", "refused"})
    assert peak < 64 << 20


def test_long_files_take_little_memory(tmp_path: Path) -> None:
    path = tmp_path / "long.wav"
    samples = 10_000_000
    head, _, _ = wav_parts(AudioShape(samples, 2, 44100), AudioMetadata())
    with path.open("wb") as file:
        file.write(head)
        file.truncate(len(head) + 4 * samples)
    tracemalloc.start()
    with open_audio(path) as reader:
        assert sum(block.shape[1] for block in reader.blocks()) == samples
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 8 << 20


def test_kinds_by_their_first_bytes(tmp_path: Path) -> None:
    kinds = {"wav": "wav", "rf64": "wav", "w64": "wav", "aiff": "aiff", "flac": "flac"}
    kinds |= {"ogg": "ogg", "opus": "ogg", "mp3": "mp3"}
    for extension, kind in kinds.items():
        assert kind_of_audio(file_of(tmp_path / f"a.{extension}")[:16]) == kind
    assert kind_of_audio(file_of(tmp_path / "a.mp3", metadata=METADATA)[:16]) == "id3"
    for head in (b"\xff\xd8\xff\xe0", b"\xff\xf1\x50\x80", b"RIFF\0\0\0\0WEBP", b"", b"\xff"):
        assert kind_of_audio(head) is None
