# SPDX-License-Identifier: Apache-2.0
"""Watches the pairs of a host, in threads of nova-compute.

It starts again what died, and passes on what the shadow-device processes
report: a gap in a console is logged and notified (``dmore.console.gap``),
never hidden.

That something happened to a pair is told by libvirt's events of Domain R
(:meth:`Watch.changed`), by a request that waits at each shadow-device process
and whose connection ends with it, and by whoever changes the pair. What none
of them tells is found when each pair is checked once a minute.
"""

import asyncio
import dataclasses
import random
import threading
import time
from collections.abc import Callable
from collections.abc import Coroutine
from typing import Any, TYPE_CHECKING

from oslo_log import log as logging

from nova_dmore.channel import text
from nova_dmore import exception
from nova_dmore.virt.care import aside
from nova_dmore.virt.care import gap_wait
from nova_dmore.virt.care import pair_care
from nova_dmore.virt.care import service_wait
from nova_dmore.virt.pair import record as record_module
if TYPE_CHECKING:
    from nova import context as nova_context

    from nova_dmore.virt.care import late_pairs
    from nova_dmore.virt.care import reconcile
    from nova_dmore.virt.care import renewal as renewal_module
    from nova_dmore.virt.care import reporter as reporter_module
    from nova_dmore.virt.pair import pairs as pairs_module

LOG = logging.getLogger(__name__)

Condition = pair_care.Condition

#: A pair of which nothing can be said yet is checked again after so many
#: seconds, and no pair is checked more often.
_AGAIN_S = 1.0
#: A pair that cannot be rebuilt is tried again after this many seconds,
#: doubled each time up to the limit.
_FIRST_RETRY_S = 2.0
_LAST_RETRY_S = 300.0
#: How long the end of nova-compute waits for what is being done.
_STOP_S = 10.0
#: So many pairs are rebuilt at the same time: Domain Rs that start together
#: make each other slow.
_REBUILT_AT_ONCE = 4
#: How often ports are swept whose instances are no more, or that were
#: made by an earlier release; and when it is tried again, if it failed.
_SWEEP_S = 1800.0
_SWEEP_RETRY_S = 30.0


@dataclasses.dataclass
class _Watched:
    """A pair, as the watch's own thread sees it."""

    #: Its gaps are waited for.
    gaps: gap_wait.GapWait
    #: Set when something may have happened to it.
    changed: asyncio.Event = dataclasses.field(default_factory=asyncio.Event)
    #: Whether its shadow-device process answered when it was asked last.
    answers: bool = False


