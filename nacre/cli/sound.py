"""``nacre encode`` and ``nacre decode`` of sound: piece by piece, through pipes too."""

from __future__ import annotations

import contextlib
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from nacre import registry
from nacre.api import encode_recording
from nacre.cli import batch
from nacre.cli.common import parse_raw
from nacre.cli.records import Decoded, Encoded, decoded_line, encoded_line, shape_of
from nacre.decoding import Decoder
from nacre.errors import FormatError, InputError
from nacre.media.audio import AudioReader, open_audio, open_writer
from nacre.media.audio_kinds import kind_of_name
from nacre.recordings import Recording, compare_recordings, damage_notes, write_stream
from nacre.stream import OpenStream, PipeSource

if TYPE_CHECKING:
    from nacre.cli.decode import Options as DecodeOptions
    from nacre.cli.encode import Options as EncodeOptions


def encode_sound(task: batch.Task, options: EncodeOptions, source: str | PipeSource) -> batch.Done:
    """Encode one recording.

    Raises:
        NacreError, OSError: as :func:`nacre.cli.encode.encode_one`.
    """
    if options.target_bpp is not None or options.target_psnr is not None:
        raise InputError("of sound --target-size can be met, no bits per pixel or PSNR")
    settings = dict(options.settings)
    if options.target_size is not None:
        settings["target_size"] = options.target_size
    if options.textures != "keep":
        raise InputError(f"textures={options.textures!r} is for meshes, this is sound")
    file: Any = source
    with open_audio(file, limits=options.limits, raw=options.raw) as reader:
        start = time.perf_counter()
        with encode_recording(
            reader,
            codec=options.codec,
            lossless=options.lossless,
            model=options.model,
            device=options.device,
            strip=options.strip,
            limits=options.limits,
            **settings,
        ) as stream:
            seconds = time.perf_counter() - start
            psnr_db = _verified(stream, reader, options) if options.verify else None
            target: Any = sys.stdout.buffer if task.target == "-" else task.target
            size = write_stream(stream, target, force=options.force)
    read = source.place if isinstance(source, PipeSource) else Path(source).stat().st_size
    shape = reader.shape
    long = shape.samples / shape.sample_rate_hz
    record = Encoded(
        input=task.source,
        output=task.target,
        ok=True,
        codec=registry.entry(stream.codec).name,
        model=stream.model.hex() if stream.model is not None else None,
        medium="audio",
        shape=shape_of(shape),
        items=None,
        input_bytes=read,
        bytes=size,
        bpp=None,
        bpv=None,
        kbps=8 * size / (1000 * long) if long else None,
        seconds=seconds,
        psnr_db=psnr_db,
    )
    return batch.Done(encoded_line(record), record, read, size, notes=reader.notes)


def _verified(stream: OpenStream, reader: AudioReader, options: EncodeOptions) -> float | None:
    """The PSNR of what the stream decodes to.

    Raises:
        FormatError: it does not decode, or not to what a lossless codec should give.
    """
    decoder = Decoder(options.device, model=options.model, limits=options.limits)
    try:
        equal, psnr_db = compare_recordings(reader, decoder.recording(stream))
    except FormatError as error:
        raise FormatError(f"nothing was written, verification failed: {error}") from error
    if registry.entry(stream.codec).lossless and not equal:
        raise FormatError("nothing was written, verification failed: the recording differs")
    return psnr_db


def decode_sound(task: batch.Task, options: DecodeOptions, source: PipeSource | None) -> batch.Done:
    """Decode one recording, or a part of it.

    Args:
        task: from where to where.
        options: as the command line says.
        source: standard input, if it comes from there.

    Raises:
        NacreError, OSError: as :func:`nacre.cli.decode.decode_one`.
    """
    if options.region is not None:
        raise InputError("a region can only be cut out of a picture; --from and --to cut sound")
    decoder = Decoder(options.device, model=options.model, limits=options.limits)
    begin = time.perf_counter()
    with decoder.open_recording(
        task.source if source is None else source,
        start=options.start,
        stop=options.stop,
        allow_partial=options.allow_partial,
    ) as recording:
        lost = _write(recording, task, options)
    seconds = time.perf_counter() - begin
    shape = recording.shape
    plain = shape.samples * shape.channels * shape.depth // 8
    read = source.place if source is not None else Path(task.source).stat().st_size
    record = Decoded(
        input=task.source,
        output=task.target,
        ok=True,
        codec=recording.codec_name,
        medium="audio",
        shape=shape_of(shape),
        items=None,
        input_bytes=read,
        bytes=plain if task.target == "-" else Path(task.target).stat().st_size,
        seconds=seconds,
        damaged=tuple(
            (each.first / shape.sample_rate_hz, each.last / shape.sample_rate_hz)
            for each in recording.damaged
        ),
    )
    return batch.Done(
        decoded_line(record), record, read, record.bytes, notes=(*recording.notes, *lost),
        warnings=damage_notes(recording.damaged, shape.sample_rate_hz),
    )  # fmt: skip


def _write(recording: Recording, task: batch.Task, options: DecodeOptions) -> tuple[str, ...]:
    """Decode to where it is wanted; what such a file does not hold."""
    target: Any = sys.stdout.buffer if task.target == "-" else task.target
    kind, raw = None, None
    if options.raw is not None:
        shape = recording.shape
        kind, raw = "raw", parse_raw(options.raw, shape.sample_rate_hz, shape.channels)
    elif task.target != "-":
        kind = kind_of_name(task.target)
    with (
        _output(),
        open_writer(
            target, recording.shape, recording.metadata, force=options.force, kind=kind, raw=raw
        ) as writer,
    ):
        for block in recording.blocks():
            writer.write(block)
    return writer.notes


@contextlib.contextmanager
def _output() -> Iterator[None]:
    """What the system refuses is a failure, not an unusable input."""
    try:
        yield
    except InputError as error:
        if isinstance(error.__cause__, OSError):
            raise OSError(str(error)) from error
        raise
