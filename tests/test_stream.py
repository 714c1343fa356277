"""The container: what is written is read, what is declared is shown, what is invalid is refused."""

from __future__ import annotations

import subprocess
import sys
import tracemalloc
import zlib
from random import Random

import pytest
from goldens import ROOT
from hypothesis import given, settings
from hypothesis import strategies as st

from nacre.errors import ChecksumMismatch, FormatError, InputError, LimitExceeded, Truncated
from nacre.limits import Limits
from nacre.stream import (
    Archive,
    AudioShape,
    ImageShape,
    Lanes,
    MeshShape,
    PointsShape,
    Reader,
    Section,
    SectionKind,
    Shape,
    SplatShape,
    Stream,
    build_archive,
    build_lanes,
    deflate,
    describe,
    inflate,
    pack_segments,
    read_header,
    unpack_segments,
    write_varint,
)
from nacre.stream.fields import CHECKSUM, HEADER, LAYOUT, TABLE

U32 = (1 << 32) - 1
SHAPES: st.SearchStrategy[Shape] = st.one_of(
    st.builds(
        ImageShape,
        st.integers(1, 1 << 31),
        st.integers(1, 1 << 31),
        st.integers(1, 4),
        st.sampled_from([8, 16]),
    ),
    st.builds(ImageShape, st.integers(1, 1 << 31), st.integers(1, 1 << 31), st.just(1), st.just(1)),
    st.builds(
        AudioShape,
        st.integers(0, (1 << 48) - 1),
        st.integers(1, 255),
        st.integers(1, U32),
        st.sampled_from([8, 16, 24, 32]),
        st.booleans(),
    ),
    st.builds(MeshShape, st.integers(0, U32), st.integers(0, U32)),
    st.builds(SplatShape, st.integers(0, U32), st.integers(0, 4)),
    st.builds(PointsShape, st.integers(0, U32)),
)
KINDS = [int(kind) for kind in SectionKind if kind not in (SectionKind.PAYLOAD, SectionKind.INDEX)]


@st.composite
def streams(draw: st.DrawFn) -> Stream:
    """Any stream that the format permits."""
    items = draw(st.none() | st.integers(0, U32))
    kinds = draw(st.lists(st.sampled_from(KINDS) | st.integers(8, 1 << 20), unique=True))
    required = [SectionKind.PAYLOAD, *([SectionKind.INDEX] if items is not None else [])]
    sections = [Section(kind, draw(st.binary(max_size=40))) for kind in [*kinds, *required]]
    return Stream(
        codec=draw(st.integers(0, U32)),
        model=draw(st.none() | st.binary(min_size=3, max_size=3)),
        shape=draw(SHAPES),
        sections=tuple(draw(st.permutations(sections))),
        items=items,
    )


def image_stream(payload: bytes, **shape: int) -> Stream:
    sections = (Section(SectionKind.PAYLOAD, payload),)
    return Stream(0, None, ImageShape(**{"width": 2, "height": 2, "channels": 1} | shape), sections)


@given(streams())
@settings(deadline=None)
def test_round_trip(stream: Stream) -> None:
    data = stream.to_bytes()
    assert Stream.from_bytes(data, limits=Limits.UNLIMITED) == stream
    header = read_header(data, limits=Limits.UNLIMITED)
    assert (header.codec, header.model, header.shape, header.items) == (
        stream.codec,
        stream.model,
        stream.shape,
        stream.items,
    )
    assert header.total_bytes == len(data)


@given(streams())
@settings(deadline=None)
def test_description_covers_every_byte_and_every_declared_field(stream: Stream) -> None:
    data = stream.to_bytes()
    rows = describe(data, limits=Limits.UNLIMITED)
    parts = {bits.name for bits in LAYOUT}
    position = 0
    for row in rows:
        if row.name not in parts:
            assert row.offset == position
            position += row.length
    assert position == len(data)
    values = {row.name: row.value for row in rows} | {"medium": int(stream.shape.medium)}
    shown = {row.name for row in rows}
    assert {field.name for field in HEADER if field.present(values)} <= shown
    assert parts | {CHECKSUM.name} <= shown
    if values["has_table"]:
        last = values["sections"] - 1
        assert {f"{field.name}[{last}]" for field in TABLE} <= shown


