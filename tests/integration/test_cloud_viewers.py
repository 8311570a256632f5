# SPDX-License-Identifier: Apache-2.0
"""VNC clients straight at Domain R while its instance moves."""

import subprocess
import threading
import time

from tests.integration import cloud
from tests.integration import graphical
from laboratory.browser.dotool import Dotool
from laboratory.browser.viewer import TigerVnc
from laboratory.clients.shell import Shell
from laboratory.testbed import settings
from laboratory.users.sessions import SshSession

#: Seconds after which a key that is down would have repeated itself again.
_REPEATED_S = 1.0
#: In the middle of a migration.
_MEANWHILE_S = 3.0


def setUpModule():
    ViewerCase.machine = cloud.enter()


def tearDownModule():
    cloud.leave()


class ViewerCase(graphical.GraphicalTest):
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

    def password(self, *options):
        """What the operator's command says that the instance has."""
        place = self.machine.place
        return subprocess.run(
            [place.layout.venv_program('python'), '-m',
             'nova_dmore.cmd.manage', '--config-file',
             place.config('nova', f'nova-{self.instance.host}.conf'),
             'vnc-password', *options, self.instance.server],
            check=True, stdout=subprocess.PIPE, text=True).stdout.strip()

    def tigervnc(self, password):
        viewer = TigerVnc(self.instance.address, graphical.VNC_PORT,
                          self.client_log, password=password)
        self.addCleanup(viewer.close)
        return viewer

    def vncdotool(self):
        script = Dotool(self.instance.address, graphical.VNC_PORT,
                        self.password())
        self.addCleanup(script.close)
        return script


class ViewerTest(ViewerCase):

    def test_tigervnc(self):
        viewer = self.tigervnc(self.password())
        self.there_and_back(
            viewer, lambda: self.assertTrue(viewer.connected))

    def test_vncdotool_while_another_views(self):
        """What the other types, who is view-only, is no key."""
        script = self.vncdotool()
        other = self.tigervnc(self.password('--view-only'))

        def live():
            other.type('never typed', 0.01)
            self.assertTrue(script.connected)
            self.assertTrue(other.connected)

        self.there_and_back(
            script, live, lambda name: self.assert_picture(
                self.instance, other, f'{name}-of-other'))


class VirtioKeyboardTest(ViewerCase):
    """The guest has a driver of a keyboard that is none of the PC's own; its
    kernel repeats a key that is down.
    """

    image = 'guest-virtio-keyboard'

    @classmethod
    def image_properties(cls):
        return {'hw_input_bus': 'virtio'}

    def test_typing(self):
        script = self.vncdotool()
        self.there_and_back(
            script, lambda: self.assertTrue(script.connected))

    def test_key_that_is_down_while_it_moves(self):
        script = self.vncdotool()
        self._shell = self._open_shell()
        script.type('stty -icanon; tee typed\r')
        cloud.wait_for(lambda: self._shell.run('pidof tee'), 30, 'tee')
        script.hold('a')
        self.instance.migrate()
        script.let_go('a')
        self._assert_let_go()
        script.hold('a')
        timer = threading.Timer(_MEANWHILE_S, script.let_go, ['a'])
        timer.start()
        self.instance.migrate()
        timer.join()
        self._assert_let_go()
        script.type('b')
        self.assertEqual('b', self._typed()[-1])
        self.assertEqual({'a', 'b'}, set(self._typed()))
        script.press('ctrl+c')
        script.type('stty sane\r')

    def _open_shell(self):
        """By SSH: proxies would come from that address, too, and be refused.
        """
        machine, server = self.machine, self.instance.server
        shell = Shell(SshSession(
            [machine.api.ssh_url(server)], machine.place.private_key,
            machine.folder / f'known-hosts-{server}', self.client_log))
        self.addCleanup(shell.close)
        return shell

    def _typed(self):
        return self._shell.run('cat typed')

    def _assert_let_go(self):
        """The guest repeats it no longer."""
        before = self._typed()
        time.sleep(_REPEATED_S)
        self.assertEqual(before, self._typed())
