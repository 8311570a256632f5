# SPDX-License-Identifier: Apache-2.0
"""What the host service tells systemd of itself, where systemd has started it.
"""

import logging
import os
import socket

from nova_dmore.channel import text

LOG = logging.getLogger(__name__)


def tell(state: str) -> None:
    """sd_notify(3): systemd starts nova-compute when this one is ready.

    :param state: as ``READY=1``.
    """
    path = os.environ.get('NOTIFY_SOCKET')
    if not path:
        return
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as sock:
        try:
            sock.sendto(state.encode(),
                        '\0' + path[1:] if path[0] == '@' else path)
        except OSError as e:
            LOG.warning('systemd is not told that %s: %s', state,
                        text.printable(e))
