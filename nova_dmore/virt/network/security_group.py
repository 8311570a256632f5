# SPDX-License-Identifier: Apache-2.0
"""The security group that the plug-in makes and keeps for Domain R's ports.

It is used where ``[dmore] security_groups`` names none. There is one in the
project of nova-compute's credentials for Neutron, found by its name there:
users cannot make one in that project. Every nova-compute brings its rules to
its own configuration when it starts and when it is reloaded; then nobody
touches them, so that two hosts with different configurations do not undo each
other's work for ever. The last one counts.

Several nova-computes may find none at the same time, and each make one. So
whoever has made one searches again, and all take the same one, the oldest.
"""

import collections
import contextlib
import dataclasses
import ipaddress
from collections.abc import Callable, Iterable, Iterator
from typing import Any, TYPE_CHECKING

from neutronclient.common import exceptions as neutron_exceptions
from oslo_log import log as logging

from nova_dmore.channel import text
from nova_dmore import exception
from nova_dmore.virt.config import config_message
if TYPE_CHECKING:
    from nova.network import neutron
    from oslo_config import cfg

LOG = logging.getLogger(__name__)

#: By which it is found; to be changed by nobody.
NAME = 'nova-dmore-domain-r'
_DESCRIPTION = ('Ports of the Domain Rs of nova-dmore. Kept by nova-compute: '
                'other rules are deleted when one starts.')
INGRESS = 'ingress'
EGRESS = 'egress'
#: Ports that clients connect from: of Linux (32768 to 60999) and of IANA's
#: dynamic range (49152 to 65535).
_CLIENT_PORTS = range(32768, 65536)
#: Ports on which QEMU takes a migration, as libvirt has it
#: (``migration_port_min`` and ``_max`` of its qemu.conf): a connection that a
#: hostile Domain R opens must not be taken for one.
_MIGRATION_PORTS = range(49152, 49216)


@dataclasses.dataclass(frozen=True, order=True)
class Rule:
    """TCP connections that the group allows."""

    direction: str
    #: Where clients are, for instance ``192.0.2.0/24``.
    network: str
    #: Range of the port that is connected to, both included.
    first_port: int
    last_port: int

    def __str__(self) -> str:
        return (f'{self.direction} {self.network} tcp '
                f'{self.first_port}-{self.last_port}')


def wanted(options: 'cfg.ConfigOpts.GroupAttr', with_vnc: bool
           ) -> frozenset[Rule]:
    """The rules of the group, as the configuration says.

    Nothing but TCP is allowed in: address resolution and neighbour discovery
    are passed by Neutron itself, and ICMP errors of a connection belong to
    it.

    :param options: the ``[dmore]`` options.
    :param with_vnc: whether Nova's ``[vnc] enabled`` is true.
    :raises nova_dmore.exception.ConfigurationError: one of them is no
        network, or there are too many.
    """
    served = config_message.clients(options, with_vnc)
    rules = {Rule(INGRESS, network, port, port)
             for port, networks in served.items()
             for network in _collapse(networks)}
    if options.replies_after_migration:
        clients = _collapse(sum(served.values(), []))
        rules |= {Rule(EGRESS, network, first, last)
                  for network in clients
                  for first, last in _client_ports(served)}
    return frozenset(rules)


def _collapse(networks: list[config_message.IPNetwork]) -> list[str]:
    """Networks without those that are inside of others."""
    four = [each for each in networks
            if isinstance(each, ipaddress.IPv4Network)]
    six = [each for each in networks
           if isinstance(each, ipaddress.IPv6Network)]
    return [*map(str, ipaddress.collapse_addresses(four)),
            *map(str, ipaddress.collapse_addresses(six))]


def _client_ports(served: Iterable[int]) -> list[tuple[int, int]]:
    """Ranges of ports from which clients connect, without those on which
    another Domain R, or QEMU, listens."""
    ranges: list[tuple[int, int]] = []
    first = _CLIENT_PORTS.start
    for taken in sorted([_MIGRATION_PORTS] + [
            range(port, port + 1) for port in served],
            key=lambda taken: taken.start):
        if taken.start >= first:
            if taken.start > first:
                ranges.append((first, taken.start - 1))
            first = taken.stop
        else:
            first = max(first, taken.stop)
    if first < _CLIENT_PORTS.stop:
        ranges.append((first, _CLIENT_PORTS.stop - 1))
    return ranges


