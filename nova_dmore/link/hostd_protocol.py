# SPDX-License-Identifier: Apache-2.0
"""What nova-compute and the keepers ask of the host service.

One request per connection: a SOCK_SEQPACKET message, JSON and descriptors as
between keeper and worker (:mod:`nova_dmore.link.messages`), and one answer.
Whoever connects is known by the credentials that the kernel gives of it. All
requests may be repeated without harm.
"""

import enum
import os
import socket
from collections.abc import Iterable

from nova_dmore.link import messages

#: In ``run_dir``: nova-compute and the keepers connect.
SOCKET = 'hostd.sock'

#: Connections that are made and not accepted yet.
BACKLOG = 128

#: Instances in an answer: 40 bytes each, of MESSAGE_MAX.
LIST_MAX = 1000


class Request(enum.StrEnum):
    """``type`` of a request; ``instance`` is its uuid, in all but LIST and
    STATUS."""

    #: Have a keeper, and it a worker; ``arrives``: its domains may be those of
    #: an earlier release, whose QEMUs make their sockets themselves;
    #: ``large``: its Domain R is likely to have a large region, for which the
    #: first worker begins then. -> ``pid`` of the keeper, which listens by
    #: then; also of one that lives already.
    START = 'start'
    #: -> a descriptor: a connection to the pair's worker, for the requests of
    #: :class:`nova_dmore.wire.Request`. Failure.GONE: no keeper lives.
    OPEN = 'open'
    #: End a keeper that does not do so when its worker asks it to; to be
    #: repeated until it is gone: it is killed at last.
    END = 'end'
    #: Remove the folders of a pair whose keeper is gone, and its instance.
    #: Failure.LIVES: it is not.
    REMOVE = 'remove'
    #: -> ``instances``: of which keepers live, sorted; the first LIST_MAX that
    #: come after ``after``, a text.
    LIST = 'list'
    #: -> ``qemu_group``: the number of the group through which QEMU is let in,
    #: or None. One that runs since before an upgrade may refuse it.
    STATUS = 'status'
    #: -> ``earlier``: whether its keeper lives, and was started by a release
    #: without a host service.
    EARLIER = 'earlier'
    #: -> ``large``: whether its keeper lives, and listens for a Domain R with
    #: a large region.
    LARGE = 'large'
    #: From a keeper alone. Descriptor: the worker's end of their link, see
    #: :func:`messages.pair`. -> ``pid``, and a pidfd of the new worker.
    WORKER = 'worker'


class Failure(enum.StrEnum):
    """Why a request failed: ``failure`` of an answer that has ``error``."""

    GONE = 'gone'           # no keeper of this pair lives
    LIVES = 'lives'         # its keeper lives, and is just beginning or ending
    STUCK = 'stuck'         # its keeper lives, and accepts nothing
    REFUSED = 'refused'     # the request is wrong, or not this peer's
    FAILED = 'failed'       # the host does not let it


def path_of(run_dir: str) -> str:
    """-> the path of the socket."""
    return os.path.join(run_dir, SOCKET)


def connect(run_dir: str, timeout: float | None = None) -> socket.socket:
    """-> a connected socket, for one request.

    :param timeout: of it, in seconds; 0: it does not block.
    :raises OSError: the service is not there, or does not accept in time.
    """
    sock = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    try:
        sock.settimeout(timeout)
        sock.connect(path_of(run_dir))
    except OSError:
        sock.close()
        raise
    return sock


def send(sock: socket.socket, message: messages.Message,
         descriptors: Iterable[int] = ()) -> None:
    """Send a request or an answer.

    :raises OSError: the peer is gone.
    """
    messages.send(sock, message, descriptors)


def receive(sock: socket.socket
            ) -> tuple[messages.Message | None, list[int]]:
    """-> (message, descriptors); (None, []): the peer is gone.

    :raises BlockingIOError, ValueError: see :func:`messages.receive`.
    """
    return messages.receive(sock)
