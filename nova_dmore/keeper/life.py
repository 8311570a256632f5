# SPDX-License-Identifier: Apache-2.0
"""The life of a keeper's process, from the host service's fork on."""

import dataclasses
import os
import socket

from nova_dmore.keeper import confinement
from nova_dmore.keeper import keeper
from nova_dmore.keeper import resources as resources_module
from nova_dmore.link import hostd_protocol
from nova_dmore.posix import crash
from nova_dmore.posix import fifos
from nova_dmore.posix import locks
from nova_dmore.posix import log
from nova_dmore.posix import loop as loop_module
from nova_dmore.posix import privileges
from nova_dmore.posix import seccomp


@dataclasses.dataclass(frozen=True)
class Options:
    """What the host service tells all of its keepers."""

    run_dir: str
    #: Group id of QEMU's user, which has to reach its folder and sockets;
    #: None: QEMU is root, or of this user.
    qemu_group: int | None = None
    debug: bool = False


def run(instance: str, arrives: bool, large: bool, options: Options,
        answer: int) -> None:
    """The life of a keeper, in a process of its own.

    :param instance: the uuid of the pair's instance.
    :param arrives: see :attr:`hostd_protocol.Request.START`.
    :param large: likewise.
    :param answer: descriptor of the connection of whoever wants it: it is
        told the process id when the sockets listen.
    :raises SystemExit: it cannot be.
    """
    log.set_up(f'keeper {instance}', options.debug)
    directory = os.path.join(options.run_dir, instance)
    with socket.socket(fileno=answer) as sock:
        try:
            resources = _acquire(directory, arrives, large, options.qemu_group)
            privileges.restrict()
            crash.install()
            this = keeper.Keeper(
                loop_module.Loop(), options.run_dir, instance, resources)
            confinement.confine()
        except BlockingIOError:
            hostd_protocol.send(sock, {'pid': locks.holder(directory)})
            return
        except (OSError, seccomp.Unavailable) as e:
            why = (f'It cannot use {directory}: {e}'
                   if isinstance(e, OSError) else
                   f'The keeper cannot be confined, and ends: {e}')
            hostd_protocol.send(sock, {
                'error': why, 'failure': hostd_protocol.Failure.FAILED})
            raise SystemExit(why) from e
        hostd_protocol.send(sock, {'pid': os.getpid()})
    this.run()


def _acquire(directory: str, arrives: bool, large: bool, group: int | None
             ) -> resources_module.Resources:
    """-> :class:`resources.Resources`; the folder is this process' then.

    The QEMUs of release 0.2 make their sockets in it. They may do so where
    they arrive; what others have made there they cannot remove.

    :raises BlockingIOError: it is another keeper's.
    :raises OSError: it cannot be used.
    """
    _make_directory(directory, 0o700, group)
    locks.acquire(directory)
    locks.make_workers(directory)
    resources = resources_module.Resources(
        directory, fifos.mode_for(group), group, large)
    if arrives and group is not None:
        # Last: what a pair has is there, and nobody can put his own in its
        # place.
        os.chmod(directory, 0o1770)
    return resources


def _make_directory(path: str, mode: int, group: int | None) -> None:
    os.makedirs(path, mode=0o700, exist_ok=True)
    if group is not None:
        os.chown(path, -1, group)
    os.chmod(path, mode)
