"""What a fit asks of a cluster: tasks, their results, and a reason where none come."""

import asyncio
import uuid
from collections.abc import Callable, Iterable, Sequence
from typing import Any, NamedTuple

import distributed
from dask.delayed import Delayed

from fastrnn.estimators.interrupts import NotedInterrupts

PATIENCE = 60.0
"""Seconds that a cluster may do nothing of what it was asked before that is an error."""

LOOKS_EVERY = 1.0
"""Seconds from one look at what a cluster does to the next."""

HEARS_EVERY = 0.1
"""Seconds that an interrupt waits at most to be heard."""


# Functions inside others are sent by value: where they run there may be no fastrnn.
def _make_kind():
    def kind():
        import fastrnn
        from fastrnn.kernels.vector_math import level

        return fastrnn.__version__, level()

    return kind


def _make_lost():
    def lost(keys, dask_scheduler=None):
        """The keys of data, among what these need, of which nobody knows how to make them again."""
        found, seen, left = [], set(), list(keys)
        while left:
            task = dask_scheduler.tasks.get(left.pop())
            if task is None or task.key in seen:
                continue
            seen.add(task.key)
            if task.run_spec is None:
                found.append(str(task.key))
            left += [needed.key for needed in task.dependencies]
        return sorted(found)

    return lost


def _make_idle():
    def idle(keys, dask_scheduler=None):
        """Why nothing is done for these keys; None if something is."""
        workers = dask_scheduler.workers.values()
        running = [worker for worker in workers if worker.status.name == "running"]
        if not running:
            states = [f"{worker.address} is {worker.status.name}" for worker in workers]
            return ", ".join(states) or "it has no workers"
        why, seen, left = "results do not come from the workers that have them", set(), list(keys)
        while left:
            task = dask_scheduler.tasks.get(left.pop())
            if task is None or task.key in seen:
                continue
            seen.add(task.key)
            worker = task.processing_on
            if task.state == "queued" or (worker and worker.status.name == "running"):
                return None
            if task.state != "memory":
                why = f"{task.key} is in state {task.state!r}"
                left += [needed.key for needed in task.dependencies]
            if task.state == "no-worker":
                return f"no worker is one on which {task.key} may run"
        return why

    return idle


kind, _lost, _idle = _make_kind(), _make_lost(), _make_idle()


class Task:
    """What a worker does: ``run(*told, *data)``, if it computes as the client does."""

    def __init__(self, run: Callable[..., Any], *told: Any) -> None:
        self.kind, self.run, self.told = kind(), run, told

    def __call__(self, *data: Any) -> Any:
        """Do it."""
        if kind() != self.kind:
            raise ValueError(_other_kind(distributed.get_worker().address, kind(), self.kind))
        return self.run(*self.told, *data)


class Call(NamedTuple):
    """What is asked of a cluster: ``run(*told, *data)``, on the worker `home` if that can be."""

    name: str  # on the dashboard
    run: Callable[..., Any]
    told: tuple[Any, ...] = ()
    data: Sequence[Any] = ()  # futures
    home: str | None = None


def same(value: Any) -> Any:
    """What is to lie on a worker."""
    return value


def _other_kind(address, found, own):
    return (
        f"worker {address} has fastrnn {found[0]} at level {found[1]!r}, the client {own[0]} at "
        f"{own[1]!r}: install the same version, and set FASTRNN_LEVEL to a level that all "
        "processors have"
    )


