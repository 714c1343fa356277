"""``map`` on several threads, in order, with few results held at a time."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from queue import SimpleQueue
from typing import Any


def in_order(work: Callable[[Any], Any], items: Iterable[Any], threads: int) -> Iterator[Any]:
    """``map`` on several threads that holds no more than two results for each of them.

    A result is there as soon as it is made, also while the next item is still awaited: a thread of
    its own takes the items, as a pipe may not give the next one for long.

    A reader may stop before the end, as it does after an error. Nothing is waited for then: the
    garbage collector may end this generator on any thread, also on one that has just been born and
    holds locks that waiting would need.
    """
    if threads <= 1:
        yield from map(work, items)
        return
    pool = ThreadPoolExecutor(threads)
    found: SimpleQueue[Future[Any] | BaseException | None] = SimpleQueue()
    room, stopped = threading.Semaphore(2 * threads), threading.Event()
    threading.Thread(
        target=_feed, args=(work, items, pool, found, room, stopped), daemon=True
    ).start()
    try:
        while (future := found.get()) is not None:
            if isinstance(future, BaseException):
                raise future
            result = future.result()
            room.release()
            yield result
    finally:
        stopped.set()
        room.release()
        pool.shutdown(wait=False, cancel_futures=True)


def _feed(
    work: Callable[[Any], Any],
    items: Iterable[Any],
    pool: ThreadPoolExecutor,
    found: SimpleQueue[Future[Any] | BaseException | None],
    room: threading.Semaphore,
    stopped: threading.Event,
) -> None:
    """Hand items to the pool and their futures to the reader, until it has stopped."""
    iterator = iter(items)
    try:
        while room.acquire() and not stopped.is_set():
            found.put(pool.submit(work, next(iterator)))
    except StopIteration:
        found.put(None)
    except BaseException as error:  # it is the reader's
        if not stopped.is_set():
            found.put(error)
