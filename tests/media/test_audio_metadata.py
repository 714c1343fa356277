"""Tags, pictures, cue points and channel masks survive files and the container."""

from __future__ import annotations

import base64
import struct
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import soundfile
from hypothesis import given
from hypothesis import strategies as st

from nacre.errors import FormatError, InputError, LimitExceeded
from nacre.limits import Limits
from nacre.media.audio import Audio, load_audio, open_writer
from nacre.media.audio_comments import read_comments, write_comments
from nacre.media.audio_id3 import read_id3, write_id3
from nacre.media.audio_metadata import AudioMetadata, Found
from nacre.media.audio_riff import read_cues, read_list
from nacre.stream import AudioShape, Section, SectionKind, Stream

PICTURE = ("image/png", 3, "naïve cover", b"\x89PNG" + bytes(range(256)))
ALL = AudioMetadata(
    tags=(
        ("TITLE", "Perle ß 螺"),
        ("ARTIST", "first"),
        ("ARTIST", "second"),
        ("COMMENT", "one\nline"),
        ("my own key", "x=y"),
        ("REPLAYGAIN_TRACK_GAIN", "-3.2 dB"),
    ),
    pictures=(PICTURE, ("image/jpeg", 4, "", b"\xff\xd8back")),
    cues=((5, "start"), (77, ""), (99, "Ende ß")),
    channel_mask=0x3,
)


def audio(metadata: AudioMetadata) -> Audio:
    """A little stereo sound that has ``metadata``."""
    samples = (9000 * np.sin(np.arange(4000) * [[0.1], [0.07]])).astype(np.int32)
    return Audio(samples, 48000, metadata=metadata)


@pytest.mark.parametrize("kind", ["wav", "rf64", "w64", "aiff", "flac", "ogg", "opus", "mp3"])
def test_metadata_survives_files(tmp_path: Path, kind: str) -> None:
    path = tmp_path / f"a.{kind}"
    source = audio(ALL)
    with open_writer(path, source.shape, ALL) as writer:
        writer.write(source.samples)
    loaded = load_audio(path)
    expected = ALL
    notes = []
    if kind in ("aiff", "mp3"):
        expected = replace(expected, channel_mask=None)
        notes.append("channel mask")
    if kind in ("ogg", "opus", "mp3"):
        expected = replace(expected, cues=())
        notes.append("3 cue points")
    assert loaded.metadata == expected
    assert len(writer.notes) == len(notes)
    assert all(note in text for note, text in zip(notes, writer.notes, strict=True))
    # libsndfile finds the samples behind all that.
    assert soundfile.read(path)[0].shape == (4000, 2)


@pytest.mark.parametrize("kind", ["wav", "aiff", "flac", "ogg", "mp3"])
def test_no_metadata_stays_none(tmp_path: Path, kind: str) -> None:
    audio(AudioMetadata()).save(tmp_path / f"a.{kind}")
    loaded = load_audio(tmp_path / f"a.{kind}").metadata
    assert loaded == AudioMetadata()


@pytest.mark.parametrize("kind", ["wav", "aiff", "flac", "ogg"])
def test_libsndfile_reads_the_tags(tmp_path: Path, kind: str) -> None:
    path = tmp_path / f"a.{kind}"
    audio(AudioMetadata(tags=(("TITLE", "pearl"), ("ARTIST", "me")))).save(path)
    with soundfile.SoundFile(path) as file:
        assert (file.title, file.artist) == ("pearl", "me")


@pytest.mark.parametrize(("form", "subtype"), [("WAV", None), ("AIFF", None), ("FLAC", None),
                                               ("OGG", "VORBIS"), ("OGG", "OPUS")])  # fmt: skip
def test_tags_of_libsndfile_are_read(tmp_path: Path, form: str, subtype: str | None) -> None:
    path = tmp_path / "a"
    with soundfile.SoundFile(path, "w", 48000, 1, subtype, format=form) as file:
        file.title, file.artist = "Perle", "someone"
        file.write(np.zeros(100))
    tags = [(key.upper(), value) for key, value in load_audio(path).metadata.tags]
    assert ("TITLE", "Perle") in tags
    assert ("ARTIST", "someone") in tags


def test_metadata_survives_the_container() -> None:
    for metadata in (ALL, AudioMetadata(), replace(ALL, tags=()), AudioMetadata(channel_mask=0)):
        assert AudioMetadata.from_stream(stream_of(metadata)) == metadata
    assert stream_of(AudioMetadata()).sections == (Section(SectionKind.PAYLOAD, b""),)
    with pytest.raises(LimitExceeded, match="SOUND"):
        big = AudioMetadata(cues=tuple((9, "label") for _ in range(999)))
        AudioMetadata.from_stream(replace(stream_of(big), limits=Limits(bytes=999)))


