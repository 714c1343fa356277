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

    A reader may stop before the end, as it does after an error. Then the garbage collector may end
    this generator in the middle of anything, also of what the taking thread does with its locks; so
    all that is done at the end is to put into a SimpleQueue, which is made for that.
    """
    if threads <= 1:
        yield from map(work, items)
        return
    found: SimpleQueue[Future[Any] | BaseException | None] = SimpleQueue()
    room: SimpleQueue[bool] = SimpleQueue()
    for _ in range(2 * threads):
        room.put(True)
    feeding = threading.Thread(target=_feed, args=(work, items, threads, found, room), daemon=True)
    feeding.start()
    try:
        while (future := found.get()) is not None:
            if isinstance(future, BaseException):
                raise future
            result = future.result()
            room.put(True)
            yield result
    finally:
        room.put(False)


def _feed(
    work: Callable[[Any], Any],
    items: Iterable[Any],
    threads: int,
    found: SimpleQueue[Future[Any] | BaseException | None],
    room: SimpleQueue[bool],
) -> None:
    """Hand items to a pool and their futures to the reader, until there is no more room."""
    pool, iterator = ThreadPoolExecutor(threads), iter(items)
    try:
        while room.get():
            found.put(pool.submit(work, next(iterator)))
        pool.shutdown(wait=False, cancel_futures=True)
    except StopIteration:
        found.put(None)
    except BaseException as error:  # it is the reader's
        found.put(error)
    finally:
        pool.shutdown(wait=False)
