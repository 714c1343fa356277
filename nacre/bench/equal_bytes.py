"""Recordings at the same bytes: the first codec at a rate, the others at the size of its file.

    from nacre.bench.equal_bytes import run_at_equal_bytes

The settings of lossy codecs are searched file by file, so that figures need no interpolation.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from nacre.bench.peers import RANGES, Candidate
from nacre.bench.records import Record
from nacre.bench.runner import Plan, failed, timed
from nacre.errors import InputError

TRIALS = 14
"""Encodings at most for a file, codec and rate, beside those of the ends of its scale."""
NEAR = 0.005
"""Share of the bytes aimed at that is near enough to stop."""


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
    sizes: dict[str, dict[float, int]] = {one.name: {} for one in plan.candidates}
    for rate in rates:
        aim = round(125 * rate * audio.seconds)
        for place, one in enumerate(plan.candidates):
            try:
                setting = closest(
                    one, audio, aim, plan.threads, at_most=place == 0, sizes=sizes[one.name]
                )
                record = _record(plan, one, setting, rate, aim, path, audio)
            except Exception as error:  # whatever a codec does, the others are measured
                yield failed(plan, one, rate, path, error)
                if place == 0:
                    rest = InputError(f"{one.name}, whose bytes were to be met, failed")
                    yield from (failed(plan, o, rate, path, rest) for o in plan.candidates[1:])
                    break
                continue
            yield record
            if place == 0:
                aim = record.bytes or aim


def closest(
    one: Candidate,
    thing: Any,
    aim: int,
    threads: int,
    *,
    at_most: bool,
    sizes: dict[float, int],
    whole: bool = False,
    trials: int = TRIALS,
    near: float = NEAR,
) -> float:
    """The setting whose file is nearest to ``aim`` bytes.

    Args:
        one: whose bytes grow with its quality.
        thing: to encode.
        aim: in bytes.
        threads: for the codec.
        at_most: larger files count only where there is no other.
        sizes: of ``thing``'s files by setting, as far as they are known; more are added. What is
            looked for lies between them; when there is none, anywhere on the scale.
        whole: settings are whole numbers.
        trials: encodings at most, beside those of the ends of the scale.
        near: the share of ``aim`` that is near enough to stop.
    """
    if not sizes:
        sizes |= {end: len(one.encode(thing, end, threads)) for end in RANGES[one.scale]}

    def loss(setting: float) -> tuple[bool, float]:
        return at_most and sizes[setting] > aim, abs(math.log(sizes[setting] / aim))

    for trial in range(trials):
        best = min(sizes, key=loss)
        over, distance = loss(best)
        below = max((x for x in sizes if sizes[x] <= aim), default=None)
        above = min((x for x in sizes if sizes[x] > aim), default=None)
        if (distance <= near and not over) or below is None or above is None or not below < above:
            break
        setting = _between(below, above, _share(sizes, below, above, aim) if trial % 3 else 0.5)
        setting = round(setting) if whole else setting
        if setting in sizes:
            break
        sizes[setting] = len(one.encode(thing, setting, threads))
    return min(sizes, key=loss)


def _share(sizes: Mapping[float, int], below: float, above: float, aim: int) -> float:
    """Where ``aim`` lies between two sizes, by ratios; not at either end."""
    whole = math.log(sizes[above] / sizes[below])
    share = math.log(aim / sizes[below]) / whole if whole else 0.5
    return min(max(share, 0.02), 0.98)


def _between(below: float, above: float, share: float) -> float:
    """Rates go by ratio, qualities by difference."""
    if below > 0:
        return below * math.exp(share * math.log(above / below))
    return below + share * (above - below)


def _record(
    plan: Plan, one: Candidate, setting: float, rate: float, aim: int, path: Path, audio: Any
) -> Record:
    """What a file at the setting that was found is like."""
    encoding, data = timed(plan.repeats, one.encode, audio, setting, plan.threads)
    decoding, decoded = timed(plan.repeats, one.decode, data, plan.threads)
    figures = plan.medium.distances(one, audio, decoded, setting)
    more = {"setting": setting, "aim_bytes": aim}
    record = Record(
        one.name, one.medium, rate, path.relative_to(plan.folder).as_posix(), len(data),
        plan.medium.units(audio), {**figures, **more}, encoding.wall, decoding.wall,
        plan.threads, plan.repeats, one.software(), one.model, plan.seed,
    )  # fmt: skip
    return replace(record, encode_cpu_seconds=encoding.cpu, decode_cpu_seconds=decoding.cpu)
