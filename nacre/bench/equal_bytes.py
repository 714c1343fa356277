"""Recordings at the same bytes: the first codec at a rate, the others at the size of its file.

    from nacre.bench.equal_bytes import run_at_equal_bytes

The settings of lossy codecs are searched file by file, so that figures need no interpolation.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, NamedTuple

from nacre.bench.peers import RANGES, Candidate
from nacre.bench.records import Record
from nacre.bench.runner import Plan, failed, timed
from nacre.errors import InputError

TRIALS = 16
"""Encodings at most for a file, codec and rate."""
NEAR = 0.005
"""Share of the bytes aimed at that is near enough to stop."""


class Found(NamedTuple):
    """A setting, and the file that it gives."""

    setting: float
    data: bytes


def run_at_equal_bytes(
    plan: Plan, rates: Sequence[float], on_record: Callable[[Record], None] | None = None
) -> list[Record]:
    """Records whose quality is the rate that was asked for, in kbit/s.

    The first candidate has at most so many bytes, if a setting of it has; each other one as nearly
    as it can the bytes of that file (``aim_bytes``), with its ``setting``.

    Args:
        plan: lossy candidates; their qualities do not matter.
        rates: in kbit/s of whole files.
        on_record: called with each record as it is made.

    Raises:
        InputError: a rate is not above 0, or a candidate has no setting to search.
    """
    if not rates or min(rates) <= 0:
        raise InputError(f"{', '.join(map(str, rates)) or 'no'} kbit/s: above 0 is expected")
    for one in plan.candidates:
        if not one.qualities:
            raise InputError(f"{one.name} has no quality, so that its bytes cannot be chosen")
    records = []
    for path in plan.files:
        for record in _of_file(plan, path, sorted(set(rates))):
            records.append(record)
            if on_record is not None:
                on_record(record)
    order = [one.name for one in plan.candidates]
    return sorted(records, key=lambda r: (r.quality or 0, order.index(r.codec), r.file))


def _of_file(plan: Plan, path: Path, rates: Sequence[float]) -> Iterator[Record]:
    try:
        audio = plan.medium.load(path)
    except Exception as error:  # whatever a file does, the others are measured
        for rate in rates:
            yield from (failed(plan, one, rate, path, error) for one in plan.candidates)
        return
    for rate in rates:
        aim = round(125 * rate * audio.seconds)
        for place, one in enumerate(plan.candidates):
            try:
                found = closest(one, audio, aim, plan.threads, at_most=place == 0)
                record = _record(plan, one, found, rate, aim, path, audio)
            except Exception as error:  # whatever a codec does, the others are measured
                yield failed(plan, one, rate, path, error)
                if place == 0:
                    rest = InputError(f"{one.name}, whose bytes were to be met, failed")
                    yield from (failed(plan, o, rate, path, rest) for o in plan.candidates[1:])
                    break
                continue
            yield record
            if place == 0:
                aim = len(found.data)


def closest(one: Candidate, thing: Any, aim: int, threads: int, *, at_most: bool) -> Found:
    """The setting whose file is nearest to ``aim`` bytes; the ends of the scale are tried first.

    Args:
        one: whose bytes grow with its quality.
        thing: to encode.
        aim: in bytes.
        threads: for the codec.
        at_most: larger files count only where there is no other.
    """
    low, high = RANGES[one.scale]
    tried: list[Found] = []

    def attempt(setting: float) -> int:
        tried.append(Found(setting, one.encode(thing, setting, threads)))
        return len(tried[-1].data)

    def loss(found: Found) -> tuple[bool, float]:
        size = len(found.data)
        return at_most and size > aim, abs(math.log(size / aim))

    if attempt(low) < aim and attempt(high) > aim:
        while len(tried) < TRIALS:
            # Rates are searched by ratio, qualities by difference.
            middle = math.sqrt(low * high) if low > 0 else (low + high) / 2
            size = attempt(middle)
            low, high = (middle, high) if size <= aim else (low, middle)
            if abs(size / aim - 1) <= NEAR and not (at_most and size > aim):
                break
    return min(tried, key=loss)


def _record(
    plan: Plan, one: Candidate, found: Found, rate: float, aim: int, path: Path, audio: Any
) -> Record:
    """The file that was found, encoded once more for the time that it takes."""
    encoding, data = timed(plan.repeats, one.encode, audio, found.setting, plan.threads)
    decoding, decoded = timed(plan.repeats, one.decode, data, plan.threads)
    figures = plan.medium.distances(one, audio, decoded, found.setting)
    more = {"setting": found.setting, "aim_bytes": aim}
    record = Record(
        one.name, one.medium, rate, path.relative_to(plan.folder).as_posix(), len(data),
        plan.medium.units(audio), {**figures, **more}, encoding.wall, decoding.wall,
        plan.threads, plan.repeats, one.software(), one.model, plan.seed,
    )  # fmt: skip
    return replace(record, encode_cpu_seconds=encoding.cpu, decode_cpu_seconds=decoding.cpu)
