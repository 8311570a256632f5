# SPDX-License-Identifier: Apache-2.0
"""What a cloud should have, and may lack: said at the start of nova-compute
and by ``nova-dmore-status``."""

import datetime
import grp
import os
import pwd
import re

import libvirt
from lxml import etree
from oslo_log import log as logging

from nova_dmore.channel import text
from nova_dmore.client import host_service
from nova_dmore import exception
from nova_dmore.virt.config import certificate

LOG = logging.getLogger(__name__)

#: So long before its end a new authority of VNC is asked for: the proxies
#: have to trust it before it comes to the hosts.
_AUTHORITY_LEFT = datetime.timedelta(days=60)
#: nova-compute's start does not wait longer for the host service, in seconds.
_ANSWER_S = 0.5

_DEVICE = 'ivshmem-doorbell'


def warn_at_start(conf) -> None:
    """Log what is missing; called by the driver when nova-compute starts.

    :param conf: Nova's configuration.
    """
    in_clear = migration_in_clear(conf)
    if in_clear is not None:
        LOG.warning('Domain R: %s', in_clear)
    warn_of_authority(conf)


def why_no_domain_r(connection, virt_type: str) -> str | None:
    """See :func:`device_missing`; logs it. Called likewise.

    :returns: None also if nobody can tell.
    """
    try:
        missing = device_missing(connection, virt_type)
    except libvirt.libvirtError as error:
        LOG.warning('Domain R: whether the device %s is there cannot be '
                    'told: %s', _DEVICE, text.printable(error))
        return None
    if missing is not None:
        LOG.error('Domain R: %s', missing)
    return missing


def warn_of_authority(conf) -> None:
    """Log when the authority of VNC ends, if that is soon.

    :param conf: Nova's configuration.
    """
    try:
        ends = authority_ends(conf)
    except exception.ConfigurationError as error:
        # No reason for nova-compute not to start: instances can run, and new
        # ones get the stock consoles.
        ends = str(error)
    if ends is not None:
        LOG.warning('Domain R: %s', ends)


def check_group_of_qemu(conf, get_connection) -> None:
    """Log an error if no QEMU of this host can reach what the host service
    makes for it; called by the driver when nova-compute starts.

    :param conf: Nova's configuration.
    :param get_connection: returns a connection to libvirt.
    """
    try:
        capabilities = get_connection().getCapabilities()
    except libvirt.libvirtError as error:
        LOG.warning('Domain R: libvirt does not tell the user of QEMU: %s',
                    text.printable(error))
        return
    shut_out = qemu_shut_out(
        host_service.HostService(conf.dmore.run_dir), capabilities)
    if shut_out is not None:
        LOG.error('Domain R: %s', shut_out)


def qemu_shut_out(service: host_service.HostService, capabilities: str
                  ) -> str | None:
    """Why no QEMU can reach the sockets of its pair; None if it can, or if
    nobody can tell: the service is away, or QEMU's user is not known here.

    :param capabilities: what libvirt tells of the host.
    """
    label = re.fullmatch(r'\+(\d+):\+(\d+)', etree.fromstring(
        capabilities).findtext('host/secmodel[model="dac"]/baselabel') or '')
    if label is None:
        return None
    user, group = map(int, label.groups())
    try:
        let_in = service.qemu_group(_ANSWER_S)
        owner = service.user()
        name = pwd.getpwuid(user).pw_name
    except (exception.HostServiceError, OSError, KeyError):
        return None
    groups = {group, *os.getgrouplist(name, group)}
    if user in (0, owner) or let_in in groups:
        return None
    return ('no QEMU can reach its Domain R and its consoles: it runs as '
            f'{name}, of {_names(groups)}, and [hostd] qemu_group of the '
            f'host service is {"not set" if let_in is None else let_in}. Set '
            'it to one of these, make the user of the service a member, and '
            'restart the service')


