"""``map`` on several threads, in order, with few results held at a time."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any


def in_order(work: Callable[[Any], Any], items: Iterable[Any], threads: int) -> Iterator[Any]:
    """``map`` on several threads that holds no more than two results for each of them.

    A reader may stop before the end, as it does after an error. Nothing is waited for then: the
    garbage collector may end this generator on any thread, also on one that has just been born and
    holds locks that waiting would need.
    """
    if threads <= 1:
        yield from map(work, items)
        return
    waiting: list[Future[Any]] = []
    pool = ThreadPoolExecutor(threads)
    try:
        for item in items:
            waiting.append(pool.submit(work, item))
            if len(waiting) >= 2 * threads:
                yield waiting.pop(0).result()
        for future in waiting:
            yield future.result()
    finally:
        pool.shutdown(wait=False, cancel_futures=True)