@given(streams(), st.data())
@settings(max_examples=50, deadline=None)
def test_a_flipped_bit_is_refused(stream: Stream, data: st.DataObject) -> None:
    damaged = bytearray(stream.to_bytes())
    bit = data.draw(st.integers(0, 8 * len(damaged) - 1))
    damaged[bit // 8] ^= 1 << bit % 8
    with pytest.raises((FormatError, LimitExceeded)):
        Stream.from_bytes(bytes(damaged), limits=Limits.UNLIMITED)


def test_the_bytes_are_those_of_the_specification() -> None:
    sections = (Section(SectionKind.TAGS, b"\0\1a\1b"), Section(SectionKind.PAYLOAD, b"xyz"))
    stream = Stream(300, b"\x01\x02\x03", ImageShape(256, 1, 4, 16), sections)
    header = bytes.fromhex("814e0d0a ac02 67 010203 8002 01 02 0b05 0003")
    bodies = (b"\0\1a\1b", b"xyz")
    expected = b"".join(part + zlib.crc32(part).to_bytes(4, "little") for part in (header, *bodies))
    assert stream.to_bytes() == expected


def test_a_photo_costs_at_most_24_bytes() -> None:
    sections = (Section(SectionKind.PAYLOAD, bytes((1 << 21) - 1)),)
    stream = Stream(1, b"abc", ImageShape(16383, 16383), sections)
    assert len(stream.to_bytes()) - len(stream.payload) == 24


def test_every_declared_field_is_in_the_specification() -> None:
    text = (ROOT / "docs" / "format.md").read_text()
    for field in (*HEADER, *TABLE, CHECKSUM):
        assert f"| `{field.name}` | {field.wire} |" in text
    for bits in LAYOUT:
        assert f"| `{bits.name}` |" in text
    for kind in SectionKind:
        assert f"| {kind.value} | {kind.name} |" in text


def test_a_huge_header_allocates_nothing() -> None:
    huge = image_stream(b"abc", width=1 << 31, height=1 << 31).to_bytes()
    tracemalloc.start()
    with pytest.raises(LimitExceeded, match="pixels"):
        Stream.from_bytes(huge)
    assert Stream.from_bytes(huge, limits=Limits.UNLIMITED).payload == b"abc"
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 100_000


def test_damage_names_the_place() -> None:
    data = bytearray(image_stream(b"abcdef").to_bytes())
    data[-6] ^= 4
    with pytest.raises(ChecksumMismatch, match="section PAYLOAD at byte 13"):
        Stream.from_bytes(bytes(data))
    data[6] ^= 1
    with pytest.raises(ChecksumMismatch, match="header"):
        Stream.from_bytes(bytes(data))


@pytest.mark.parametrize("kind", [memoryview, bytearray, bytes])
def test_any_kind_of_bytes_is_read(kind: type) -> None:
    stream = image_stream(b"abc")
    assert Stream.from_bytes(kind(stream.to_bytes())) == stream


def test_missing_section_is_named() -> None:
    stream = image_stream(b"abc")
    assert stream.find(SectionKind.ALPHA) is None
    with pytest.raises(FormatError, match="no ALPHA section"):
        stream.section(SectionKind.ALPHA)


PAYLOAD = Section(SectionKind.PAYLOAD, b"abc")


@pytest.mark.parametrize(
    "stream",
    [
        Stream(0, None, ImageShape(0, 1), (PAYLOAD,)),
        Stream(0, None, ImageShape(1, 1, 3, 1), (PAYLOAD,)),
        Stream(0, None, ImageShape(1, 1, 5), (PAYLOAD,)),
        Stream(0, None, AudioShape(1, 1, 1, depth=12), (PAYLOAD,)),
        Stream(1 << 32, None, ImageShape(1, 1), (PAYLOAD,)),
        Stream(0, b"four", ImageShape(1, 1), (PAYLOAD,)),
        Stream(0, None, ImageShape(1, 1), (PAYLOAD, PAYLOAD)),
        Stream(0, None, ImageShape(1, 1), (Section(SectionKind.ICC, b""),)),
        Stream(0, None, ImageShape(1, 1), (PAYLOAD,), items=1),
        Stream(0, None, ImageShape(1, 1), (PAYLOAD, Section(SectionKind.INDEX, b""))),
    ],
    ids=["width", "bilevel-rgb", "channels", "depth", "codec", "model", "twice", "no-payload",
         "no-index", "no-items"],
)  # fmt: skip
def test_what_the_format_does_not_permit_is_not_written(stream: Stream) -> None:
    with pytest.raises((InputError, FormatError)):
        stream.to_bytes()


@given(st.integers(0, (1 << 64) - 1))
@settings(deadline=None)
def test_varints_round_trip_in_one_way_only(value: int) -> None:
    out = bytearray()
    write_varint(out, value)
    reader = Reader(out)
    assert reader.varint("value") == value
    reader.expect_end()
    longer = bytes(out[:-1]) + bytes([out[-1] | 0x80, 0])
    with pytest.raises(FormatError):
        Reader(longer).varint("value")


@pytest.mark.parametrize("value", [-1, 1 << 64])
def test_varints_have_64_bits(value: int) -> None:
    with pytest.raises(InputError):
        write_varint(bytearray(), value)


def test_varints_obey_a_maximum() -> None:
    with pytest.raises(FormatError, match="count at byte 0 is over 100"):
        Reader(b"\x65").varint("count", 100)
    assert Reader(b"\x64").varint("count", 100) == 100


@given(st.lists(st.binary(max_size=200), max_size=50))
@settings(deadline=None)
def test_segments_round_trip(segments: list[bytes]) -> None:
    packed = pack_segments(segments)
    assert [bytes(segment) for segment in unpack_segments(packed)] == segments
    for damaged in (packed[:-1], packed + b"\0"):
        with pytest.raises(FormatError):
            unpack_segments(damaged)


def test_a_false_number_of_segments_costs_nothing() -> None:
    out = bytearray()
    write_varint(out, 1 << 40)
    with pytest.raises(Truncated, match="does not fit"):
        unpack_segments(bytes(out) + b"\1" * 100)


@given(st.binary(max_size=3000), st.integers(1, 9))
@settings(deadline=None)
def test_inflate_gives_exactly_what_was_deflated(content: bytes, level: int) -> None:
    data = deflate(content, level=level)
    assert inflate(data, len(content), where="test") == content
    with pytest.raises(FormatError, match=r"expected"):
        inflate(data, len(content) + 1, where="test")
    if content:
        with pytest.raises(FormatError, match=r"over"):
            inflate(data, len(content) - 1, where="test")
        half = len(content) // 2
        assert inflate(data, half, where="test", whole=False) == content[:half]


@given(
    st.lists(
        st.tuples(st.integers(1, 500), st.integers(1, 500), st.binary(max_size=60)), max_size=20
    )
)
@settings(deadline=None)
def test_archives_round_trip(items: list[tuple[int, int, bytes]]) -> None:
    streams_ = [image_stream(body, width=w, height=h) for w, h, body in items]
    data = build_archive(0, streams_).to_bytes()
    archive = Archive.from_bytes(data)
    assert [archive.item(i) for i in range(len(archive))] == streams_
    assert Stream.from_bytes(data).items == len(items)
    with pytest.raises(InputError, match="no item"):
        archive.item(len(items))


def test_an_item_costs_one_byte_and_is_read_without_the_others() -> None:
    items = [image_stream(bytes([i]) * 100, width=28, height=28) for i in range(100)]
    data = bytearray(build_archive(0, items).to_bytes())
    assert len(data) - 100 * 100 <= 100 + 32
    archive = Archive.from_bytes(bytes(data))
    data[archive.offsets[7]] ^= 1
    damaged = Archive.from_bytes(bytes(data))
    assert damaged.item(42) == items[42]
    with pytest.raises(ChecksumMismatch):
        Stream.from_bytes(bytes(data))


def test_archives_of_every_medium() -> None:
    pairs: list[tuple[Shape, Shape]] = [
        (AudioShape(10, 2, 8000), AudioShape(0, 2, 8000)),
        (MeshShape(4, 2), MeshShape(3, 9)),
        (SplatShape(4, 3), SplatShape(7, 3)),
        (PointsShape(4), PointsShape(9)),
    ]
    for shapes in pairs:
        items = [Stream(9, b"abc", shape, (PAYLOAD,)) for shape in shapes]
        archive = Archive.from_bytes(build_archive(9, items).to_bytes())
        assert [archive.item(i) for i in range(2)] == items


def test_archives_refuse_items_that_do_not_fit_together() -> None:
    first = image_stream(b"abc")
    others = [
        Stream(1, None, first.shape, first.sections),
        Stream(0, b"abc", first.shape, first.sections),
        Stream(0, None, ImageShape(2, 2), first.sections),
        Stream(0, None, MeshShape(1, 1), first.sections),
        Stream(0, None, first.shape, (*first.sections, Section(SectionKind.TAGS, b""))),
    ]
    for other in others:
        with pytest.raises(InputError, match="item 1"):
            build_archive(0, [first, other])


@given(
    st.integers(0, 40).flatmap(
        lambda n: st.tuples(st.just(n), st.integers(1, max(n, 1)), st.binary(max_size=9))
    ),
    st.randoms(use_true_random=False),
)
@settings(deadline=None)
def test_lanes_round_trip(sizes: tuple[int, int, bytes], random: Random) -> None:
    items, each, head = sizes
    lanes = [random.randbytes(random.randrange(300)) for _ in range(-(-items // each))]
    shape = ImageShape(5, 3, 1)
    stream = build_lanes(7, b"abc", shape, items, lanes, head=head, each=each)
    data = stream.to_bytes()
    archive = Archive.from_bytes(data)
    assert Stream.from_bytes(data) == stream
    assert len(archive) == items
    for found in (archive.lanes, Lanes.of(stream)):
        assert found is not None
        assert sum(found.counts) == items
        assert bytes(found.head(archive.payload)) == head
        assert [bytes(found.lane(archive.payload, i)) for i in range(len(lanes))] == lanes
        assert len(found.counts) == len(lanes)
    with pytest.raises(InputError, match="no item" if items == 0 else "in lanes"):
        archive.item(0)


@pytest.mark.parametrize(
    ("index", "items", "message"),
    [
        ("03", 4, "length of the head"),
        ("03 00 00", 4, "lanes of no items"),
        ("03 00 05 05", 4, "items of a lane"),
        ("03 00 01 05", 4, "4 lanes do not fit"),
        ("03 00 04 04", 4, "head and lanes of 4 bytes in a PAYLOAD of 5"),
        ("03 01 04 05", 4, "head and lanes of 6 bytes"),
        ("03 00 04 05 00", 4, "follow the end"),
        ("02 00 04 05", 4, "kind of index 2"),
    ],
)
def test_an_index_that_does_not_describe_its_lanes(index: str, items: int, message: str) -> None:
    parts = (Section(SectionKind.INDEX, bytes.fromhex(index)), Section(0, b"12345"))
    data = Stream(7, None, ImageShape(2, 2), parts, items).to_bytes()
    with pytest.raises(FormatError, match=message):
        Archive.from_bytes(data)
    with pytest.raises(FormatError, match=message):
        Lanes.of(Stream.from_bytes(data))


def test_lanes_that_items_do_not_fill_are_refused() -> None:
    for items, each, count in ((4, 5, 1), (4, 0, 1), (4, 2, 1), (4, 2, 3), (0, 1, 1)):
        with pytest.raises(InputError, match="do not fill"):
            build_lanes(7, None, ImageShape(1, 1), items, [b""] * count, head=b"", each=each)


def test_a_single_item_is_no_archive() -> None:
    with pytest.raises(FormatError, match="no archive"):
        Archive.from_bytes(image_stream(b"abc").to_bytes())


def test_the_container_needs_neither_numpy_nor_torch() -> None:
    code = "import sys, nacre.stream; sys.exit('numpy' in sys.modules or 'torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], cwd=ROOT, check=False).returncode == 0
