"""What a recording has beside its samples: tags, pictures, cue points, places of loudspeakers.

Names of tags are those of Vorbis comments (``TITLE``, ``ARTIST``, ...), whatever the file calls
them; a key may repeat, and the order of its values is kept. Nothing here is interpreted.
"""

from __future__ import annotations

import dataclasses
import struct
import zlib
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field

from nacre.errors import FormatError, InputError, NacreError, Truncated
from nacre.media.metadata import Metadata, pack_content, unpack_content
from nacre.stream import OpenStream, Reader, Section, SectionKind, Stream, write_varint

NAMES = ("tags", "pictures", "cues")
"""What ``strip`` may name, beside ``all``."""

Tag = tuple[str, str]
"""Key and value."""

Picture = tuple[str, int, str, bytes]
"""Media type (``image/png``), kind (3: front cover), description, and the bytes of the file."""

Cue = tuple[int, str]
"""The sample it marks (of one channel, from 0), and its label, which may be empty."""


@dataclass(frozen=True)
class AudioMetadata:
    """What a file says about its samples.

    Attributes:
        tags: ``(key, value)`` texts in order; keys repeat.
        pictures: ``(media type, kind, description, bytes)``; kinds are numbered as ID3v2 does.
        cues: ``(sample, label)``: cue points and markers.
        channel_mask: which loudspeakers the channels are for, as WAV's ``dwChannelMask`` says it
            (bit 0: front left, bit 1: front right, ...); None: the file does not say.
    """

    tags: tuple[Tag, ...] = ()
    pictures: tuple[Picture, ...] = ()
    cues: tuple[Cue, ...] = ()
    channel_mask: int | None = None

    def without(self, names: Iterable[str]) -> AudioMetadata:
        """This metadata but for ``names`` (of :data:`NAMES`, or ``all``); the mask stays.

        Raises:
            InputError: a name that is none of these.
        """
        chosen: set[str] = set()
        for name in names:
            if name not in (*NAMES, "all"):
                raise InputError(f"strip {name!r} is not known; use {', '.join(NAMES)} or all")
            chosen.update(NAMES if name == "all" else (name,))
        return AudioMetadata(
            () if "tags" in chosen else self.tags,
            () if "pictures" in chosen else self.pictures,
            () if "cues" in chosen else self.cues,
            self.channel_mask,
        )

    def to_sections(self) -> tuple[Section, ...]:
        """The sections that carry this metadata; none for what is absent.

        Raises:
            InputError: more than fits in a section.
        """
        tags = Metadata(tags=self.tags).to_sections()
        if dataclasses.replace(self, tags=()) == AudioMetadata():
            return tags
        return (*tags, Section(SectionKind.SOUND, pack_content(_pack_sound(self), "PICTURES")))

    @classmethod
    def from_stream(cls, stream: Stream | OpenStream) -> AudioMetadata:
        """The metadata that ``stream`` carries.

        Raises:
            FormatError: a metadata section is damaged.
            LimitExceeded: one declares more than ``stream.limits.bytes``.
        """
        tags = Metadata.from_stream(stream).tags
        body = stream.find(SectionKind.SOUND)
        if body is None:
            return cls(tags)
        return _unpack_sound(unpack_content(body, "SOUND", stream.limits), tags)


@dataclass
class Found:
    """Metadata while a file is read, and notes on what could not be kept.

    ``marks`` are cue points as ``(number, sample)``; ``labels`` go by the same numbers.
    """

    tags: list[Tag] = field(default_factory=list)
    pictures: list[Picture] = field(default_factory=list)
    marks: list[tuple[int, int]] = field(default_factory=list)
    labels: dict[int, str] = field(default_factory=dict)
    channel_mask: int | None = None
    notes: list[str] = field(default_factory=list)

    def take(self, what: str, parse: Callable[[bytes, Found], None], body: bytes) -> None:
        """Parse ``body`` into this; damage becomes a note, and what came before it stays."""
        try:
            parse(body, self)
        except (NacreError, ValueError, IndexError, struct.error, zlib.error):
            self.notes.append(f"{what} is damaged; some of it is left out")

    def add_missing(self, tags: Iterable[Tag]) -> None:
        """Append those whose key is not there yet: a second kind of tags tells the same again."""
        known = {key.casefold() for key, _ in self.tags}
        self.tags.extend(tag for tag in tags if tag[0].casefold() not in known)

    def metadata(self) -> AudioMetadata:
        """All that was found."""
        cues = tuple((sample, self.labels.get(number, "")) for number, sample in self.marks)
        return AudioMetadata(tuple(self.tags), tuple(self.pictures), cues, self.channel_mask)


def _pack_sound(metadata: AudioMetadata) -> bytes:
    out = bytearray()

    def text(value: str) -> None:
        data = value.encode("utf-8", "replace")
        write_varint(out, len(data))
        out.extend(data)

    write_varint(out, 0 if metadata.channel_mask is None else metadata.channel_mask + 1)
    write_varint(out, len(metadata.cues))
    for sample, label in metadata.cues:
        write_varint(out, sample)
        text(label)
    write_varint(out, len(metadata.pictures))
    for mime, kind, description, data in metadata.pictures:
        write_varint(out, kind)
        text(mime)
        text(description)
        write_varint(out, len(data))
        out.extend(data)
    return bytes(out)


def _unpack_sound(content: bytes, tags: tuple[Tag, ...]) -> AudioMetadata:
    reader = Reader(content, "section SOUND")

    def text(what: str) -> str:
        try:
            return str(reader.take(reader.varint(f"length of {what}"), what), "utf-8")
        except UnicodeDecodeError as error:
            raise FormatError(f"section SOUND: {what} is not UTF-8 ({error.reason})") from None

    def count(what: str) -> int:
        number = reader.varint(what)
        if number > reader.remaining:
            raise Truncated(f"section SOUND: {number:,} {what} in {reader.remaining:,} bytes")
        return number

    mask = reader.varint("channel mask", 1 << 32)
    cues = [(reader.varint("cue point"), text("label")) for _ in range(count("cue points"))]
    pictures = []
    for _ in range(count("pictures")):
        kind = reader.varint("kind of picture", (1 << 32) - 1)
        mime, description = text("media type"), text("description")
        pictures.append((mime, kind, description, bytes(reader.take(count("bytes"), "picture"))))
    reader.expect_end()
    return AudioMetadata(tags, tuple(pictures), tuple(cues), mask - 1 if mask else None)
