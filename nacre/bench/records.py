"""What the benchmark writes down: one record a file, codec and quality."""

from __future__ import annotations

import dataclasses
import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from nacre.bench import metrics
from nacre.bench.metrics import Pixels
from nacre.errors import InputError
from nacre.files import write_atomically


@dataclass(frozen=True)
class Record:
    """One file through one codec at one quality.

    Attributes:
        codec: as it was asked for, options included.
        medium: ``image``, ``audio``, ``mesh`` or ``splat``.
        quality: on the codec's own scale; None when it has none.
        file: path below the folder that was measured.
        bytes: size of the encoded file on disk.
        units: pixels of the picture, samples of all channels, vertices of the mesh, or splats.
        metrics: ``identical``, and what the medium measures. Of pictures: ``psnr_db`` (None when
            infinite), ``ms_ssim`` and ``ms_ssim_db`` (None when the picture is too small for them).
        encode_seconds: median of the repeats, memory to bytes in memory.
        decode_seconds: median of the repeats, bytes in memory to memory.
        threads: that the codec may use.
        repeats: how often each was timed.
        versions: of the software that did the work.
        model: id of the model, six hexadecimal digits; None without weights.
        seed: of the order of work and of codecs that draw random numbers.
        error: why there is no result; None when there is one.
        encode_cpu_seconds, decode_cpu_seconds: of the process, all its threads together; median.
    """

    codec: str
    medium: str
    quality: float | None
    file: str
    bytes: int | None
    units: int | None
    metrics: Mapping[str, float | bool | None]
    encode_seconds: float | None
    decode_seconds: float | None
    threads: int
    repeats: int
    versions: str
    model: str | None
    seed: int
    error: str | None = None
    encode_cpu_seconds: float | None = None
    decode_cpu_seconds: float | None = None

    def to_json(self) -> dict[str, Any]:
        """A JSON-able object with one key per metric."""
        fields = {field.name: getattr(self, field.name) for field in dataclasses.fields(self)}
        flat: dict[str, Any] = {}
        for name, value in fields.items():
            flat |= dict(value) if name == "metrics" else {name: value}
        return flat

    @property
    def bpp(self) -> float:
        """Bits of file per pixel, vertex or splat.

        Raises:
            InputError: there is no result.
        """
        if self.bytes is None or not self.units:
            raise InputError(f"{self.file}: {self.codec} has no result")
        return metrics.bits_per_pixel(self.bytes, self.units)


def distances(original: Pixels, decoded: Pixels) -> dict[str, float | bool | None]:
    """Every metric of a picture; None where it is infinite or not defined."""
    psnr = metrics.psnr_db(original, decoded)
    similarity = None
    if min(original.shape[:2]) >= metrics.MS_SSIM_SHORTEST_SIDE:
        similarity = metrics.ms_ssim(original, decoded) if math.isfinite(psnr) else 1.0
    similarity_db = math.inf if similarity is None else metrics.similarity_db(similarity)
    return {
        "psnr_db": psnr if math.isfinite(psnr) else None,
        "ms_ssim": similarity,
        "ms_ssim_db": similarity_db if math.isfinite(similarity_db) else None,
        "identical": metrics.identical(original, decoded),
    }


def append_record(record: Record, path: Path) -> None:
    """One more line of JSON in ``path``, so that a run that is cut off keeps what it has measured.

    Raises:
        InputError: the system refuses.
    """
    line = json.dumps(record.to_json(), ensure_ascii=False) + "\n"
    try:
        with path.open("a", encoding="utf-8") as file:
            file.write(line)
    except OSError as error:
        raise InputError(f"cannot write {path}: {error.strerror or error}") from None


def write_records(records: Sequence[Record], path: Path) -> None:
    """A JSON list with one object a line, replacing ``path`` whole."""
    lines = [json.dumps(record.to_json(), ensure_ascii=False) for record in records]
    text = "[\n" + ",\n".join(lines) + "\n]\n"
    write_atomically(path, text.encode(), force=True)
