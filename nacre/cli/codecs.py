"""``nacre codecs``: which codecs and models there are."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

import typer

from nacre.cli.common import failure, print_json
from nacre.errors import ModelError
from nacre.models import ModelCard, folders, model_files, read_card
from nacre.registry import CodecEntry, entries


@dataclass(frozen=True)
class Listing:
    """The ``--json`` record."""

    codecs: list[CodecEntry]
    models: list[ModelCard]


def codecs(
    json: Annotated[
        bool, typer.Option("--json", help="Write one JSON object to standard output.")
    ] = False,
) -> int:
    """List codecs and models."""
    worst, cards = 0, []
    for path in model_files():
        try:
            cards.append(read_card(path))
        except ModelError as error:
            worst = max(worst, failure(error))
    listing = Listing(entries(), cards)
    if json:
        print_json(listing)
        return worst
    print("codecs")
    for entry in listing.codecs:
        kind = "lossless" if entry.lossless else "either" if entry.exact else "lossy"
        print(f"  {entry.name:18}{entry.number:>4}  {entry.medium:8}{kind:10}{entry.summary}")
    print(f"models in {' and '.join(map(str, folders()))}")
    for card in cards:
        trained = f"{card.steps:,} steps on {card.data}" if card.data else ""
        print(f"  {card.name:30}{card.id}  {card.codec:18}{trained}")
    if not cards:
        print("  none")
    return worst
