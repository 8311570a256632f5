# SPDX-License-Identifier: Apache-2.0
"""Connections to the display of the instance's QEMU.

Its VNC server listens at nothing. It is given one end of a socket pair over
QMP, and the worker the other one: nobody else can reach it.
"""

import socket

#: What QEMU calls the end that it is given, until it is used.
_NAME = 'dmore-display'


class Display:
    """Opens one connection after the other.

    :param link: the :class:`qmp.QmpLink` of the instance.
    """

    def __init__(self, link):
        self._link = link
        self._opened = None     # whom to call, while QEMU is asked

    def open(self, opened):
        """Have a new connection; earlier ones end with their other end.

        :param opened: called once with (socket, None) or (None, error); the
            socket is closed when it returns.
        """
        if self._opened is not None:
            # QEMU does not answer: it gets no second one to keep.
            opened(None, 'the display is being opened')
            return
        self._opened = opened
        ours, theirs = socket.socketpair()

        def given(reply):
            if 'result' not in reply:
                self._end(ours, reply['error'])
                return
            self._link.execute(
                'add_client', {'protocol': 'vnc', 'fdname': _NAME,
                               'skipauth': True}, added)

        def added(reply):
            self._end(ours, reply.get('error'))
        self._link.execute('getfd', {'fdname': _NAME}, given, theirs)

    def _end(self, ours, error):
        opened, self._opened = self._opened, None
        with ours:
            if error is None:
                opened(ours, None)
            else:
                opened(None, error)
