# SPDX-License-Identifier: Apache-2.0
"""VNC clients straight at Domain R while its instance moves."""

import subprocess

from tests.integration import cloud
from tests.integration import graphical
from laboratory.browser.dotool import Dotool
from laboratory.browser.viewer import TigerVnc
from laboratory.testbed import settings


def setUpModule():
    ViewerTest.machine = cloud.enter()


def tearDownModule():
    cloud.leave()


class ViewerTest(graphical.GraphicalTest):
    """They come from an address that is asked for a password."""

    def setUp(self):
        super().setUp()
        self._route = ['ip', 'route', '{}', f'{self.instance.address}/32',
                       'dev', 'br-data', 'src', settings.MANAGEMENT_USER]
        self._ip_route('replace')
        self.addCleanup(self._ip_route, 'del')

    def _ip_route(self, action):
        subprocess.run([word.format(action) for word in self._route],
                       check=True)

    def _password(self, *options):
        """What the operator's command says that the instance has."""
        place = self.machine.place
        return subprocess.run(
            [place.layout.venv_program('python'), '-m',
             'nova_dmore.cmd.manage', '--config-file',
             place.config('nova', f'nova-{self.instance.host}.conf'),
             'vnc-password', *options, self.instance.server],
            check=True, stdout=subprocess.PIPE, text=True).stdout.strip()

    def _tigervnc(self, password):
        viewer = TigerVnc(self.instance.address, graphical.VNC_PORT,
                          self.client_log, password=password)
        self.addCleanup(viewer.close)
        return viewer

    def test_tigervnc(self):
        viewer = self._tigervnc(self._password())
        self.there_and_back(
            viewer, lambda: self.assertTrue(viewer.connected))

    def test_vncdotool_while_another_looks(self):
        """What the other types, who may only look, is no key."""
        script = Dotool(self.instance.address, graphical.VNC_PORT,
                        self._password())
        self.addCleanup(script.close)
        other = self._tigervnc(self._password('--view-only'))

        def live():
            other.type('never typed', 0.01)
            self.assertTrue(script.connected)
            self.assertTrue(other.connected)

        self.there_and_back(
            script, live, lambda name: self.assert_picture(
                self.instance, other, f'{name}-of-other'))
