"""Bad streams are refused, each with nacre's own error, and cost no memory."""

from __future__ import annotations

import random
import time
import tracemalloc
import zlib

import pytest
from goldens import File, decode_all, drawer, is_picture

from nacre import errors
from nacre.errors import FormatError, LimitExceeded, NacreError, NotNacre, Truncated
from nacre.limits import Limits
from nacre.stream import Archive, Stream, read_header

VALID = drawer("common") + drawer("unusual")
HOSTILE = drawer("hostile")
SMALL = [f for f in VALID if len(f.data) <= 300]


@pytest.mark.parametrize("file", HOSTILE, ids=str)
def test_is_refused_with_the_recorded_error(file: File) -> None:
    expected = getattr(errors, file.entry["error"])
    with pytest.raises(NacreError) as caught:
        decode_all(file.data)
    assert type(caught.value) is expected
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("file", HOSTILE, ids=str)
def test_refusing_takes_little_memory(file: File) -> None:
    with pytest.raises(NacreError):
        decode_all(file.data)  # what is imported and compiled for it is no cost of this file
    tracemalloc.start()
    with pytest.raises(NacreError):
        decode_all(file.data)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    # Deflate gives at most 1032 bytes for one; a million declared pixels or items give nothing.
    assert peak < 1 << 20


@pytest.mark.parametrize("file", SMALL, ids=str)
def test_every_bit_flip_is_refused(file: File) -> None:
    for position in range(len(file.data)):
        for bit in range(8):
            flipped = bytearray(file.data)
            flipped[position] ^= 1 << bit
            with pytest.raises(FormatError):
                Stream.from_bytes(bytes(flipped))


@pytest.mark.parametrize("file", VALID, ids=str)
def test_every_truncation_is_refused(file: File) -> None:
    for length in range(len(file.data)):
        with pytest.raises(NotNacre if length == 0 else Truncated):
            Stream.from_bytes(file.data[:length])


@pytest.mark.parametrize("file", VALID, ids=str)
def test_trailing_bytes_are_refused_and_counted(file: File) -> None:
    for extra in (b"\0", b"\xff" * 3, file.data):
        with pytest.raises(FormatError, match=rf"^{len(extra):,} bytes follow the end"):
            Stream.from_bytes(file.data + extra)


def test_truncation_says_how_many_bytes_are_missing() -> None:
    data = VALID[0].data
    with pytest.raises(Truncated, match="ends 3 bytes early"):
        Stream.from_bytes(data[:-3])


@pytest.mark.parametrize(
    ("stem", "words"),
    [
        ("text-lf", "CR LF was turned into LF"),
        ("text-crlf", "LF was turned into CR LF"),
        ("text-7bit", "the top bit of each byte was cleared"),
        ("text-utf8", "re-encoded from Latin-1 to UTF-8"),
        ("text-replaced", "bytes that are not UTF-8 were replaced"),
        ("text-bom", "byte order mark"),
        ("jpeg", "this is a JPEG image"),
        ("empty", "0 bytes"),
        ("version-2", "format version 2"),
        ("critical-unknown", "kind 99"),
        ("codec-63", "63"),
        ("bomb-pixels", "2147483648 x 2147483648"),
    ],
)
def test_the_message_names_the_cause(stem: str, words: str) -> None:
    file = next(f for f in HOSTILE if str(f) == stem)
    with pytest.raises(NacreError, match=words):
        decode_all(file.data)


def test_limits_of_the_caller_are_obeyed() -> None:
    picture = next(f for f in VALID if str(f) == "rgb").data
    archive = next(f for f in VALID if str(f) == "archive").data
    with pytest.raises(LimitExceeded, match=r"560 pixels.*--limit pixels=560"):
        read_header(picture, limits=Limits(pixels=559))
    with pytest.raises(LimitExceeded, match="PAYLOAD"):
        Stream.from_bytes(picture, limits=Limits(bytes=100))
    with pytest.raises(LimitExceeded, match="8 items"):
        Archive.from_bytes(archive, limits=Limits(items=7))


def mutate(data: bytes, random_: random.Random) -> bytes:
    """``data`` with a few bytes changed, removed, repeated or exchanged."""
    out = bytearray(data)
    for _ in range(random_.randint(1, 4)):
        at = random_.randrange(len(out) + 1)
        length = random_.randint(0, 8)
        action = random_.randrange(4)
        if action == 0:
            out[at : at + length] = random_.randbytes(length)
        elif action == 1:
            del out[at : at + length]
        elif action == 2:
            out[at:at] = out[at : at + length]
        else:
            out[at : at + 1] = bytes([random_.choice([0, 1, 0x7F, 0x80, 0xFF])])
    return bytes(out)


def repair(data: bytes) -> bytes:
    """``data`` with its checksums made right where its header can be followed at all.

    Without this, nearly every mutation ends at a checksum and what lies behind is never reached.
    """
    out = bytearray(data)
    for end in range(8, min(len(out) - 3, 64)):
        candidate = bytearray(out)
        candidate[end : end + 4] = zlib.crc32(out[:end]).to_bytes(4, "little")
        try:
            header = read_header(bytes(candidate))
        except NacreError:
            continue
        for entry in header.sections:
            stop = entry.offset + entry.length
            crc = zlib.crc32(candidate[entry.offset : stop])
            candidate[stop : stop + 4] = crc.to_bytes(4, "little")
        return bytes(candidate[: header.total_bytes])
    return data


def test_mutations_raise_nothing_but_nacres_errors() -> None:
    """Seeded, at most 10 seconds; whatever decodes must also be written and read again."""
    random_ = random.Random(20260)
    limits = Limits(pixels=1 << 16, bytes=1 << 20)
    for file in VALID:  # compiles what decodes it, which on a fresh machine takes a minute
        decode_all(file.data)
    end = time.monotonic() + 10
    decoded = refused = 0
    for round_ in range(1500):
        file = random_.choice(VALID)
        data = mutate(file.data, random_)
        if round_ % 4:
            data = repair(data)
        try:
            read_header(data, limits=limits)
            pictures = decode_all(data)
        except NacreError:
            refused += 1
        else:
            decoded += 1
            assert all(not is_picture(file) or picture.pixels.size for picture in pictures)
        if time.monotonic() > end:
            break
    assert refused > 300
    assert decoded > 20


def test_manifest_covers_every_kind_of_error() -> None:
    recorded = {f.entry["error"] for f in HOSTILE}
    format_errors = {"NotNacre", "UnsupportedVersion", "Truncated", "ChecksumMismatch"}
    assert recorded == format_errors | {"FormatError", "LimitExceeded", "ModelError"}
