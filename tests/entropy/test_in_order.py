"""Work on several threads comes back in order, lazily, and may be abandoned."""

from __future__ import annotations

import threading

import pytest

from nacre.entropy.in_order import in_order


@pytest.mark.parametrize("threads", [1, 2, 5])
def test_results_are_those_of_map(threads: int) -> None:
    assert list(in_order(lambda n: n * n, range(40), threads)) == [n * n for n in range(40)]


@pytest.mark.parametrize("threads", [1, 3])
def test_no_more_is_taken_than_two_items_a_thread(threads: int) -> None:
    taken: list[int] = []

    def items():  # type: ignore[no-untyped-def]
        for n in range(100):
            taken.append(n)
            yield n

    results = in_order(str, items(), threads)
    for n in range(10):
        assert next(results) == str(n)
        assert len(taken) <= n + 1 + 2 * threads


@pytest.mark.parametrize("threads", [1, 2])
def test_an_error_is_the_callers(threads: int) -> None:
    results = in_order(lambda n: 1 // n, [2, 1, 0, 1], threads)
    assert [next(results), next(results)] == [0, 1]
    with pytest.raises(ZeroDivisionError):
        next(results)


def test_ending_it_early_waits_for_nothing() -> None:
    blocked, started = threading.Event(), threading.Event()

    def work(n: int) -> int:
        if n:
            started.set()
            blocked.wait(30)
        return n

    try:
        results = in_order(work, range(8), 2)
        assert next(results) == 0
        assert started.wait(30)
        results.close()  # type: ignore[attr-defined]
        assert not blocked.is_set()
    finally:
        blocked.set()


def test_a_result_is_there_while_the_next_item_is_awaited() -> None:
    sent = threading.Event()

    def items():  # type: ignore[no-untyped-def]
        yield 1
        assert sent.wait(30)
        yield 2

    results = in_order(lambda n: 10 * n, items(), 2)
    assert next(results) == 10
    sent.set()
    assert list(results) == [20]


def test_what_items_raise_is_the_callers() -> None:
    def items():  # type: ignore[no-untyped-def]
        yield 1
        raise KeyError("no more")

    results = in_order(str, items(), 2)
    assert next(results) == "1"
    with pytest.raises(KeyError, match="no more"):
        next(results)
