# SPDX-License-Identifier: Apache-2.0
"""Connections to the display of the instance's QEMU.

Its VNC server listens at nothing. It is given one end of a socket pair over
QMP, and the worker the other one: nobody else can reach it.
"""

import socket
from collections.abc import Callable
from typing import TypeAlias

from nova_dmore.keeper import qmp
from nova_dmore.link import messages

#: What QEMU calls the end that it is given, until it is used.
_NAME = 'dmore-display'

#: Called with a connection, or None and an error.
Opened: TypeAlias = Callable[[socket.socket | None, str | None], None]


class Display:
    """Opens one connection after the other.

    :param link: the :class:`qmp.QmpLink` of the instance.
    """

    def __init__(self, link: qmp.QmpLink) -> None:
        self._link = link
        #: Whether QEMU has been asked, and has not answered yet.
        self._is_asking = False

    def open(self, opened: Opened) -> None:
        """Have a new connection; earlier ones end with their other end.

        :param opened: called once with (socket, None) or (None, error); the
            socket is closed when it returns.
        """
        if self._is_asking:
            # A QEMU that does not answer is given no second connection.
            opened(None, 'the display is being opened')
            return
        self._is_asking = True
        ours, theirs = socket.socketpair()

        def given(reply: messages.Message) -> None:
            if 'result' not in reply:
                end(reply['error'])
                return
            self._link.execute(
                'add_client', {'protocol': 'vnc', 'fdname': _NAME,
                               'skipauth': True}, added)

        def added(reply: messages.Message) -> None:
            end(reply.get('error'))

        def end(error: str | None) -> None:
            self._is_asking = False
            with ours:
                opened(ours if error is None else None, error)
        self._link.execute('getfd', {'fdname': _NAME}, given, theirs)
