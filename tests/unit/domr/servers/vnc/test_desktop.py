# SPDX-License-Identifier: Apache-2.0
"""What the desktop tells of its clients; their process is not real."""

import socket
import types
import unittest
from unittest import mock

from nova_dmore.domr import sessions as sessions_module
from nova_dmore.domr.servers.vnc import desktop as desktop_module
from nova_dmore.domr.servers.vnc import protocol
from nova_dmore.domr.servers.vnc import sessions as vnc_sessions
from nova_dmore import wire


class SessionsTest(unittest.IsolatedAsyncioTestCase):

    async def test_begin_end_and_cut(self) -> None:
        said: list[dict] = []
        process = mock.create_autospec(vnc_sessions.Sessions, instance=True)
        process.most = 16
        process.add.side_effect = [4, 5]
        context = mock.Mock(
            spec=['screen', 'input', 'changed', 'log', 'start_vnc',
                  'sessions'],
            screen=types.SimpleNamespace(
                good=True, viewer=None, set_viewers=lambda count: None),
            sessions=sessions_module.Sessions(said.append))
        with mock.patch.object(vnc_sessions, 'Sessions',
                               return_value=process):
            desktop = desktop_module.Desktop(context)
        ours, theirs = socket.socketpair()
        self.addCleanup(ours.close)
        self.addCleanup(theirs.close)
        for client, view_only in (
                ('VNC client 192.0.2.7 port 7', False),
                ('VNC client fe80::7%ens3 port 8', True)):
            await desktop.add(theirs, client=client, name='x',
                              view_only=view_only, shared=True)
        self.assertEqual(
            [('192.0.2.7', 7, False), ('fe80::7', 8, True)],
            [tuple(each['session'][name]
                   for name in ('address', 'port', 'view_only'))
             for each in said])
        context.sessions.end(said[1]['session']['number'])
        process.end.assert_called_once_with(5)
        desktop._gone(protocol.Gone(5, protocol.Reason.CLOSED))
        self.assertEqual(
            {'type': wire.SESSION_ENDED, 'server': 'vnc', 'number': 2},
            said[-1])
