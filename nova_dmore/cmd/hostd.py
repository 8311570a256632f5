# SPDX-License-Identifier: Apache-2.0
"""``nova-dmore-hostd``: see :mod:`nova_dmore.hostd.service`."""

import dataclasses
import marshal
import os
import sys

import setproctitle

from nova_dmore import exception
from nova_dmore.hostd import service
from nova_dmore.keeper import life
from nova_dmore.posix import crash
from nova_dmore.posix import log
from nova_dmore.posix import privileges


def _read_options(arguments: list[str]) -> service.Options:
    """Read them in a fork.

    In this process the modules of oslo.config would be 0.4 MiB of the memory
    of each pair, whose processes are forked from it.

    :raises SystemExit: the fork has said why.
    """
    ours, theirs = os.pipe()
    pid = os.fork()
    if not pid:
        from nova_dmore.hostd import options
        try:
            given = options.read(arguments)
        except exception.ConfigurationError as error:
            sys.exit(f'nova-dmore-hostd: {error}')
        with open(theirs, 'wb') as pipe:
            marshal.dump(dataclasses.astuple(given), pipe)
        sys.exit()
    os.close(theirs)
    with open(ours, 'rb') as pipe:
        told = pipe.read()
    status = os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
    if not told:
        sys.exit(status)
    run_dir, state_dir, clients, compute, of_keepers = marshal.loads(told)
    return service.Options(run_dir, state_dir, clients, compute,
                           life.Options(*of_keepers))


def main() -> int:
    """Process entry."""
    try:
        given = _read_options(sys.argv[1:])
        log.set_up('hostd', given.keeper.debug)
        privileges.restrict()
        crash.install()
        this = service.Service(given)
    except exception.ConfigurationError as error:
        print(f'nova-dmore-hostd: {error}', file=sys.stderr)
        return 1
    # Before the environment is emptied: it finds the words of the command line
    # by that of the start.
    setproctitle.setproctitle('nova-dmore-hostd')
    # Keepers and workers inherit the rest.
    for name in set(os.environ) - {'NOTIFY_SOCKET', 'PATH', 'LANG',
                                   'PYTHONPATH', service.RELOADED}:
        del os.environ[name]
    this.run()
    return 0
