# SPDX-License-Identifier: Apache-2.0
"""The ``[hostd]`` options of the host service.

In a file of its own: the user of the service may not read that of Nova.
"""

import os
import pwd
from collections.abc import Sequence

from oslo_config import cfg

from nova_dmore import conf_file
from nova_dmore import exception
from nova_dmore.hostd import service
from nova_dmore.keeper import life
from nova_dmore.posix import groups

GROUP = cfg.OptGroup('hostd', title='The host service of nova-dmore')

OPTIONS = [
    cfg.Opt(
        'run_dir', type=conf_file.AbsolutePath(), default='/run/nova-dmore',
        help='Directory for the sockets of the pairs. It must be that of '
             '[dmore] run_dir of nova-compute, belong to the user of this '
             'service, and is emptied at a boot.'),
    cfg.Opt(
        'state_dir', type=conf_file.AbsolutePath(may_be_empty=True),
        default='/var/lib/nova-dmore-hostd',
        help='Directory in which the service remembers which instances it has '
             'pairs of, so that these can be started after a boot of the host '
             'by others than Nova (libvirt-guests, virsh start). It must '
             'belong to the user of this service. Empty: they cannot.'),
    cfg.StrOpt(
        'compute_user', default='nova',
        help='User (name or number) that nova-compute runs as: whose '
             'requests are answered, beside root\'s. It must be a member of '
             'the group of this service, which can connect to the socket.'),
    cfg.StrOpt(
        'qemu_group',
        help='Group (name or number) of the user that QEMU runs as, of which '
             'the user of this service must be a member: QEMU reaches the '
             'sockets of its pair by it. For instance libvirt-qemu on Debian '
             'and Ubuntu. No default: QEMU runs as root or as the user of '
             'this service.'),
    cfg.BoolOpt(
        'debug', default=False,
        help='With true, workers and keepers log more, for developers.'),
]


def list_opts() -> list[tuple[cfg.OptGroup, list[cfg.Opt]]]:
    """Entry point ``oslo.config.opts``."""
    return [(GROUP, OPTIONS)]


def read(arguments: Sequence[str]) -> service.Options:
    """-> :class:`nova_dmore.hostd.service.Options`.

    :param arguments: of the command line, without the program.
    :raises exception.ConfigurationError: an option cannot be used.
    """
    given = conf_file.read(GROUP, OPTIONS, arguments)
    user = _user(given.compute_user)
    this = os.geteuid()
    return service.Options(
        run_dir=os.path.abspath(given.run_dir),
        state_dir=given.state_dir or None,
        clients=frozenset({0, this, user.pw_uid}),
        compute=frozenset({0, user.pw_uid}),
        keeper=life.Options(
            run_dir=os.path.abspath(given.run_dir),
            qemu_group=_group(given.qemu_group), debug=given.debug))


def _user(name: str) -> pwd.struct_passwd:
    try:
        return (pwd.getpwuid(int(name)) if name.isdigit()
                else pwd.getpwnam(name))
    except KeyError as error:
        raise exception.ConfigurationError(
            f'[hostd] compute_user: there is no user {name}; name the one '
            'that nova-compute runs as') from error


def _group(name: str | None) -> int | None:
    try:
        found = groups.group_id(name)
    except KeyError as error:
        raise exception.ConfigurationError(
            f'[hostd] qemu_group: there is no group {name}; name one of the '
            'user that QEMU runs as') from error
    if found is not None and os.geteuid() != 0 and (
            found not in (os.getegid(), *os.getgroups())):
        raise exception.ConfigurationError(
            f'[hostd] qemu_group: the user of this service is not a member '
            f'of the group {name}; add it, and restart the service')
    return found