def stream_of(metadata: AudioMetadata) -> Stream:
    sections = (*metadata.to_sections(), Section(SectionKind.PAYLOAD, b""))
    return Stream.from_bytes(Stream(0, None, AudioShape(1, 1, 8000), sections).to_bytes())


@given(st.binary(max_size=60), st.integers(0, 400), st.integers(0, 255))
def test_a_damaged_section_is_refused_or_read(body: bytes, place: int, octet: int) -> None:
    whole = bytearray(ALL.to_sections()[1].data)
    whole[place % len(whole)] = octet
    for data in (b"\0" + body, bytes(whole), bytes(whole[:place])):
        sections = (Section(SectionKind.SOUND, data), Section(SectionKind.PAYLOAD, b""))
        try:
            AudioMetadata.from_stream(Stream(0, None, AudioShape(1, 1, 8000), sections))
        except (FormatError, LimitExceeded):
            continue


def test_strip() -> None:
    assert ALL.without(("tags",)) == replace(ALL, tags=())
    assert ALL.without(("pictures", "cues")) == replace(ALL, pictures=(), cues=())
    assert ALL.without(("all",)) == AudioMetadata(channel_mask=3)
    with pytest.raises(InputError, match="icc"):
        ALL.without(("icc",))
    assert load_audio(audio(ALL), strip=("tags",)).metadata.tags == ()


KEYS = st.text(
    st.characters(min_codepoint=33, max_codepoint=125, exclude_characters="="), min_size=1
)
TEXTS = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"))


@given(st.lists(st.tuples(KEYS, TEXTS)))
def test_comments_keep_all_tags_in_order(tags: list[tuple[str, str]]) -> None:
    found = Found()
    special = ("METADATA_BLOCK_PICTURE", "WAVEFORMATEXTENSIBLE_CHANNEL_MASK")
    tags = [tag for tag in tags if tag[0].upper() not in special]
    read_comments(write_comments(tags), found)
    assert found.tags == tags


@given(st.lists(st.tuples(KEYS.map(str.upper), TEXTS.filter(bool))))
def test_id3_keeps_the_values_of_each_key_in_order(tags: list[tuple[str, str]]) -> None:
    tags = [(key, value.removeprefix("\ufeff") or "x") for key, value in tags]
    found = Found()
    tag = write_id3(AudioMetadata(tags=tuple(tags)))
    if tag:
        read_id3(tag, found)
    assert found.notes == []
    for key in {key for key, _ in tags} | {key for key, _ in found.tags}:
        values = [value for each, value in tags if each == key]
        assert [value for each, value in found.tags if each == key] == values


def id3(version: int, *frames: bytes, flags: int = 0) -> bytes:
    """An ID3v2 tag of these frames."""
    body = b"".join(frames)
    size = bytes(len(body) >> 7 * k & 0x7F for k in (3, 2, 1, 0))
    return b"ID3" + bytes([version, 0, flags]) + size + body


def parsed(tag: bytes) -> Found:
    found = Found()
    found.take("an ID3 tag", read_id3, tag)
    return found


def test_id3_of_each_version() -> None:
    def v3(name: bytes, content: bytes, flags: int = 0) -> bytes:
        return name + struct.pack(">IH", len(content), flags) + content

    old = id3(
        2,
        b"TT2\0\0\6\0title",
        b"TP1\0\0\x09\1\xff\xfeA\0\xe9\0\0\0",
        b"PIC\0\0\x0b\0PNG\3ab\0xyz",
        b"COM\0\0\x0a\0engx\0text",
    )
    found = parsed(old)
    assert found.tags == [("TITLE", "title"), ("ARTIST", "Aé"), ("COMMENT:x", "text")]
    assert found.pictures == [("image/png", 3, "ab", b"xyz")]
    found = parsed(
        id3(
            3,
            v3(b"TPE1", b"\1\xff\xfea\0\0\0\xff\xfeb\0"),
            v3(b"TYER", b"\0001999"),
            v3(b"TXXX", b"\0key\0value"),
            v3(b"TOPE", b"\0orig"),
            v3(b"WOAF", b"http://x"),
            v3(b"PRIV", b"xyz"),
            v3(b"USLT", b"\3eng\0la la"),
            bytes(40),
        )
    )
    assert found.tags == [
        ("ARTIST", "a"), ("ARTIST", "b"), ("DATE", "1999"), ("key", "value"), ("TOPE", "orig"),
        ("WOAF", "http://x"), ("LYRICS", "la la"),
    ]  # fmt: skip
    assert found.notes == ["ID3 frames of kind PRIV are left out"]
    unsynchronised = id3(3, v3(b"TIT2", b"\0\xff\xe9").replace(b"\xff", b"\xff\0"), flags=0x80)
    assert parsed(unsynchronised).tags == [("TITLE", "ÿé")]
    extended = id3(4, b"\0\0\0\6\1\0", b"TIT2\0\0\0\2\0\0\3a", flags=0x40)
    assert parsed(extended).tags == [("TITLE", "a")]
    long = b"\3" + b"x" * 299
    itunes = id3(4, b"TIT2" + struct.pack(">IH", 300, 0) + long, b"TPE1\0\0\0\2\0\0\3b")
    assert parsed(itunes).tags == [("TITLE", "x" * 299), ("ARTIST", "b")]


