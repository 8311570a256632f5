# SPDX-License-Identifier: Apache-2.0
"""Looks after the pairs of a host, in threads of nova-compute.

It starts again what died, and passes on what the shadow-device processes
report: a gap in a console is logged and notified (``dmore.console.gap``),
never hidden.
"""

import threading
import time

from oslo_log import log as logging

from nova_dmore.channel import text
from nova_dmore import exception

LOG = logging.getLogger(__name__)

#: A pair that cannot be rebuilt is tried again after this many seconds,
#: doubled each time up to the limit.
_FIRST_RETRY_S = 2.0
_LAST_RETRY_S = 300.0
#: How long a migration waits for what is just being done with its pair, and
#: the end of nova-compute for what is being done at all.
_LAST_LOOK_S = 10.0
#: So many pairs are rebuilt at the same time.
_REBUILT_AT_ONCE = 4
#: Of so many gaps in one look each is reported; of the others, how many.
_GAPS_AT_ONCE = 20
#: How often ports are looked for whose instances are no more, or that were
#: made by an earlier release; and when it is tried again, if it failed.
_SWEEP_S = 1800.0
_SWEEP_RETRY_S = 30.0


class Watch:
    """Started in ``init_host``, stopped in ``cleanup_host``.

    One thread looks at all pairs, and collects their gaps, for which it asks
    only this host. Whatever has to be done with a pair may ask Neutron or Nova
    and wait for them: it is done by a thread of its own, so that no pair waits
    for another one.

    :param pairs: a :class:`nova_dmore.virt.pair.pairs.Pairs`.
    :param reporter: a :class:`nova_dmore.virt.care.reporter.Reporter`.
    :param interval: seconds between two looks.
    :param context: an admin ``RequestContext``.
    :param settler: a :class:`nova_dmore.virt.care.settle.Settler`.
    :param renewal: a :class:`nova_dmore.virt.care.renewal.Renewal`.
    """

    def __init__(self, pairs, reporter, interval: float, context, settler,
                 renewal):
        self._pairs = pairs
        self._reporter = reporter
        self._interval = interval
        self._context = context
        self._settler = settler
        #: What is done for the whole host, and when (CLOCK_MONOTONIC) next.
        self._sweeps = {'sweep': settler.sweep, 'ports': self._secure_ports}
        self._sweep_at = dict.fromkeys(self._sweeps, time.monotonic())
        self._renewal = renewal
        self._stopped = threading.Event()
        #: Pairs that are being moved: their roles look after them.
        self._moving: set[str] = set()
        self._retry: dict[str, tuple[float, float]] = {}
        #: What is being done, by what it is done with.
        self._aside: dict[str, threading.Thread] = {}
        #: A gap is reported by who has found it first.
        self._collecting = threading.Lock()
        #: Domain Rs that start at the same time make each other slow.
        self._rebuilding = threading.BoundedSemaphore(_REBUILT_AT_ONCE)
        self._thread = threading.Thread(
            target=self._run, name='dmore-watch', daemon=True)

    def start(self) -> None:
        """Start looking."""
        self._thread.start()

    def stop(self) -> None:
        """Stop looking; returns when the last look has ended, and what is
        being done with pairs, unless that takes long."""
        self._stopped.set()
        self._thread.join()
        deadline = time.monotonic() + _LAST_LOOK_S
        for thread in self._aside.values():
            thread.join(max(0, deadline - time.monotonic()))
        self._reporter.flush(max(0, deadline - time.monotonic()))

    def leave_alone(self, instance_uuid: str) -> None:
        """Do not touch a pair: it is being moved.

        What is under way with it ends first, but its instance does not wait
        for ever: an image may be on its way.
        """
        self._moving.add(instance_uuid)
        with self._pairs.locked(instance_uuid, _LAST_LOOK_S) as locked:
            if not locked:
                LOG.warning('The pair of instance %s is still being rebuilt',
                            instance_uuid)
            self._settler.forget(instance_uuid)

    def look_after(self, instance_uuid: str) -> None:
        """Undo :meth:`leave_alone`."""
        self._moving.discard(instance_uuid)

    def collect_gaps(self, instance_uuid: str) -> None:
        """Report what a shadow-device process has to report, now.

        :raises nova_dmore.exception.ShadowProcessError: it is gone.
        """
        with self._collecting:
            client = self._pairs.client(instance_uuid)
            gaps = client.status().gaps
            for gap in gaps[:_GAPS_AT_ONCE]:
                self._reporter.gap(
                    self._context, instance_uuid, stream=gap.stream,
                    kind=gap.kind, bytes=gap.bytes, at=gap.at,
                    reason=gap.reason)
            if len(gaps) > _GAPS_AT_ONCE:
                self._reporter.more_gaps(
                    self._context, instance_uuid, gaps[_GAPS_AT_ONCE:])
            if gaps:
                client.forget_gaps([gap.number for gap in gaps])

    def _run(self) -> None:
        while not self._stopped.wait(self._interval):
            try:
                records = self._pairs.records.all()
                for record in records:
                    self._look_at(record)
                for name, due in list(self._sweep_at.items()):
                    if time.monotonic() >= due:
                        self._sweep_at[name] = time.monotonic() + _SWEEP_S
                        self._do_aside(name, self._sweep, name)
                self._renewal.look([
                    record for record in records
                    if record.instance_uuid not in self._moving])
            except Exception as error:  # noqa: H201
                # This thread has to outlive whatever is wrong for a while:
                # nobody starts it again.
                _log_host_error(error)

    def _look_at(self, record) -> None:
        uuid = record.instance_uuid
        if uuid in self._moving:
            return
        _delay, not_before = self._retry.get(uuid, (0.0, 0.0))
        is_due = time.monotonic() >= not_before
        try:
            # Whatever else is wrong.
            lives = self._collect_if_alive(uuid)
            if not is_due:
                return
            if (lives and self._settler.is_settled(record)
                    and all(self._pairs.is_alive(uuid))):
                self._retry.pop(uuid, None)
                return
        except Exception as error:  # noqa: H201
            if is_due:
                self._try_later(uuid, error)
            return
        self._do_aside(uuid, self._look_after, uuid)

    def _collect_if_alive(self, instance_uuid: str) -> bool:
        try:
            self.collect_gaps(instance_uuid)
        except exception.ShadowProcessError as error:
            LOG.debug('Console of instance %s: %s', instance_uuid,
                      text.printable(error))
            return False
        return True

    def _do_aside(self, what: str, function, *arguments) -> None:
        """Have a thread do it, unless one is at it already."""
        if what in self._aside and self._aside[what].is_alive():
            return
        self._aside = {key: thread for key, thread in self._aside.items()
                       if thread.is_alive()}
        thread = threading.Thread(target=function, args=arguments,
                                  name=f'dmore-watch-{what}', daemon=True)
        thread.start()
        self._aside[what] = thread

    def _sweep(self, name: str) -> None:
        try:
            self._sweeps[name]()
        except Exception as error:  # noqa: H201
            self._sweep_at[name] = time.monotonic() + _SWEEP_RETRY_S
            _log_host_error(error)

    def _secure_ports(self) -> None:
        self._pairs.addresses.secure(self._pairs.host)

    def _look_after(self, instance_uuid: str) -> None:
        try:
            with self._pairs.locked(instance_uuid, wait_s=0) as locked:
                # A pair that is just being made or removed is not looked at.
                record = self._pairs.get(instance_uuid)
                if (locked and record is not None
                        and instance_uuid not in self._moving):
                    self._look_after_locked(record)
            self._retry.pop(instance_uuid, None)
        except Exception as error:  # noqa: H201
            self._try_later(instance_uuid, error)

    def _try_later(self, instance_uuid: str, error: Exception) -> None:
        """Whatever is wrong with one pair must not keep the others from
        being looked after, nor end a thread."""
        delay, _not_before = self._retry.get(instance_uuid, (0.0, 0.0))
        delay = min(max(delay * 2, _FIRST_RETRY_S), _LAST_RETRY_S)
        self._retry[instance_uuid] = (delay, time.monotonic() + delay)
        LOG.error('Console of instance %(uuid)s: %(error)s; trying again in '
                  '%(delay).0f s',
                  {'uuid': instance_uuid, 'error': text.printable(error),
                   'delay': delay},
                  exc_info=not isinstance(error, exception.DMoreError))

    def _look_after_locked(self, record) -> None:
        instance_uuid = record.instance_uuid
        if (not self._settler.settle(record)
                or self._pairs.get(instance_uuid) is None):
            return
        shadow_lives, domain_lives = self._pairs.is_alive(instance_uuid)
        if not shadow_lives or not domain_lives:
            with self._rebuilding:
                self._rebuild(instance_uuid, shadow_lives)

    def _rebuild(self, instance_uuid: str, shadow_lives: bool) -> None:
        if self._pairs.rebuild(instance_uuid):
            what = 'Domain R' if shadow_lives else 'the shadow-device process'
            self._reporter.rebuilt(
                self._context, instance_uuid, f'{what} had ended')


def _log_host_error(error: Exception) -> None:
    LOG.error('The pairs of this host: %s', text.printable(error),
              exc_info=not isinstance(error, exception.DMoreError))
