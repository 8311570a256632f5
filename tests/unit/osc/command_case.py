# SPDX-License-Identifier: Apache-2.0
"""A user's machine, with a program in the place of ssh."""

import itertools
import json
import os
import pathlib
import tempfile
from unittest import mock

import fixtures
from oslotest import base

from tests.unit.gateway import fakes

KEY = fakes.key(1)
#: Tells of a console where it is asked at the gateway, and of its sessions
#: where that is; and notes how it was called.
_SSH = """#!/bin/sh
printf '%s\\n' "$*" >>{folder}/called
case "$*" in
*" sessions"*) cat {folder}/answer;;
*-T*) cat {folder}/told; exit;;
esac
exit $(cat {folder}/status)
"""


class CommandCase(base.BaseTestCase):

    def setUp(self):
        super().setUp()
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.folder = pathlib.Path(folder.name)
        self.known_hosts = self.folder / 'known_hosts'
        ssh = self.folder / 'ssh'
        ssh.write_text(_SSH.format(folder=self.folder))
        ssh.chmod(0o755)
        (self.folder / 'status').write_text('7')
        self._tell(host_key=KEY)
        patch = mock.patch.dict(os.environ, {
            'PATH': f'{self.folder}:{os.environ["PATH"]}'})
        patch.start()
        self.addCleanup(patch.stop)
        os.environ.pop('OS_DMORE_GATEWAY', None)
        self.app = mock.Mock()
        self.server = self.app.client_manager.compute.find_server.return_value
        self.server.id, self.server.metadata = fakes.WEB, {}
        self.nova = self.app.client_manager.compute.get
        self._host('UP')
        self.stderr = self.useFixture(fixtures.StringStream('stderr')).stream
        self.useFixture(fixtures.MonkeyPatch('sys.stderr', self.stderr))

    def _host(self, *statuses):
        """What Nova tells of the host, one time after the other."""
        self.nova.side_effect = (
            mock.Mock(status_code=200, **{'json.return_value': {
                'server': {'host_status': each}}})
            for each in itertools.chain(statuses, itertools.repeat('UP')))

    def _said(self):
        self.stderr.seek(0)
        return self.stderr.read()

    def _tell(self, **fields):
        (self.folder / 'told').write_text(json.dumps({
            'instance': fakes.WEB, 'address': '2001:db8::5', 'port': 22,
            **fields}))

    def _run(self, kind, *arguments):
        command = kind(self.app, None)
        return command.take_action(
            command.get_parser('x').parse_args([*arguments]))

    def _called(self):
        return (self.folder / 'called').read_text().splitlines()
