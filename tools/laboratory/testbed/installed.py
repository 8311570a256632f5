# SPDX-License-Identifier: Apache-2.0
"""What is installed in a compute host before it boots, as an operator does it
with Debian's packages and doc/source/admin/hostd.rst.
"""

import pathlib
import shutil

from laboratory.testbed import conf_compute, emulator, inifile, volumes
from laboratory.testbed.conf_compute import NOVA, NOVA_CONF, QEMU
from laboratory.testbed.settings import CERTIFICATES, Place, SOURCE

#: Programs of the virtual environment that sudo has to find.
_PROGRAMS = ('nova-rootwrap', 'privsep-helper')
#: libvirtd listens itself; each of these would do it for it.
_SOCKETS = ('libvirtd', 'libvirtd-ro', 'libvirtd-admin')

#: Where node_exporter would look for metrics, were it here.
METRICS = '/var/lib/prometheus/node-exporter'

#: Those of Debian's packages of Nova, and the groups of hostd.rst. The first
#: lets nova-compute reach libvirt. Without a shell sshd would let the user
#: run nothing.
_SYSUSERS = f"""u {NOVA} - "OpenStack Compute" /var/lib/nova /bin/sh
m {NOVA} libvirt
m {NOVA} {QEMU}
m nova-dmore {QEMU}
"""

_TMPFILES = f"""d /run/tmp 1777
d /run/home 0700
d /run/lock/nova 0755 {NOVA} {NOVA}
d /var/lib/nova 0755 {NOVA} {NOVA}
d {METRICS} 0755 {NOVA} {NOVA}
"""

#: nova-compute copies disks as its user, and nobody answers questions.
_SSHD = f"""Match User {NOVA}
AuthorizedKeysFile /etc/nova/ssh/nova.pub
"""
_SSH = f"""Match localuser {NOVA}
IdentityFile /etc/nova/ssh/nova
StrictHostKeyChecking no
UserKnownHostsFile /dev/null
LogLevel ERROR
"""

#: Files of this project, by where they are in ``etc``, here and there.
_SHIPPED = {
    'sysusers.d/nova-dmore.conf': 'sysusers.d/nova-dmore.conf',
    'tmpfiles.d/nova-dmore.conf': 'tmpfiles.d/nova-dmore.conf',
    'systemd/nova-dmore-hostd.service':
        'systemd/system/nova-dmore-hostd.service',
    'systemd/nova-dmore-exporter.service':
        'systemd/system/nova-dmore-exporter.service',
}

#: Debian's, word for word.
_SUDOERS = f"""Defaults:{NOVA} !requiretty

{NOVA} ALL = (root) NOPASSWD: /usr/bin/nova-rootwrap /etc/nova/rootwrap.conf *
{NOVA} ALL = (root) NOPASSWD: /usr/bin/privsep-helper *
"""


def install(place: Place, host: str) -> None:
    """Write the files in which a host differs from this machine."""
    root = place.disk(host) / 'upper'
    for path, text in {
            '/etc/hostname': f'{host}\n',
            '/etc/hosts': place.config('hosts').read_text(),
            '/etc/libvirt/libvirtd.conf': conf_compute.libvirtd(host),
            '/etc/libvirt/qemu.conf': conf_compute.qemu(host),
            '/etc/default/libvirtd': 'LIBVIRTD_ARGS="--listen"\n',
            '/etc/sysusers.d/nova.conf': _SYSUSERS,
            '/etc/tmpfiles.d/nova.conf': _TMPFILES,
            '/etc/ssh/sshd_config.d/nova.conf': _SSHD,
            '/etc/ssh/ssh_config.d/nova.conf': _SSH,
            **shipped(place.tree(host)),
    }.items():
        inifile.write(_in(root, path), text, 0o644)
    inifile.write(_in(root, '/etc/sudoers.d/nova-common'), _SUDOERS, 0o440)
    _in(root, CERTIFICATES).mkdir()
    for name in _SOCKETS:
        _link('/dev/null', _in(root, f'/etc/systemd/system/{name}.socket'))
    for name in _PROGRAMS:
        _link(place.layout.venv_program(name), _in(root, f'/usr/bin/{name}'))
    shutil.copytree(place.layout.venv / 'etc/nova', _in(root, '/etc/nova'))


def shipped(tree: pathlib.Path) -> dict[str, str]:
    """This project's own files, by where a host has them.

    :param tree: its source; one of an earlier release may lack some
    """
    return {f'/etc/{there}': (tree / 'etc' / here).read_text()
            for here, there in _SHIPPED.items()
            if (tree / 'etc' / here).exists()}


def _in(root: pathlib.Path, path: str) -> pathlib.Path:
    return root / path.lstrip('/')


def _link(target: str, path: pathlib.Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.symlink_to(target)


def shown(place: Place, host: str) -> list[str]:
    """What of this machine the host has: options of ``systemd-nspawn``."""
    readable = {
        str(place.tree(host)): SOURCE,
        str(place.layout.venv): str(place.layout.venv),
        str(place.console_secret): str(place.console_secret),
        str(place.public_key): str(place.public_key),
        str(place.move_key): '/etc/nova/ssh/nova',
        f'{place.move_key}.pub': '/etc/nova/ssh/nova.pub',
        str(place.config('nova', f'nova-{host}.conf')): NOVA_CONF,
        str(place.config('nova-dmore', f'hostd-{host}.conf')):
            '/etc/nova-dmore/hostd.conf',
        str(place.config('neutron', 'neutron.conf')):
            '/etc/neutron/neutron.conf',
        str(place.config('neutron', f'agent-{host}.ini')):
            '/etc/neutron/plugins/ml2/openvswitch_agent.ini',
        **volumes.shown(place),
    }
    for folder in emulator.folders(place, host):
        readable |= {str(folder): str(folder),
                     str(emulator.script(place, host)): emulator.PROGRAM}
    writable = [place.log(host, 'host').parent, place.own(host, 'nova').parent,
                place.volumes,
                *([] if place.cloud.block else [place.shared])]
    return ['--capability=all', '--bind=/dev/net/tun', '--bind=/dev/fuse',
            *(f'--bind-ro={here}:{there}' for here, there in readable.items()),
            *(f'--bind={path}' for path in writable)]
