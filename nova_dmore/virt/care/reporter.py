# SPDX-License-Identifier: Apache-2.0
"""Tells operators what happened to a console: in the log, and by notification.
"""

import queue
import threading
import time

from nova import rpc
import oslo_messaging as messaging
from oslo_log import log as logging

from nova_dmore.channel import text
from nova_dmore import wire

LOG = logging.getLogger(__name__)

#: Event types of the notifications.
GAP = 'dmore.console.gap'
REBUILT = 'dmore.console.rebuilt'
STOCK = 'dmore.console.stock'

#: So many wait for the broker at most.
_UNSENT_MAX = 1000
_FLUSH_LOOK_S = 0.01


class Reporter:
    """Logs and notifies what happened to a console.

    It is logged at once. Notifications wait for the broker, as long as that
    takes; nobody waits for them.
    """

    def __init__(self, host: str):
        self._host = host
        self._unsent: queue.Queue = queue.Queue(_UNSENT_MAX)
        self._lock = threading.Lock()
        self._thread: threading.Thread | None = None

    def gap(self, context, instance_uuid: str, **what) -> None:
        """Report bytes that are missing from a console, or may be.

        :param what: ``stream``, ``kind`` (a wire.GapKind), ``bytes`` (None
            when nobody knows), ``at`` (stream offset), ``reason``.
        """
        for name in ('stream', 'reason'):
            what[name] = text.printable(what[name])
        LOG.warning(
            'Console of instance %(uuid)s: gap in %(stream)s: %(kind)s, '
            '%(bytes)s bytes: %(reason)s', {'uuid': instance_uuid, **what})
        self._notify(context, GAP, {'instance_uuid': instance_uuid, **what})

    def more_gaps(self, context, instance_uuid: str, gaps) -> None:
        """Report in one line those that are too many for one each.

        :param gaps: with ``stream`` and ``bytes``, as in :meth:`gap`.
        """
        for stream in sorted({gap.stream for gap in gaps}):
            sizes = [gap.bytes for gap in gaps if gap.stream == stream]
            self.gap(
                context, instance_uuid, stream=stream,
                kind=wire.GapKind.UNKNOWN, at=None,
                bytes=None if None in sizes else sum(sizes),
                reason=f'{len(sizes)} gaps more, exact or not')

    def rebuilt(self, context, instance_uuid: str, reason: str) -> None:
        """Report that sessions ended because Domain R was built anew."""
        self._sessions_ended(
            context, REBUILT, 'Console of instance %(uuid)s was rebuilt, its '
            'sessions ended: %(reason)s', instance_uuid, reason)

    def stock(self, context, instance_uuid: str, reason: str) -> None:
        """Report that an instance that had a Domain R has Nova's consoles."""
        self._sessions_ended(
            context, STOCK, 'Instance %(uuid)s has the stock consoles now, '
            'sessions with its Domain R ended: %(reason)s', instance_uuid,
            reason)

    def _sessions_ended(self, context, event_type: str, message: str,
                        instance_uuid: str, reason: str) -> None:
        shown = text.printable(reason)
        LOG.warning(message, {'uuid': instance_uuid, 'reason': shown})
        self._notify(context, event_type,
                     {'instance_uuid': instance_uuid, 'reason': shown})

    def flush(self, timeout_s: float) -> None:
        """Wait until everything is sent, but not longer."""
        deadline = time.monotonic() + timeout_s
        while self._unsent.unfinished_tasks and time.monotonic() < deadline:
            time.sleep(_FLUSH_LOOK_S)

    def _notify(self, context, event_type: str, payload: dict) -> None:
        with self._lock:
            if self._thread is None:
                thread = threading.Thread(
                    target=self._run, name='dmore-notify', daemon=True)
                thread.start()
                self._thread = thread
        try:
            self._unsent.put_nowait((context, event_type, payload))
        except queue.Full:
            LOG.warning('Notification %(type)s was not sent: %(number)d wait '
                        'for the broker',
                        {'type': event_type, 'number': _UNSENT_MAX})

    def _run(self) -> None:
        while True:
            context, event_type, payload = self._unsent.get()
            try:
                messaging.Notifier(
                    rpc.NOTIFICATION_TRANSPORT,
                    publisher_id=f'nova-dmore.{self._host}'
                ).warn(context.to_dict(), event_type, payload)
            except Exception as error:  # noqa: H201
                # It was logged before. What drivers and transports raise is
                # not documented, and nobody starts this thread again.
                LOG.warning('Notification %(type)s was not sent: %(error)s',
                            {'type': event_type,
                             'error': text.printable(repr(error))})
            finally:
                self._unsent.task_done()