class Watch:
    """Started in ``init_host``, stopped in ``cleanup_host``.

    One thread waits for what happens, with a task for each pair. It does
    nothing that could block: what has to be done with a pair is done in a
    thread that ends with it, so no pair waits for another one. A pair that is
    to be rebuilt waits here for its turn, and nothing of it is locked.

    :param pairs: a :class:`nova_dmore.virt.pair.pairs.Pairs`.
    :param reporter: a :class:`nova_dmore.virt.care.reporter.Reporter`.
    :param interval: seconds after which a pair is checked of which nothing
        was heard.
    :param context: an admin ``RequestContext``.
    :param reconciler: a
        :class:`nova_dmore.virt.care.reconcile.Reconciler`.
    :param renewal: a :class:`nova_dmore.virt.care.renewal.Renewal`.
    :param late: a :class:`nova_dmore.virt.care.late_pairs.LatePairs`.
    """

    def __init__(self, pairs: 'pairs_module.Pairs',
                 reporter: 'reporter_module.Reporter', interval: float,
                 context: 'nova_context.RequestContext',
                 reconciler: 'reconcile.Reconciler',
                 renewal: 'renewal_module.Renewal',
                 late: 'late_pairs.LatePairs') -> None:
        self._pairs = pairs
        self._reporter = reporter
        self._interval = interval
        self._again = min(_AGAIN_S, interval)
        self._reconciler = reconciler
        self._renewal = renewal
        self._late = late
        self._care = pair_care.PairCare(pairs, reporter, context, reconciler)
        self._aside = aside.Aside('dmore-watch-aside')
        #: None: it was never started.
        self._loop: asyncio.AbstractEventLoop | None = None
        #: What is done besides, and how often, in seconds; None: as often as
        #: pairs are checked.
        self._also: list[tuple[Callable[[], object], float | None]] = []
        pairs.on_change = self.changed

    # -- called by other threads --------------------------------------------

    def also(self, function: Callable[[], object],
             interval_s: float | None = None) -> None:
        """Do something more for the whole host, now and then; called before
        :meth:`start`.

        :param function: called in a thread of its own, in which it may block;
            what it raises is logged, and it is called again as usual; or
            after so many seconds as it returns, as a float.
        :param interval_s: None: as often as pairs are checked.
        """
        self._also.append((function, interval_s))

    def not_moving(self) -> list[record_module.PairRecord]:
        """The records of the pairs that are not being moved."""
        return [record for record in self._pairs.records.all()
                if not self._care.is_moving(record.instance_uuid)]

    def check(self, instance_uuid: str) -> Condition:
        """See :meth:`pair_care.PairCare.check`."""
        return self._care.check(instance_uuid)

    def start(self) -> None:
        """Find the pairs of this host, and watch them from now on.

        Called once more for a service that was stopped and starts again.
        """
        if self._loop is not None:
            self.stop()
        # Nothing of an event loop is of use in another one.
        self._watched: dict[str, _Watched] = {}
        self._tasks: set[asyncio.Task[None]] = set()
        #: Set when the configuration was read again.
        self._options: list[asyncio.Event] = []
        self._rebuilds = asyncio.Semaphore(_REBUILT_AT_ONCE)
        self._service = service_wait.ServiceWait(
            lambda: self._aside.call(self._pairs.shadows.is_service_there),
            self._again)
        self._ends = asyncio.Event()
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(
            target=self._run, name='dmore-watch', daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """Begin nothing more; returns when what is being done has ended,
        unless that takes long."""
        deadline = time.monotonic() + _STOP_S
        self._post(self._ends.set)
        self._thread.join()
        self._aside.join(deadline)
        self._reporter.flush(max(0, deadline - time.monotonic()))

    def changed(self, instance_uuid: str) -> None:
        """Something may have happened to a pair: check it.

        Called by the driver for libvirt's events of Domain R, and for each
        change of a pair. Returns at once.
        """
        self._post(self._on_change, instance_uuid)

    def options_changed(self) -> None:
        """The configuration was read again: see at once what of it is
        another. Returns at once."""
        self._post(self._on_options)

    def leave_alone(self, instance_uuid: str) -> None:
        """See :meth:`pair_care.PairCare.leave_alone`."""
        self._care.leave_alone(instance_uuid)

    def watch_again(self, instance_uuid: str) -> None:
        """Undo :meth:`leave_alone`."""
        self._care.watch_again(instance_uuid)
        self.changed(instance_uuid)

    def collect_gaps(self, instance_uuid: str) -> None:
        """See :meth:`pair_care.PairCare.collect_gaps`."""
        self._care.collect_gaps(instance_uuid)

    def _post(self, function: Callable[..., object], *arguments: Any) -> None:
        """Have the watch's own thread call it, if there is one."""
        if self._loop is not None:
            try:
                self._loop.call_soon_threadsafe(function, *arguments)
            except RuntimeError:
                pass    # it has ended

    # -- its own thread -----------------------------------------------------

    def _run(self) -> None:
        loop = self._loop
        assert loop is not None     # start() has made it
        # It cancels at its end what is left.
        with asyncio.Runner(loop_factory=lambda: loop) as runner:
            runner.run(self._main())

    async def _main(self) -> None:
        self._begin(self._repeat(self._find_pairs, self._interval,
                                 self._again))
        self._begin(self._repeat(self._renew, self._interval, self._again))
        self._begin(self._repeat(self._late.make, self._interval,
                                 _SWEEP_RETRY_S))
        for sweep in (self._reconciler.sweep, self._secure_ports):
            self._begin(self._repeat(sweep, _SWEEP_S, _SWEEP_RETRY_S))
        for function, interval_s in self._also:
            interval_s = interval_s or self._interval
            self._begin(self._repeat(function, interval_s, interval_s))
        await self._ends.wait()

    def _begin(self, coroutine: Coroutine[Any, Any, None]) -> None:
        task = asyncio.create_task(coroutine)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _repeat(self, function: Callable[[], object], interval_s: float,
                      retry_s: float) -> None:
        """Do something for the whole host, now and then.

        :param function: returns True when there is more to do soon, or when.
        :param retry_s: seconds after which it is tried again if it failed.
        """
        options = asyncio.Event()
        self._options.append(options)
        while True:
            options.clear()
            wait_s = interval_s
            try:
                more = await self._aside.call(function)
                if more is True:
                    wait_s = self._again
                elif isinstance(more, float):
                    wait_s = min(more, interval_s)
            except Exception as error:  # noqa: H201
                # Whatever is wrong for a while must not end the task: nobody
                # begins it again.
                if await self._service.was_away(error):
                    continue
                LOG.error(
                    'The pairs of this host: %s', text.printable(error),
                    exc_info=not isinstance(error, exception.DMoreError))
                wait_s = retry_s
            await self._pause(options, wait_s)

    def _on_options(self) -> None:
        for each in self._options:
            each.set()

    def _find_pairs(self) -> None:
        for record in self._pairs.records.all():
            self._post(self._watch, record.instance_uuid)

    def _renew(self) -> bool:
        return self._renewal.renew_one(self.not_moving())

    def _secure_ports(self) -> None:
        self._pairs.addresses.secure(self._pairs.host)

    def _on_change(self, instance_uuid: str) -> None:
        self._watch(instance_uuid).changed.set()

    def _watch(self, instance_uuid: str) -> _Watched:
        if instance_uuid not in self._watched:
            self._watched[instance_uuid] = _Watched(gap_wait.GapWait(
                lambda: self._aside.call(
                    self._care.wait_for_gaps, instance_uuid),
                self._interval))
            self._begin(self._watch_pair(instance_uuid))
        return self._watched[instance_uuid]

    async def _watch_pair(self, uuid: str) -> None:
        """Watch a pair until it is gone."""
        pair = self._watched[uuid]
        gaps = asyncio.create_task(self._report_gaps(uuid, pair))
        delay_s = 0.0
        try:
            while True:
                # What is told from here on may be more than is seen below.
                pair.changed.clear()
                try:
                    condition = await self._check(uuid)
                    delay_s = 0.0
                except Exception as error:  # noqa: H201
                    delay_s = await self._fail(uuid, error, delay_s)
                    continue
                if condition is Condition.GONE and not pair.changed.is_set():
                    return
                await self._pause(
                    pair.changed, self._again
                    if condition is Condition.UNCLEAR
                    # Not all at the same time.
                    else self._interval * random.uniform(0.9, 1.0))
        finally:
            gaps.cancel()
            pair.gaps.end()
            del self._watched[uuid]

    async def _check(self, uuid: str) -> Condition:
        """Check a pair, and have it rebuilt when it is its turn."""
        condition = await self._aside.call(self._care.check, uuid)
        if condition is Condition.DEAD:
            async with self._rebuilds:
                condition = await self._aside.call(self._care.rebuild, uuid)
        return condition

    async def _report_gaps(self, uuid: str, pair: _Watched) -> None:
        """Report a pair's gaps, whatever else is wrong or takes long."""
        delay_s = 0.0
        while True:
            pair.gaps.told.clear()
            try:
                answers = await self._aside.call(
                    self._care.collect_if_alive, uuid)
                if answers:
                    await pair.gaps.begin()
                delay_s = 0.0
            except Exception as error:  # noqa: H201
                delay_s = await self._fail(uuid, error, delay_s)
                continue
            if pair.answers and not answers:
                pair.changed.set()
            pair.answers = answers
            await self._pause(pair.gaps.told, self._interval
                              if pair.gaps.is_begun else self._again)

    async def _pause(self, event: asyncio.Event, longest_s: float) -> None:
        """Wait for an event, but never so short that whoever sets it again
        and again keeps this host busy."""
        await asyncio.sleep(self._again)
        try:
            async with asyncio.timeout(longest_s - self._again):
                await event.wait()
        except TimeoutError:
            pass

    async def _fail(self, uuid: str, error: Exception,
                    delay_s: float) -> float:
        """Wait until a pair is tried again: whatever is wrong with one must
        not keep the others from being watched.

        :param delay_s: how long it was waited before this attempt.
        :returns: how long it was waited before the next one.
        """
        if await self._service.was_away(error):
            return 0.0
        await self._aside.call(self._care.note_trouble, uuid, error)
        delay_s = min(max(delay_s * 2, _FIRST_RETRY_S), _LAST_RETRY_S)
        LOG.error('Console of instance %(uuid)s: %(error)s; trying again in '
                  '%(delay).0f s',
                  {'uuid': uuid, 'error': text.printable(error),
                   'delay': delay_s},
                  exc_info=not isinstance(error, exception.DMoreError))
        await asyncio.sleep(delay_s)
        return delay_s
