# Licensed under the Apache License, Version 2.0 (the "License"); you may
# not use this file except in compliance with the License. You may obtain
# a copy of the License at
#
#      http://www.apache.org/licenses/LICENSE-2.0
#
# Unless required by applicable law or agreed to in writing, software
# distributed under the License is distributed on an "AS IS" BASIS, WITHOUT
# WARRANTIES OR CONDITIONS OF ANY KIND, either express or implied. See the
# License for the specific language governing permissions and limitations
# under the License.
"""Looks after the pairs of a host: one thread of nova-compute.

It starts again what died, and passes on what the shadow-device processes
report: a gap in a console is logged and notified (``dmore.console.gap``),
never hidden.
"""

import threading
import time

from nova import rpc
import oslo_messaging as messaging
from oslo_log import log as logging

from nova_dmore import exception

LOG = logging.getLogger(__name__)

#: Event types of the notifications.
GAP = 'dmore.console.gap'
REBUILT = 'dmore.console.rebuilt'

#: A pair that cannot be rebuilt is tried again after this many seconds,
#: doubled each time up to the limit.
_FIRST_RETRY_S = 2.0
_LAST_RETRY_S = 300.0
#: How long a migration waits for what is just being done with its pair.
_LAST_LOOK_S = 10.0
#: How often ports are looked for whose instances are no more.
_SWEEP_S = 1800.0


class Reporter:
    """Logs and notifies what happened to a console."""

    def __init__(self, host: str):
        self._host = host

    def gap(self, context, instance_uuid: str, **what) -> None:
        """Report bytes that are missing from a console, or may be.

        :param what: ``stream``, ``kind`` (a wire.GapKind), ``bytes`` (None
            when nobody knows), ``at`` (stream offset), ``reason``.
        """
        LOG.warning(
            'Console of instance %(uuid)s: gap in %(stream)s: %(kind)s, '
            '%(bytes)s bytes: %(reason)s', {'uuid': instance_uuid, **what})
        self._notify(context, GAP, {'instance_uuid': instance_uuid, **what})

    def rebuilt(self, context, instance_uuid: str, reason: str) -> None:
        """Report that sessions ended because Domain R was built anew."""
        LOG.warning('Console of instance %(uuid)s was rebuilt, its sessions '
                    'ended: %(reason)s',
                    {'uuid': instance_uuid, 'reason': reason})
        self._notify(context, REBUILT,
                     {'instance_uuid': instance_uuid, 'reason': reason})

    def _notify(self, context, event_type: str, payload: dict) -> None:
        try:
            notifier = messaging.Notifier(
                rpc.NOTIFICATION_TRANSPORT,
                publisher_id=f'nova-dmore.{self._host}')
            notifier.warn(context.to_dict(), event_type, payload)
        except Exception as error:  # noqa: H201
            # It was logged above. What drivers and transports raise is not
            # documented, and an operation on an instance, or the thread that
            # looks after all pairs, may be what called this.
            LOG.warning('Notification %(type)s was not sent: %(error)r',
                        {'type': event_type, 'error': error})


class Watch:
    """The thread; started in ``init_host``, stopped in ``cleanup_host``.

    :param pairs: a :class:`nova_dmore.virt.pairs.Pairs`.
    :param interval: seconds between two looks.
    :param context: an admin ``RequestContext``.
    :param settler: a :class:`nova_dmore.virt.settle.Settler`.
    """

    def __init__(self, pairs, reporter: Reporter, interval: float, context,
                 settler):
        self._pairs = pairs
        self._reporter = reporter
        self._interval = interval
        self._context = context
        self._settler = settler
        self._next_sweep = time.monotonic()
        self._stopped = threading.Event()
        #: Pairs that are being moved: their roles look after them.
        self._moving: set[str] = set()
        self._retry: dict[str, tuple[float, float]] = {}
        self._thread = threading.Thread(
            target=self._run, name='dmore-watch', daemon=True)

    def start(self) -> None:
        """Start looking."""
        self._thread.start()

    def stop(self) -> None:
        """Stop looking; returns when the last look has ended."""
        self._stopped.set()
        self._thread.join()

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
        client = self._pairs.client(instance_uuid)
        gaps = client.status().gaps
        for gap in gaps:
            self._reporter.gap(
                self._context, instance_uuid, stream=gap.stream,
                kind=gap.kind, bytes=gap.bytes, at=gap.at, reason=gap.reason)
        if gaps:
            client.forget_gaps([gap.number for gap in gaps])

    def _run(self) -> None:
        while not self._stopped.wait(self._interval):
            try:
                for record in self._pairs.records.all():
                    self._look_at(record.instance_uuid)
                self._sweep()
            except Exception as error:  # noqa: H201
                # This thread has to outlive whatever is wrong for a while:
                # nobody starts it again.
                LOG.error('The pairs of this host: %s', error,
                          exc_info=not isinstance(error,
                                                  exception.DMoreError))

    def _sweep(self) -> None:
        if time.monotonic() >= self._next_sweep:
            self._next_sweep = time.monotonic() + _SWEEP_S
            self._settler.sweep()

    def _look_at(self, instance_uuid: str) -> None:
        _delay, not_before = self._retry.get(instance_uuid, (0.0, 0.0))
        if time.monotonic() < not_before:
            return
        try:
            with self._pairs.locked(instance_uuid, wait_s=0) as locked:
                # A pair that is just being made or removed is not looked at.
                record = self._pairs.get(instance_uuid)
                if (locked and record is not None
                        and instance_uuid not in self._moving):
                    self._look_after_locked(record)
            self._retry.pop(instance_uuid, None)
        except Exception as error:  # noqa: H201
            # Whatever is wrong with one pair must not keep the others from
            # being looked after, nor end this thread.
            delay = min(max(_delay * 2, _FIRST_RETRY_S), _LAST_RETRY_S)
            self._retry[instance_uuid] = (delay, time.monotonic() + delay)
            LOG.error('Console of instance %(uuid)s: %(error)s; trying again '
                      'in %(delay).0f s',
                      {'uuid': instance_uuid, 'error': error, 'delay': delay},
                      exc_info=not isinstance(error, exception.DMoreError))

    def _look_after_locked(self, record) -> None:
        instance_uuid = record.instance_uuid
        if (not self._settler.settle(record)
                or self._pairs.get(instance_uuid) is None):
            return
        shadow_lives, domain_lives = self._pairs.is_alive(instance_uuid)
        if not shadow_lives or not domain_lives:
            self._rebuild(instance_uuid, shadow_lives)
        self.collect_gaps(instance_uuid)

    def _rebuild(self, instance_uuid: str, shadow_lives: bool) -> None:
        if self._pairs.rebuild(instance_uuid):
            what = 'Domain R' if shadow_lives else 'the shadow-device process'
            self._reporter.rebuilt(
                self._context, instance_uuid, f'{what} had ended')
