# SPDX-License-Identifier: Apache-2.0
"""Which of a host's secrets the keys of a pair are derived from.

A new instance takes the newest. It keeps that wherever it runs, so that its
host key stays what its users know, until the operator takes the secret away:
then a Domain R that starts afresh has another host key. One that comes in a
live migration has open sessions, and does not come to a host without it.
"""

import dataclasses
from typing import TYPE_CHECKING

from nova import exception as nova_exception
from nova import objects
from oslo_log import log as logging
import oslo_messaging as messaging

from nova_dmore.channel import text
from nova_dmore import exception
from nova_dmore.virt.config import identity
from nova_dmore.virt.pair import record as record_module
if TYPE_CHECKING:
    from nova import context as nova_context
    from oslo_config import cfg

LOG = logging.getLogger(__name__)


def id_of(instance: 'objects.Instance') -> int:
    """Which secret an instance's pair was made with, as Nova knows it.

    :returns: :data:`identity.FIRST_SECRET_ID` too for one that Nova knows
        nothing of: it has none yet, or that one.
    """
    known = instance.system_metadata.get(identity.METADATA, '')
    return int(known) if known.isdecimal() else identity.FIRST_SECRET_ID


def save(instance: 'objects.Instance', idle: bool) -> None:
    """Write what of an instance was changed to Nova's database.

    Whoever writes its system metadata writes all of it, and what Nova has
    written since it was read would be lost: the properties of the image of a
    rebuild, say. Before Nova writes there it gives the instance a task.

    :param idle: only if the instance has no task, which the database compares
        when it writes; False: it is called in Nova's own task.
    :raises nova.exception.UnexpectedTaskStateError: it has one; nothing is
        written.
    """
    if idle:
        instance.save(expected_task_state=[None])
    else:
        instance.save()


def note(instance: 'objects.Instance', secret_id: int, idle: bool = False
         ) -> None:
    """Let Nova know it.

    :param idle: see :func:`save`.
    :raises nova.exception.UnexpectedTaskStateError: see there.
    """
    if id_of(instance) != secret_id:
        instance.system_metadata[identity.METADATA] = str(secret_id)
        save(instance, idle)


def note_of(context: 'nova_context.RequestContext', instance_uuid: str,
            secret_id: int) -> bool:
    """Let Nova know it of an instance that is not at hand.

    Called by :class:`nova_dmore.virt.pair.pairs.Pairs` when a Domain R was
    started afresh. If Nova does not take it there is a warning: the console
    works all the same.

    :param context: an admin ``RequestContext``.
    :returns: False: not now. Nova is at work on the instance, and what it
        writes meanwhile would be lost.
    """
    try:
        instance = objects.Instance.get_by_uuid(
            context, instance_uuid, expected_attrs=['system_metadata'])
        if instance.task_state is not None and id_of(instance) != secret_id:
            return False
        note(instance, secret_id, idle=True)
    except nova_exception.UnexpectedTaskStateError:
        return False
    except (messaging.MessagingException,
            nova_exception.NovaException) as error:
        LOG.warning('Nova does not know that Domain R of instance %(uuid)s '
                    'uses secret %(id)d; until a hard reboot a host without '
                    'the one before may refuse its live migration: %(error)s',
                    {'uuid': instance_uuid, 'id': secret_id,
                     'error': text.printable(error)})
    return True


class HostSecrets:
    """The secrets of one host, read anew each time.

    :param conf: Nova's configuration, with the ``[dmore]`` options.

    Every method raises :class:`nova_dmore.exception.ConfigurationError` if
    they cannot be read.
    """

    def __init__(self, conf: 'cfg.ConfigOpts') -> None:
        self._conf = conf

    def _read(self) -> identity.Secrets:
        return identity.read_secrets(self._conf.dmore.secret_file)

    def check(self, secret_id: int) -> None:
        """Whether this host can take a pair as it is.

        Called by a destination before anything is made there.

        :raises nova_dmore.exception.ConfigurationError: also if there is no
            such secret.
        """
        try:
            self._read().get(secret_id)
        except exception.ConfigurationError as error:
            raise exception.ConfigurationError(
                f'host {self._conf.host}: {error}') from error

    def is_retired(self, secret_id: int) -> bool:
        """Whether the operator has taken a secret away."""
        return secret_id not in self._read().by_id

    def choose(self, instance: 'objects.Instance', had_one: bool) -> int:
        """The id of the one that a pair is made with: that which its instance
        had before, as long as it is there, or the newest.

        :param had_one: whether the instance had a pair before.
        """
        secrets = self._read()
        known = id_of(instance)
        if ((had_one or identity.METADATA in instance.system_metadata)
                and known in secrets.by_id):
            return known
        return secrets.newest

    def replaced(self, record: record_module.PairRecord
                 ) -> record_module.PairRecord:
        """The record of a Domain R that starts afresh."""
        secrets = self._read()
        if record.secret_id in secrets.by_id:
            return record
        LOG.warning(
            'Domain R of instance %(uuid)s gets another host key and other '
            'VNC passwords: secret %(old)d, which they were derived from, is '
            'not in %(path)s any more, and secret %(new)d is used',
            {'uuid': record.instance_uuid, 'old': record.secret_id,
             'path': secrets.path, 'new': secrets.newest})
        return dataclasses.replace(record, secret_id=secrets.newest)
