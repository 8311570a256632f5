# SPDX-License-Identifier: Apache-2.0
"""Who may ask for the worker of a pair, or for its journal.

The keepers of a host are of one user, so no permission of a socket keeps one
that was taken over from another pair's. The kernel says who has connected:
the host service, which does that for nova-compute, is whoever listens at its
socket, and the recorder whoever has its lock. A keeper can do neither.
"""

from nova_dmore.keeper import peers
from nova_dmore.link import hostd_protocol
from nova_dmore.posix import locks
from nova_dmore.posix import unix_connect


class Callers:
    """The callers of one keeper; made before it is confined.

    :param run_dir: where the host service listens.
    :raises OSError: the file of the recorder's lock cannot be opened.
    """

    def __init__(self, run_dir: str) -> None:
        self._run_dir = run_dir
        self._recorders = locks.open_recorders(run_dir)

    def check_control(self, peer: peers.Peer) -> None:
        """Let in the host service, and the recorder.

        A service that has ended since it connected is not let in, nor is any
        while it is away: nova-compute asks again.

        :raises peers.RefusedError: it is somebody else.
        :raises OSError: the host service is not there.
        """
        if peer.pid != locks.recorder(self._recorders):
            with hostd_protocol.connect(self._run_dir, 0) as sock:
                service, _, _ = unix_connect.credentials(sock)
            if peer.pid != service:
                raise peers.RefusedError(
                    f'{peer} is neither the host service nor the recorder')

    def check_journal(self, peer: peers.Peer) -> None:
        """Let in the recorder.

        :raises peers.RefusedError: it is somebody else.
        """
        if peer.pid != locks.recorder(self._recorders):
            raise peers.RefusedError(f'{peer} is not the recorder')
