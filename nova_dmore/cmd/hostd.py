# SPDX-License-Identifier: Apache-2.0
"""``nova-dmore-hostd``: see :mod:`nova_dmore.hostd.service`."""

import os
import sys

import setproctitle

from nova_dmore import exception
from nova_dmore.hostd import options
from nova_dmore.hostd import service
from nova_dmore.posix import log
from nova_dmore.posix import privileges


def main() -> int:
    """Process entry."""
    try:
        given = options.read(sys.argv[1:])
        log.set_up('hostd', given.keeper.debug)
        privileges.restrict()
        this = service.Service(given)
    except exception.ConfigurationError as error:
        print(f'nova-dmore-hostd: {error}', file=sys.stderr)
        return 1
    # It finds its way by the environment that the process was started with.
    setproctitle.setproctitle('nova-dmore-hostd')
    # What the processes of the pairs have of it.
    for name in set(os.environ) - {'NOTIFY_SOCKET', 'PATH', 'LANG',
                                   'PYTHONPATH', service.RELOADED}:
        del os.environ[name]
    this.run()
    return 0