class Cluster:
    """The workers of a client, as long as something is asked of them.

    `close` lets the cluster forget all of it, but for what others have asked, too. Where there are
    `NotedInterrupts`, `ask` heeds them.
    """

    def __init__(self, client: Any, interrupts: NotedInterrupts | None = None) -> None:
        if client.asynchronous:
            raise TypeError("client is asynchronous, expected one with asynchronous=False")
        self.client, self._interrupts = client, interrupts
        self._asked: set[Any] = set()  # futures

    def close(self) -> None:
        """Let the cluster forget all that was asked."""
        self.release(list(self._asked))

    def release(self, futures: Iterable[Any]) -> None:
        """Let the cluster forget some of what was asked."""
        for future in self._asked.intersection(futures):
            self._asked.discard(future)
            future.release()

    def check_workers(self) -> None:
        """Refuse workers that do not compute as this process does."""
        told = self.client.sync(self.client.run, kind, on_error="return", callback_timeout=PATIENCE)
        for address, found in sorted(told.items()):
            if isinstance(found, ImportError):
                raise ValueError(f"worker {address} has no fastrnn that it can load: {found}")
            if not isinstance(found, BaseException) and found != kind():  # else it has left
                raise ValueError(_other_kind(address, found, kind()))

    def check_recipes(self, futures: Iterable[Any]) -> None:
        """Refuse data that could not be computed again."""
        lost = self.client.run_on_scheduler(_lost, [future.key for future in futures])
        if lost:
            raise ValueError(
                f"the data {lost[0]!r} were sent to the workers, as by client.scatter, and would "
                "be lost with one: give what computes them, such as client.submit(load, ...) or "
                "delayed(load)(...)"
            )

    def slots(self) -> dict[str, int]:
        """How many threads each worker has, by its address."""
        return dict(self.client.nthreads())

    def homes(self, futures: Sequence[Any]) -> list[str | None]:
        """The address of a worker that has each result, None where there is none."""
        having = self.client.who_has(futures)
        return [next(iter(sorted(having.get(future.key, ()))), None) for future in futures]

    def start(self, calls: Iterable[Call]) -> list[Any]:
        """The futures of `Call` objects."""
        return self.client.sync(self._start, calls)

    async def _start(self, calls):
        # In the thread of the client, which no Ctrl-C interrupts: nothing is forgotten.
        futures = []
        for call in calls:
            where = {}
            if call.home is not None:
                where = {"workers": [call.home], "allow_other_workers": True}
            key = f"fastrnn-{call.name}-{uuid.uuid4().hex}"
            task = Task(call.run, *call.told)
            futures.append(self.client.submit(task, *call.data, key=key, pure=False, **where))
            self._asked.add(futures[-1])
        return futures

    def compute(self, partitions: Sequence[Sequence[Any]]) -> list[list[Any]]:
        """The futures of delayed objects, among which may be futures, of each partition."""
        parts = [part for partition in partitions for part in partition]
        futures = self.client.compute([part for part in parts if isinstance(part, Delayed)])
        self._asked.update(futures)
        of_delayed = iter(futures)
        return [
            [next(of_delayed) if isinstance(part, Delayed) else part for part in partition]
            for partition in partitions
        ]

    def ask(self, calls: Iterable[Call]) -> list[Any]:
        """What calls return; raise their error, or one that says why nothing is done."""
        try:
            results = self.client.sync(self._ask, calls)
        except distributed.KilledWorker as error:
            raise RuntimeError(
                f"workers that did {error.task} died, one after the other: most often their memory "
                "does not suffice; smaller partitions need less"
            ) from error
        except (_Gone, TimeoutError):
            raise
        except Exception:
            self.check_workers()  # one that came later may be the reason
            raise
        if results is None and self._interrupts is not None:
            self._interrupts.stop()
        return results

    async def _ask(self, calls):
        """The results, or None if there is an interrupt."""
        futures = await self._start(calls)
        gathering = asyncio.ensure_future(self.client.gather(futures, asynchronous=True))
        keys, clock = [future.key for future in futures], asyncio.get_running_loop().time
        active = looked = clock()
        try:
            while True:
                await asyncio.wait([gathering], timeout=HEARS_EVERY)
                if self._interrupts and self._interrupts.seen:
                    return None
                if gathering.done():
                    return gathering.result()
                if clock() - looked < LOOKS_EVERY:
                    continue
                looked = clock()
                asked = self.client.run_on_scheduler(_idle, keys)
                why = await asyncio.wait_for(asked, PATIENCE)
                if why is None:
                    active = clock()
                elif clock() - active > PATIENCE:
                    raise TimeoutError(
                        f"the cluster has done nothing of what it was asked for {PATIENCE:g} s: "
                        f"{why}"
                    )
        except distributed.client.FutureCancelledError as error:
            raise _Gone(f"the cluster gave up what it was asked: {error}") from None
        finally:
            self.release(futures)  # which ends the gathering, too
            gathering.add_done_callback(_know)


def _know(gathering):
    """Take note of how it ended, or asyncio prints that nobody has."""
    if not gathering.cancelled():
        gathering.exception()


class _Gone(RuntimeError):
    """Somebody cancelled the tasks, or the scheduler ended."""
