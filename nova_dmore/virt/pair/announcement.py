# SPDX-License-Identifier: Apache-2.0
"""What Nova's database says of an instance's pair.

To hosts in the instance's system metadata, which its users neither see nor
write: nothing that a user can forge, delete or use up has the plug-in do
anything. To its user, where ``[dmore] ssh_metadata`` says so, in the server's
properties, which are read again only to be taken back.
"""

from typing import TYPE_CHECKING
from urllib import parse

import nova.conf
from nova import exception as nova_exception
from nova import objects
from oslo_log import log as logging
import oslo_messaging as messaging
from oslo_utils import netutils

from nova_dmore.channel import text
from nova_dmore import exception
from nova_dmore.virt.config import host_secrets
if TYPE_CHECKING:
    from nova import context as nova_context
    from oslo_config import cfg

    from nova_dmore.virt.network import address_book
    from nova_dmore.virt.pair import record as record_module

CONF = nova.conf.CONF
LOG = logging.getLogger(__name__)

#: In the instance's system metadata: where its SSH console is. An instance
#: that has it has a Domain R. Hosts of other releases read it: its name does
#: not change.
NOTE = 'dmore_console_ssh'
#: The server property of a user; releases without the note read this.
SSH_PROPERTY = 'dmore:console_ssh'


def has_pair(instance: 'objects.Instance',
             addresses: 'address_book.AddressBook') -> bool:
    """Whether an instance that comes from another host has a Domain R there.

    :param addresses: an
        :class:`nova_dmore.virt.network.address_book.AddressBook`;
        asked where the property alone says so: it is that of an earlier
        release, which has made a port too, or of a user.
    """
    if NOTE in instance.system_metadata:
        return True
    if SSH_PROPERTY not in instance.metadata:
        return False
    try:
        return addresses.exists(instance.uuid)
    except exception.DMoreError:
        return True


def address_of(instance: 'objects.Instance') -> str | None:
    """The address of the Domain R that an instance has, or had when it was
    last on a host; None: it had none."""
    address: str | None = parse.urlsplit(
        instance.system_metadata.get(NOTE, '')).hostname
    return address


def announce(options: 'cfg.ConfigOpts.GroupAttr', instance: 'objects.Instance',
             record: 'record_module.PairRecord', idle: bool = False) -> None:
    """Tell hosts, and the user if so wanted, the SSH address; and tell Nova
    the secret that the keys of the pair are derived from.

    :param options: the ``[dmore]`` options.
    :param record: a :class:`nova_dmore.virt.pair.record.PairRecord`.
    :param idle: see :func:`host_secrets.save`.
    :raises nova.exception.UnexpectedTaskStateError: see there.
    """
    url = (f'ssh://console@{netutils.escape_ipv6(record.address.ip)}:'
           f'{options.ssh_port}')
    shown = instance.metadata.get(SSH_PROPERTY)
    wanted = url if options.ssh_metadata else None
    if wanted is not None and shown is None and not _has_room(instance):
        LOG.warning('The properties of the instance are as many as [quota] '
                    'metadata_items allows: the address of its SSH console, '
                    '%s, is not among them', url, instance=instance)
        wanted = None
    if shown != wanted or instance.system_metadata.get(NOTE) != url:
        if wanted is not None:
            instance.metadata[SSH_PROPERTY] = wanted
        else:
            instance.metadata.pop(SSH_PROPERTY, None)
        instance.system_metadata[NOTE] = url
        host_secrets.save(instance, idle)
    host_secrets.note(instance, record.secret_id, idle)


def _has_room(instance: 'objects.Instance') -> bool:
    """Whether a property more leaves the user able to change his own."""
    limit = CONF.quota.metadata_items
    return bool(limit < 0 or len(instance.metadata) < limit)


def retract(instance: 'objects.Instance', idle: bool = False) -> None:
    """Take back what :func:`announce` told of the address.

    :param idle: see :func:`host_secrets.save`.
    :raises nova.exception.UnexpectedTaskStateError: see there.
    """
    if instance.task_state is None and not idle:
        # Nova starts it with its host: it was read long ago.
        retract_of(instance._context, instance.uuid)
        return
    noted = instance.system_metadata.pop(NOTE, None)
    if (instance.metadata.pop(SSH_PROPERTY, None) or noted) is not None:
        host_secrets.save(instance, idle)


def retract_of(context: 'nova_context.RequestContext', instance_uuid: str
               ) -> None:
    """As :func:`retract`, of an instance that is not at hand.

    Called by :class:`nova_dmore.virt.care.pair_care.PairCare` of one that runs
    with the stock consoles: the nova-compute that has started it may have
    ended before it retracted. If Nova does not take it there is a warning.
    Not while Nova is at work on the instance: who starts it does that.

    :param context: an admin ``RequestContext``.
    """
    try:
        instance = objects.Instance.get_by_uuid(
            context, instance_uuid,
            expected_attrs=['metadata', 'system_metadata'])
        if instance.task_state is None:
            retract(instance, idle=True)
    except nova_exception.UnexpectedTaskStateError:
        pass    # Nova has begun just now
    except (messaging.MessagingException,
            nova_exception.NovaException) as error:
        LOG.warning('The address of the SSH console of instance %(uuid)s, '
                    'which has none, is still in Nova\'s database: %(error)s',
                    {'uuid': instance_uuid, 'error': text.printable(error)})
