import pytest

from nacre.bench.coder import compare

pytest.importorskip("compressai")


def test_both_coders_spend_the_same_bits_near_the_entropy() -> None:
    rows = {row.coder: row for row in compare(symbols=400_000, runs=1)}
    theirs = rows.pop("CompressAI")
    assert 0 < theirs.above_entropy < 1e-3
    rows.pop("CompressAI, lists at hand")
    assert len(rows) == 4
    for row in rows.values():
        assert row.bits_per_symbol == pytest.approx(theirs.bits_per_symbol, rel=1e-3)
        assert 0 < row.above_entropy < 1e-3
        # Half of what docs/entropy.md states, for machines that are busy with other work.
        assert row.encode_msymbols > 2.5 * theirs.encode_msymbols
        assert row.decode_msymbols > 1.5 * theirs.decode_msymbols


@pytest.mark.slow
def test_the_stated_factors() -> None:
    rows = {row.coder: row for row in compare(runs=15)}
    theirs = rows["CompressAI"]
    for name, encoding, decoding in (
        ("nacre", 4.5, 2.7),
        ("nacre, unchecked, groups at hand", 5, 3),
        ("nacre, symbol by symbol", 5, 3),
    ):
        assert rows[name].encode_msymbols > encoding * theirs.encode_msymbols
        assert rows[name].decode_msymbols > decoding * theirs.decode_msymbols
