# SPDX-License-Identifier: Apache-2.0
"""Tells operators what happened to a console: in the log, in figures, and by
notification.
"""

import collections
import functools
import queue
import threading
import time
from collections.abc import Callable
from collections.abc import Sequence
from typing import Any, TYPE_CHECKING

from nova import rpc
import nova.conf
import oslo_messaging as messaging
from oslo_log import log as logging

from nova_dmore.channel import text
from nova_dmore.metrics import figures as figures_module
from nova_dmore.virt.care import notifications
from nova_dmore import wire
if TYPE_CHECKING:
    from nova import context as nova_context
    from nova.notifications.objects import base as payload_base

CONF = nova.conf.CONF
LOG = logging.getLogger(__name__)

#: Event types of the notifications.
GAP = 'dmore.console.gap'
REBUILT = 'dmore.console.rebuilt'
STOCK = 'dmore.console.stock'
#: Of versioned ones alone.
SESSION = {'began': 'dmore.console.session.start',
           'ended': 'dmore.console.session.end'}
MIGRATION = 'dmore.console.migration'

#: So many wait for the broker at most.
_UNSENT_MAX = 1000
_FLUSH_POLL_S = 0.01


class Reporter:
    """Logs, counts and notifies what happened to a console.

    It is logged at once. Notifications wait for the broker, as long as that
    takes; nobody waits for them.

    :param figures: counts what happens on this host.
    """

    def __init__(self, host: str, figures: figures_module.Figures) -> None:
        self._host = host
        self._figures = figures
        self._unsent: queue.Queue[tuple[str, Callable[[], None]]] = (
            queue.Queue(_UNSENT_MAX))
        self._lock = threading.Lock()
        self._thread: threading.Thread | None = None

    def gap(self, context: 'nova_context.RequestContext', instance_uuid: str,
            **what: Any) -> None:
        """Report bytes that are missing from a console, or may be.

        :param what: ``stream``, ``kind`` (a wire.GapKind), ``bytes`` (None
            when nobody knows), ``at`` (stream offset), ``reason``.
        """
        for name in ('stream', 'reason'):
            what[name] = text.printable(what[name])
        LOG.warning(
            'Console of instance %(uuid)s: gap in %(stream)s: %(kind)s, '
            '%(bytes)s bytes: %(reason)s', {'uuid': instance_uuid, **what})
        kind = wire.GapKind(what['kind']).value
        self._figures.count('gaps', what['stream'], kind)
        self._figures.count('gap_bytes', what['stream'], kind,
                            by=what['bytes'] or 0)
        self._notify_both(context, GAP, notifications.ConsoleGapPayload,
                          instance_uuid=instance_uuid, **what)

    def more_gaps(self, context: 'nova_context.RequestContext',
                  instance_uuid: str, gaps: Sequence[wire.GapReport]) -> None:
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

    def rebuilt(self, context: 'nova_context.RequestContext',
                instance_uuid: str, reason: str) -> None:
        """Report that sessions ended because Domain R was built anew."""
        self._figures.count('rebuilds')
        self._sessions_ended(
            context, REBUILT, 'Console of instance %(uuid)s was rebuilt, its '
            'sessions ended: %(reason)s', instance_uuid, reason)

    def stock(self, context: 'nova_context.RequestContext', instance_uuid: str,
              reason: str) -> None:
        """Report that an instance that had a Domain R has Nova's consoles."""
        self._figures.count('stock_fallbacks')
        self._sessions_ended(
            context, STOCK, 'Instance %(uuid)s has the stock consoles now, '
            'sessions with its Domain R ended: %(reason)s', instance_uuid,
            reason)

    def started_as_stock(self, context: 'nova_context.RequestContext',
                         instance_uuid: str, reason: str) -> None:
        """Report that an instance starts with Nova's consoles which is to
        have a Domain R; it was logged."""
        self._figures.count('stock_fallbacks')
        self._notify_both(context, STOCK, notifications.ConsoleEndPayload,
                          instance_uuid=instance_uuid,
                          reason=text.printable(reason))

    def _sessions_ended(self, context: 'nova_context.RequestContext',
                        event_type: str, message: str, instance_uuid: str,
                        reason: str) -> None:
        shown = text.printable(reason)
        LOG.warning(message, {'uuid': instance_uuid, 'reason': shown})
        self._notify_both(context, event_type,
                          notifications.ConsoleEndPayload,
                          instance_uuid=instance_uuid, reason=shown)

    def session(self, context: 'nova_context.RequestContext',
                instance_uuid: str, event: wire.SessionEvent) -> None:
        """Report that a client was attached, or is not any more, as Domain R
        says."""
        session = event.session
        LOG.info(
            'Console of instance %(uuid)s: session %(number)d at the '
            '%(server)s server %(event)s: from %(address)s port %(port)d, '
            'key %(who)s', {
                'uuid': instance_uuid, 'event': event.event,
                **session.to_json()})
        if event.event == 'began':
            self._figures.count('sessions_begun', session.server)
        self._notify(
            context, SESSION[event.event], 'info',
            notifications.ConsoleSessionPayload, instance_uuid=instance_uuid,
            server=session.server, session=session.number,
            since=notifications.time_of(session.since),
            address=session.address, port=session.port, key=session.who,
            view_only=session.view_only)

    def more_sessions(self, instance_uuid: str,
                      events: list[wire.SessionEvent]) -> None:
        """Report in one line those that are too many for one each.

        :param events: of one kind, and one at least.
        """
        LOG.warning(
            'Console of instance %(uuid)s: %(number)d sessions more %(event)s',
            {'uuid': instance_uuid, 'number': len(events),
             'event': events[0].event})
        if events[0].event == 'began':
            for server, number in sorted(collections.Counter(
                    event.session.server for event in events).items()):
                self._figures.count('sessions_begun', server, by=number)

    def migration(self, context: 'nova_context.RequestContext',
                  instance_uuid: str, migration_id: str, destination: str,
                  outcome: str, skew_ms: float | None) -> None:
        """Report the end of a co-migration, at its source.

        :param outcome: ``moved``: with its sessions; ``rebuilt``: the
            destination builds a new Domain R; ``stock``: it has no pair
            there; ``rolled back``: the instance stays.
        :param skew_ms: how long after its instance Domain R has stopped;
            None: it did not.
        """
        self._figures.count('migrations', outcome)
        if skew_ms is not None:
            self._figures.observe('migration_skew_seconds',
                                  abs(skew_ms) / 1000)
        self._notify(
            context, MIGRATION, 'info',
            notifications.ConsoleMigrationPayload,
            instance_uuid=instance_uuid, migration_id=migration_id,
            destination=destination, outcome=outcome, skew_ms=skew_ms)

    def stop(self, seconds: float | None) -> None:
        """An instance has arrived, and stood still for so long.

        :param seconds: None: nobody knows.
        """
        if seconds is not None:
            self._figures.observe('migration_stop_seconds', seconds)

    def flush(self, timeout_s: float) -> None:
        """Wait until everything is sent, but not longer."""
        deadline = time.monotonic() + timeout_s
        while self._unsent.unfinished_tasks and time.monotonic() < deadline:
            time.sleep(_FLUSH_POLL_S)

    def _notify_both(self, context: 'nova_context.RequestContext',
                     event_type: str,
                     payload: 'type[payload_base.NotificationPayloadBase]',
                     **what: Any) -> None:
        """A warning, versioned and not, as Nova is configured."""
        if CONF.notifications.notification_format in ('unversioned', 'both'):
            self._put(event_type, functools.partial(
                self._send_unversioned, context, event_type, what))
        self._notify(context, event_type, 'warn', payload, **what)

    def _notify(self, context: 'nova_context.RequestContext', event_type: str,
                priority: str,
                payload: 'type[payload_base.NotificationPayloadBase]',
                **what: Any) -> None:
        """A versioned notification, if Nova sends such."""
        if notifications.are_wanted():
            self._put(event_type, lambda: notifications.send(
                context, self._host, event_type, priority, payload(**what)))

    def _send_unversioned(self, context: 'nova_context.RequestContext',
                          event_type: str, what: dict[str, Any]) -> None:
        messaging.Notifier(
            rpc.NOTIFICATION_TRANSPORT,
            publisher_id=f'nova-dmore.{self._host}'
        ).warn(context.to_dict(), event_type, what)

    def _put(self, event_type: str, send: Callable[[], None]) -> None:
        with self._lock:
            if self._thread is None:
                thread = threading.Thread(
                    target=self._run, name='dmore-notify', daemon=True)
                thread.start()
                self._thread = thread
        try:
            self._unsent.put_nowait((event_type, send))
        except queue.Full:
            LOG.warning('Notification %(type)s was not sent: %(number)d wait '
                        'for the broker',
                        {'type': event_type, 'number': _UNSENT_MAX})

    def _run(self) -> None:
        while True:
            event_type, send = self._unsent.get()
            try:
                send()
            except Exception as error:  # noqa: H201
                # It was logged before. What drivers and transports raise is
                # not documented, and nobody starts this thread again.
                LOG.warning('Notification %(type)s was not sent: %(error)s',
                            {'type': event_type,
                             'error': text.printable(repr(error))})
            finally:
                self._unsent.task_done()
