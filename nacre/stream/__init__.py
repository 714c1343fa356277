"""The .ncr container: a header, sections, checksums. ``docs/format.md`` is its specification.

    from nacre.stream import ImageShape, Section, SectionKind, Stream

    payload = Section(SectionKind.PAYLOAD, b"")
    stream = Stream(codec=0, model=None, shape=ImageShape(2, 1), sections=(payload,))
    assert Stream.from_bytes(stream.to_bytes()) == stream

Nothing here knows a codec, and nothing imports NumPy or torch.
"""

from nacre.stream.archive import Archive, Lanes, build_archive, build_lanes
from nacre.stream.container import (
    Entry,
    Header,
    Section,
    Stream,
    describe,
    medium_of_stream,
    read_header,
    read_section,
)
from nacre.stream.fields import MAGIC, VERSION, Row, SectionKind, section_name
from nacre.stream.flow import Body, OpenStream, PipeSource, open_stream
from nacre.stream.shapes import (
    AudioShape,
    ImageShape,
    Medium,
    MeshShape,
    PointsShape,
    Shape,
    SplatShape,
)
from nacre.stream.signature import is_nacre, name_of_file
from nacre.stream.wire import (
    Bytes,
    Reader,
    deflate,
    inflate,
    pack_segments,
    unpack_segments,
    write_varint,
)

__all__ = [
    "MAGIC",
    "VERSION",
    "Archive",
    "AudioShape",
    "Body",
    "Bytes",
    "Entry",
    "Header",
    "ImageShape",
    "Lanes",
    "Medium",
    "MeshShape",
    "OpenStream",
    "PipeSource",
    "PointsShape",
    "Reader",
    "Row",
    "Section",
    "SectionKind",
    "Shape",
    "SplatShape",
    "Stream",
    "build_archive",
    "build_lanes",
    "deflate",
    "describe",
    "inflate",
    "is_nacre",
    "medium_of_stream",
    "name_of_file",
    "open_stream",
    "pack_segments",
    "read_header",
    "read_section",
    "section_name",
    "unpack_segments",
    "write_varint",
]
