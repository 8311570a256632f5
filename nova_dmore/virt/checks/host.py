# SPDX-License-Identifier: Apache-2.0
"""Checks of this host: its QEMU, libvirt, host service and AppArmor.

They may raise ``libvirt.libvirtError``: nobody can tell then.
"""

import grp
import os
import pathlib
import pwd
import re
from typing import TYPE_CHECKING

import libvirt
from lxml import etree

from nova_dmore.channel import text
from nova_dmore.client import host_service
from nova_dmore import exception
from nova_dmore.virt.checks import result
from nova_dmore.virt import cpus
if TYPE_CHECKING:
    from oslo_config import cfg

#: nova-compute's start does not wait longer for the host service, in seconds.
_ANSWER_S = 0.5

_DEVICE = 'ivshmem-doorbell'
#: The oldest that pairs were seen to live and move with, as libvirt counts.
_LIBVIRT_TESTED = 9_000_000
_QEMU_TESTED = 7_002_000
#: From here on an emulated guest loses no write in a live migration.
_QEMU_EMULATES = 9_000_000
#: Where AppArmor's rules of QEMU may name the pairs' directories.
_APPARMOR = pathlib.Path('/etc/apparmor.d')
_ABSTRACTIONS = ('local/abstractions/libvirt-qemu',
                 'abstractions/libvirt-qemu', 'abstractions/libvirt-qemu.d',
                 'libvirt/TEMPLATE.qemu')


def device(connection: libvirt.virConnect, virt_type: str) -> result.Result:
    """Whether QEMU has the device of the shared memory: without it no Domain
    R can be on a host.

    libvirt's capabilities do not name the device, and nova-compute need not
    see QEMU's program. So libvirt is asked how it would start a domain with
    it, which it refuses where QEMU has none (seen with libvirt 9.0). Nothing
    is started or kept.

    :param connection: a ``libvirt.virConnect``.
    :param virt_type: ``[libvirt] virt_type``.
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
        return result.failure(
            f'device not available: {_DEVICE}: the QEMU of this host has '
            'not been built with it, as those of Red Hat and its like '
            'are not. No instance has a Domain R here: each starts with '
            'the stock consoles, or not at all with [dmore] required. '
            'Use a QEMU that has it, as Debian\'s and Ubuntu\'s have, '
            'and restart nova-compute; or set compute_driver back to '
            'libvirt.LibvirtDriver. libvirt says: '
            f'{text.printable(error)}')
    return result.GOOD


def versions(connection: libvirt.virConnect, virt_type: str) -> result.Result:
    """Whether libvirt and QEMU are of versions that are known to do.

    :param connection: a ``libvirt.virConnect``.
    :param virt_type: ``[libvirt] virt_type``.
    """
    qemu = connection.getVersion()
    wrong = [
        f'{name} {_version(found)} is older than {_version(tested)}, the '
        'oldest that was tested: upgrade it'
        for name, found, tested in (
            ('libvirt', connection.getLibVersion(), _LIBVIRT_TESTED),
            ('QEMU', qemu, _QEMU_TESTED)) if found < tested]
    if virt_type == 'qemu' and qemu < _QEMU_EMULATES:
        wrong.append(
            f'QEMU {_version(qemu)} emulates the processors ([libvirt] '
            'virt_type is qemu), and before '
            f'{_version(_QEMU_EMULATES)} that loses writes of guests in live '
            'migrations, with and without the plug-in: use KVM, or a later '
            'QEMU')
    return result.warning('; '.join(wrong)) if wrong else result.GOOD


def _version(number: int) -> str:
    return f'{number // 1_000_000}.{number // 1000 % 1000}'


def service(service: host_service.HostService) -> result.Result:
    """Whether the host service answers."""
    try:
        service.qemu_group(_ANSWER_S)
    except exception.HostServiceError as error:
        return result.failure(
            f'{error} Until it answers no pair can be made or watched '
            'here, and instances start with the stock consoles: "systemctl '
            'enable --now nova-dmore-hostd" starts it; nova-compute\'s user '
            'has to be in its group, and [dmore] run_dir has to be [hostd] '
            'run_dir')
    return result.GOOD


def group(service: host_service.HostService, capabilities: str
          ) -> result.Result:
    """Whether QEMUs can reach the sockets of their pairs. Also good if nobody
    can tell: the service is away, or QEMU's user is not known here.

    :param capabilities: what libvirt tells of the host.
    """
    label = re.fullmatch(r'\+(\d+):\+(\d+)', etree.fromstring(
        capabilities).findtext('host/secmodel[model="dac"]/baselabel') or '')
    if label is None:
        return result.GOOD
    user, user_group = map(int, label.groups())
    try:
        let_in = service.qemu_group(_ANSWER_S)
        owner = service.user()
        name = pwd.getpwuid(user).pw_name
    except (exception.HostServiceError, OSError, KeyError):
        return result.GOOD
    groups = {user_group, *os.getgrouplist(name, user_group)}
    if user in (0, owner) or let_in in groups:
        return result.GOOD
    return result.failure(
        'no QEMU can reach its Domain R and its consoles: it runs as '
        f'{name}, of {_names(groups)}, and [hostd] qemu_group of the '
        f'host service is {"not set" if let_in is None else let_in}. Set '
        'it to one of these, make the user of the service a member, and '
        'restart the service')


def _names(groups: set[int]) -> str:
    named = {each.gr_gid: each.gr_name for each in grp.getgrall()}
    return ', '.join(f'{named[each]} ({each})' if each in named
                     else str(each) for each in sorted(groups))


def apparmor(capabilities: str, run_dir: str,
             folder: pathlib.Path = _APPARMOR) -> result.Result:
    """Whether AppArmor, where it confines QEMUs, lets them reach their pairs.

    :param capabilities: what libvirt tells of the host.
    :param run_dir: ``[dmore] run_dir``.
    """
    models = [each.text for each in etree.fromstring(capabilities).iterfind(
        'host/secmodel/model')]
    if 'apparmor' not in models:
        return result.GOOD
    try:
        if any(f'{run_dir}/' in path.read_text(errors='replace')
               for name in _ABSTRACTIONS for path in _files(folder / name)):
            return result.GOOD
    except OSError as error:
        return result.not_checked(f'{error.filename}: {error.strerror}')
    return result.failure(
        f'AppArmor confines the QEMUs of this host, and none of {folder}/'
        f'{{{",".join(_ABSTRACTIONS)}}} lets them reach {run_dir}: no '
        'instance starts with a Domain R. Install '
        f'{folder}/local/abstractions/libvirt-qemu as etc/apparmor.d/ of '
        'nova-dmore has it')


def _files(path: pathlib.Path) -> list[pathlib.Path]:
    if path.is_dir():
        return sorted(each for each in path.iterdir() if each.is_file())
    return [path] if path.is_file() else []


def processors(conf: 'cfg.ConfigOpts') -> result.Result:
    """Whether there are any that Domain Rs may run on.

    :param conf: Nova's configuration, with the ``[dmore]`` options.
    :raises nova_dmore.exception.ConfigurationError: there are none.
    """
    cpus.of_domain_r(conf)
    return result.GOOD