def test_damaged_tags_become_notes(tmp_path: Path) -> None:
    good = b"TIT2\0\0\0\2\0\0\3a"
    for bad in (
        b"TPE1\0\0\x10\0\0\0\3b",
        b"TPE1\0\0\0\2\0\0\x09b",
        b"COMM\0\0\0\5\0\0\3engx",
        b"APIC\0\0\0\4\0\0\3abc",
    ):
        found = parsed(id3(4, good, bad))
        assert found.tags == [("TITLE", "a")]
        assert found.notes == ["an ID3 tag is damaged; some of it is left out"]
    assert parsed(b"ID3\7\0\0\0\0\0\0").notes != []
    found = Found()
    found.take("comments", read_comments, write_comments([("A", "1"), ("B", "2")])[:-1])
    assert found.tags == [("A", "1")]
    found.take("comments", read_comments, write_comments([("METADATA_BLOCK_PICTURE", "AAAA")]))
    found.take("cues", read_cues, struct.pack("<I", 1 << 31))
    found.take("list", read_list, b"INFOINAM\xff\0\0\0abc")
    assert len(found.notes) == 4
    # A file whose tags are damaged still opens.
    audio(ALL).save(tmp_path / "a.flac")
    data = bytearray((tmp_path / "a.flac").read_bytes())
    data[data.index(b"ARTIST=second") - 2] = 0x7F
    loaded = load_audio(bytes(data))
    assert loaded.metadata.tags[:2] == ALL.tags[:2]
    assert "damaged" in loaded.notes[0]
    assert np.array_equal(loaded.samples, audio(ALL).samples)


@given(st.binary(max_size=80), st.integers(2, 4), st.integers(0, 255))
def test_any_bytes_as_tags(body: bytes, version: int, flags: int) -> None:
    found = parsed(id3(version, b"TIT2", body, flags=flags))
    found.take("comments", read_comments, body)
    found.take("cues", read_cues, body)
    found.take("a list", read_list, b"INFO" + body)
    found.take("a list", read_list, b"adtl" + body)
    assert isinstance(found.metadata(), AudioMetadata)


def test_what_other_programs_write() -> None:
    picture = base64.b64encode(
        struct.pack(">II", 3, 9) + b"image/png" + struct.pack(">I", 1) + b"x" + bytes(16)
        + struct.pack(">I", 3) + b"abc"
    ).decode()  # fmt: skip
    found = Found()
    read_comments(
        write_comments(
            [("metadata_block_picture", picture), ("WAVEFORMATEXTENSIBLE_CHANNEL_MASK", "0x60F")]
        ),
        found,
    )
    assert found.metadata() == AudioMetadata(
        pictures=(("image/png", 3, "x", b"abc"),), channel_mask=0x60F
    )
    found = Found()
    read_list(b"INFOIART\3\0\0\0J\xf6\0\0IXYZ\1\0\0\0q\0", found)
    assert found.tags == [("ARTIST", "Jö"), ("IXYZ", "q")]


def test_foreign_metadata_of_flac(tmp_path: Path) -> None:
    # As flac --keep-foreign-metadata writes it: chunks of the WAV file in blocks of kind "riff".
    path = tmp_path / "a.flac"
    audio(AudioMetadata()).save(path)
    data = path.read_bytes()
    cue = b"cue " + struct.pack("<II", 28, 1) + struct.pack("<II4sIII", 7, 0, b"data", 0, 0, 123)
    label = b"LIST" + struct.pack("<I", 18) + b"adtllabl" + struct.pack("<II", 6, 7) + b"x\0"
    blocks = b""
    for chunk in (cue, label):
        body = b"riff" + chunk
        blocks += b"\2" + len(body).to_bytes(3, "big") + body
    loaded = load_audio(data[:42] + blocks + data[42:])
    assert loaded.metadata.cues == ((123, "x"),)


def test_chunks_that_are_left_out_are_named(tmp_path: Path) -> None:
    path = tmp_path / "a.wav"
    audio(AudioMetadata()).save(path)
    loaded = load_audio(path.read_bytes() + b"bext\4\0\0\0abcd")
    assert loaded.notes == ("the chunk 'bext' is left out",)
