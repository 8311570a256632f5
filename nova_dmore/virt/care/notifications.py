# SPDX-License-Identifier: Apache-2.0
"""Versioned notifications, as Nova sends its own.

A payload is a versioned object of Nova's, in the namespace ``nova_dmore``; a
field that is added raises the minor number of its VERSION, and every other
change the major one. Nova's ``[notifications] notification_format`` says
whether they are sent. Nova's own EventType knows Nova's events alone, so what
is sent here has the name of its event as a text.
"""

import datetime
from typing import Any, TYPE_CHECKING

import nova.conf
from nova import rpc
from nova.notifications.objects import base
from nova.objects import fields

from nova_dmore.metrics import figures
from nova_dmore import wire
if TYPE_CHECKING:
    from nova import context as nova_context

CONF = nova.conf.CONF


class _Payload(base.NotificationPayloadBase):
    OBJ_PROJECT_NAMESPACE = 'nova_dmore'

    def __init__(self, **what: Any) -> None:
        """:param what: its fields."""
        super().__init__()
        for name, value in what.items():
            setattr(self, name, value)


@base.base.NovaObjectRegistry.register_if(False)
class ConsoleSessionPayload(_Payload):
    """A client was attached to a console, or is not any more."""

    # Version 1.0: Initial version
    VERSION = '1.0'
    fields = {
        'instance_uuid': fields.UUIDField(),
        'server': fields.EnumField(valid_values=wire.SESSION_SERVERS),
        'session': fields.IntegerField(),
        'since': fields.DateTimeField(nullable=True),
        'address': fields.IPAddressField(),
        'port': fields.IntegerField(),
        'key': fields.StringField(nullable=True),
        'view_only': fields.BooleanField()}


@base.base.NovaObjectRegistry.register_if(False)
class ConsoleGapPayload(_Payload):
    """Bytes are missing from a console, or may be."""

    # Version 1.0: Initial version
    VERSION = '1.0'
    fields = {
        'instance_uuid': fields.UUIDField(),
        'stream': fields.StringField(),
        'kind': fields.EnumField(valid_values=tuple(wire.GapKind)),
        'bytes': fields.IntegerField(nullable=True),
        'at': fields.IntegerField(nullable=True),
        'reason': fields.StringField()}


@base.base.NovaObjectRegistry.register_if(False)
class ConsoleEndPayload(_Payload):
    """All sessions of a console ended: a new Domain R was built, or the
    instance has the stock consoles."""

    # Version 1.0: Initial version
    VERSION = '1.0'
    fields = {
        'instance_uuid': fields.UUIDField(),
        'reason': fields.StringField()}


@base.base.NovaObjectRegistry.register_if(False)
class ConsoleMigrationPayload(_Payload):
    """A co-migration is over."""

    # Version 1.0: Initial version
    VERSION = '1.0'
    fields = {
        'instance_uuid': fields.UUIDField(),
        'migration_id': fields.UUIDField(),
        'destination': fields.StringField(),
        'outcome': fields.EnumField(
            valid_values=figures.VALUES['outcome']),
        'skew_ms': fields.FloatField(nullable=True)}


def are_wanted() -> bool:
    """Whether Nova sends versioned notifications."""
    return CONF.notifications.notification_format in ('versioned', 'both')


def send(context: 'nova_context.RequestContext', host: str, event_type: str,
         priority: str, payload: _Payload) -> None:
    """Send one; waits for the broker.

    :param priority: ``info`` or ``warn``.
    """
    payload.obj_reset_changes(recursive=True)
    notifier = rpc.get_versioned_notifier(f'nova-dmore:{host}')
    getattr(notifier, priority)(context, event_type=event_type,
                                payload=payload.obj_to_primitive())


def time_of(seconds: float) -> datetime.datetime | None:
    """A time as a field has it.

    :param seconds: since 1970; if a Domain R says what cannot be: None.
    """
    try:
        return datetime.datetime.fromtimestamp(seconds, datetime.UTC)
    except (OSError, OverflowError, ValueError):
        return None