class OwnGroup:
    """The group; its methods may be called from any thread, and raise
    Neutron's errors and :class:`nova_dmore.exception.DMoreError`.

    :param make_rules: :func:`wanted` of this host.
    """

    def __init__(self, make_rules: Callable[[], frozenset[Rule]]) -> None:
        self._make_rules = make_rules
        self._id: str | None = None

    def id(self, client: 'neutron.ClientWrapper') -> str | None:
        """The group's id; it is made, and its rules are brought to the
        configuration, if this process has not yet done so.

        :param client: a client of Neutron.
        :returns: None where Neutron has no security groups at all.
        """
        if self._id is None:
            rules = self._make_rules()
            try:
                self._id = self._make(client, rules)
            except neutron_exceptions.NotFound as error:
                LOG.info('Another nova-compute has deleted a security group '
                         'of Domain R that was one too many: %s',
                         text.printable(error))
                self._id = self._make(client, rules)
        return self._id

    def forget(self) -> None:
        """Somebody deleted it: find it anew."""
        self._id = None

    def _make(self, client: 'neutron.ClientWrapper', rules: frozenset[Rule]
              ) -> str | None:
        project = client.httpclient.get_project_id()
        if not project:
            raise exception.AddressError(
                'the credentials of [neutron] have no project in which the '
                'security group of Domain R could be; give them one, or name '
                'groups in [dmore] security_groups')
        try:
            found = self._find(client, project)
        except neutron_exceptions.NotFound:
            return None
        if not found:
            LOG.info('Making the security group %s for Domain R', NAME)
            with _quota(project, 'security groups', '--secgroups'):
                client.create_security_group({'security_group': {
                    'name': NAME, 'description': _DESCRIPTION,
                    'project_id': project}})
            # Somebody else may have made one meanwhile.
            found = self._find(client, project)
        if not found:
            raise exception.AddressError(
                f'the security group {NAME}, made just now in project '
                f'{project}, is not there; is it deleted by something?')
        group, *surplus = sorted(found, key=lambda group: (
            group.get('created_at') or '', group['id']))
        for other in surplus:
            _delete(client.delete_security_group, other['id'],
                    'a surplus security group of Domain R')
        self._reconcile(client, group, rules)
        group_id: str = group['id']
        return group_id

    @staticmethod
    def _find(client: 'neutron.ClientWrapper', project: str
              ) -> list[dict[str, Any]]:
        """An administrator is shown those of others, too, and a user may name
        and share his own as he likes."""
        return [group for group in client.list_security_groups(
            name=NAME, project_id=project)['security_groups']
            if (group['name'], group['project_id']) == (NAME, project)]

    @staticmethod
    def _reconcile(client: 'neutron.ClientWrapper', group: dict[str, Any],
                   rules: frozenset[Rule]) -> None:
        there = collections.defaultdict(list)
        for item in group['security_group_rules']:
            there[_read(item)].append(item['id'])
        missing = sorted(rules - there.keys())
        surplus = {rule: ids for rule, ids in there.items()
                   if rule not in rules}
        if missing or surplus:
            LOG.info(
                'Rules of the security group %(name)s (%(id)s): adding '
                '%(missing)s, deleting %(surplus)s',
                {'name': NAME, 'id': group['id'],
                 'missing': ', '.join(map(str, missing)) or 'none',
                 'surplus': ', '.join(str(rule or 'one of another kind')
                                      for rule in surplus) or 'none'})
        try:
            # First: what both the old and the new rules allow goes on.
            for rule in missing:
                with _quota(group['project_id'], 'rules of security groups',
                            '--secgroup-rules'):
                    _add(client, group['id'], rule)
        finally:
            for ids in surplus.values():
                for rule_id in ids:
                    _delete(client.delete_security_group_rule, rule_id,
                            'a rule of the security group of Domain R')


def _read(item: dict[str, Any]) -> Rule | None:
    """A rule as Neutron has it; None if it is of a kind that is not ours."""
    if (item['protocol'] not in ('tcp', '6')
            or item.get('remote_group_id')
            or item.get('remote_address_group_id')
            or item['port_range_min'] is None):
        return None
    everywhere = '0.0.0.0/0' if item['ethertype'] == 'IPv4' else '::/0'
    return Rule(item['direction'], item['remote_ip_prefix'] or everywhere,
                item['port_range_min'], item['port_range_max'])


def _add(client: 'neutron.ClientWrapper', group_id: str, rule: Rule) -> None:
    version = ipaddress.ip_network(rule.network).version
    try:
        client.create_security_group_rule({'security_group_rule': {
            'security_group_id': group_id, 'direction': rule.direction,
            'ethertype': f'IPv{version}', 'protocol': 'tcp',
            'remote_ip_prefix': rule.network,
            'port_range_min': rule.first_port,
            'port_range_max': rule.last_port}})
    except neutron_exceptions.OverQuotaClient:
        raise
    except neutron_exceptions.Conflict:
        LOG.debug('Another nova-compute has added the rule %s', rule)


def _delete(delete: Callable[[str], object], what_id: str,
            what: str) -> None:
    """Delete what another nova-compute may have deleted, or may use."""
    try:
        delete(what_id)
    except neutron_exceptions.Conflict:
        LOG.info('Keeping %s (%s), which is in use', what, what_id)
    except neutron_exceptions.NotFound:
        pass


@contextlib.contextmanager
def _quota(project: str, what: str, option: str) -> Iterator[None]:
    """Say which quota is exceeded, and how to raise it."""
    try:
        yield
    except neutron_exceptions.OverQuotaClient as error:
        raise exception.AddressError(
            f'the quota of {what} of project {project} is used up; raise it '
            f'("openstack quota set {option} N {project}"), or name groups '
            f'in [dmore] security_groups ({error})') from error