def _names(groups: set[int]) -> str:
    named = {each.gr_gid: each.gr_name for each in grp.getgrall()}
    return ', '.join(f'{named[each]} ({each})' if each in named
                     else str(each) for each in sorted(groups))


def migration_in_clear(conf) -> str | None:
    """What is open if migrations are not encrypted; None if they are.

    ``live_migration_tunnelled`` is no substitute: whether libvirt's
    connection is encrypted depends on its URI, and Nova discourages it.

    :param conf: Nova's configuration.
    """
    if conf.libvirt.live_migration_with_native_tls:
        return None
    return ('[libvirt] live_migration_with_native_tls is off: in a live '
            'migration the memory of Domain R crosses the network between '
            'the hosts in clear, with what users type and see, and with the '
            'keys of its console; as does that of the instance itself')


def device_missing(connection, virt_type: str) -> str | None:
    """Why no Domain R can be on a host, if its QEMU lacks the device of the
    shared memory; None if it has that.

    libvirt's capabilities do not name the device, and nova-compute need not
    see QEMU's program. So libvirt is asked how it would start a domain with
    it, which it refuses where QEMU has none (seen with libvirt 9.0). Nothing
    is started or kept.

    :param connection: Nova's ``libvirt.virConnect``.
    :param virt_type: ``[libvirt] virt_type``.
    :raises libvirt.libvirtError: nobody can tell.
    """
    def would_start(device: str) -> None:
        connection.domainXMLToNative(
            'qemu-argv', f'<domain type="{virt_type}">'
            '<name>nova-dmore-check</name><memory unit="MiB">64</memory>'
            f'<os><type>hvm</type></os><devices>{device}</devices></domain>')

    would_start('')     # an error of this one has another reason
    try:
        would_start(f'<shmem name="dmore"><model type="{_DEVICE}"/>'
                    '<server path="/nonexistent"/><msi vectors="1"/></shmem>')
    except libvirt.libvirtError as error:
        return (f'device not available: {_DEVICE}: the QEMU of this host has '
                'not been built with it, as those of Red Hat and its like '
                'are not. No instance has a Domain R here: each starts with '
                'the stock consoles, or not at all with [dmore] required. '
                'Use a QEMU that has it, as Debian\'s and Ubuntu\'s have, '
                'and restart nova-compute; or set compute_driver back to '
                'libvirt.LibvirtDriver. libvirt says: '
                f'{text.printable(error)}')
    return None


def authority_ends(conf) -> str | None:
    """When VNC is closed for the proxies, if that is soon; None if it is not.

    :param conf: Nova's configuration.
    :raises nova_dmore.exception.ConfigurationError: a file of
        ``[dmore] vnc_tls_dir`` cannot be used, or the authority of the
        servers is not good now.
    """
    if not conf.vnc.enabled or conf.dmore.vnc_tls_dir is None:
        return None
    authorities = certificate.read(conf.dmore.vnc_tls_dir)
    now = datetime.datetime.now(datetime.UTC)
    authorities.check(now)
    end = authorities.server[0].not_valid_after_utc
    if end - now >= _AUTHORITY_LEFT:
        return None
    return ('[dmore] vnc_tls_dir: '
            f'{authorities.folder / certificate.SERVER_CA_FILE} ends on '
            f'{end}; then no proxy reaches a VNC console any more. Make a '
            'new authority, and have the proxies trust both before it comes '
            'to the compute hosts')


def port_security_off(network: dict) -> str | None:
    """What is open if a network has no port security; None if it has.

    Where Neutron knows no ``port_security_enabled``, all ports have it.

    :param network: the management network, as Neutron has it.
    """
    if network.get('port_security_enabled') is not False:
        return None
    return (f'port security of network {network.get("name")} '
            f'({network["id"]}), which is [dmore] management_network, is '
            'switched off: nothing but Domain R itself decides who may '
            'connect to it, and nothing keeps a Domain R that was broken '
            'into from using the addresses of others; "openstack network set '
            f'--enable-port-security {network["id"]}" switches it on for new '
            'ports')
