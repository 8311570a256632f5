# SPDX-License-Identifier: Apache-2.0
"""Tells Nova what has become of a pair, when Nova does nothing with its
instance.

Whoever saves an instance writes the whole of its system metadata: what Nova
wrote since it was read would be lost. So Nova is told later of an instance
that it is at work on. It is told of every pair when nova-compute has started:
the one before may have ended after a pair was made and before it told. Called
by :mod:`nova_dmore.virt.care.watch` each :data:`EVERY_S`, and by whoever has
changed a pair.
"""

from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING

from nova import exception as nova_exception
from nova import objects
from oslo_log import log as logging
import oslo_messaging as messaging

from nova_dmore.channel import text
from nova_dmore.virt.pair import announcement
from nova_dmore.virt.pair import record as record_module
if TYPE_CHECKING:
    from nova import context as nova_context
    from oslo_config import cfg

    from nova_dmore.virt.pair import pairs as pairs_module

LOG = logging.getLogger(__name__)

#: How often it is tried, in seconds: Nova's work at an instance is over soon
#: after its pair has arrived, and another host may be asked then.
EVERY_S = 5.0


class LateNotes:
    """What Nova has yet to be told of the pairs of one host.

    :param pairs: a :class:`nova_dmore.virt.pair.pairs.Pairs`.
    :param context: an admin ``RequestContext``.
    :param options: the ``[dmore]`` options.
    """

    def __init__(self, pairs: 'pairs_module.Pairs',
                 context: 'nova_context.RequestContext',
                 options: 'cfg.ConfigOpts.GroupAttr') -> None:
        self._pairs = pairs
        self._context = context
        self._options = options

    def retry(self, records: Callable[[], Iterable[record_module.PairRecord]]
              ) -> None:
        """Tell Nova what it could not be told before.

        :param records: tells those of the pairs that are not being moved.
        """
        if not self._pairs.unnoted:
            return
        for record in records():
            if (record.instance_uuid in self._pairs.unnoted
                    and not record.incoming):
                self._tell(record, self._pairs.host)

    def tell(self, record: record_module.PairRecord) -> None:
        """Tell Nova of a pair, now or at a later :meth:`retry`."""
        self._tell(record, None)

    def _tell(self, record: record_module.PairRecord, host: str | None
              ) -> None:
        """
        :param host: not if Nova has the instance on another: what is here may
            be left over, and another secret be in use there. None: anywhere.
        """
        uuid = record.instance_uuid
        try:
            instance = objects.Instance.get_by_uuid(
                self._context, uuid,
                expected_attrs=['metadata', 'system_metadata'])
            if instance.task_state is not None:
                self._pairs.unnoted.add(uuid)
                return
            if host in (None, instance.host):
                announcement.announce(
                    self._options, instance, record, idle=True)
        except nova_exception.UnexpectedTaskStateError:
            # Nova has begun since it was read.
            self._pairs.unnoted.add(uuid)
            return
        except messaging.MessagingException as error:
            LOG.info('Nova is told later of the pair of instance %(uuid)s: '
                     '%(error)s', {'uuid': uuid,
                                   'error': text.printable(error)})
            self._pairs.unnoted.add(uuid)
            return
        except nova_exception.NovaException as error:
            LOG.warning('Nova does not know the address of the SSH console of '
                        'instance %(uuid)s: %(error)s',
                        {'uuid': uuid, 'error': text.printable(error)})
        self._pairs.unnoted.discard(uuid)
