# Licensed under the Apache License, Version 2.0 (the "License"); you may
# not use this file except in compliance with the License. You may obtain
# a copy of the License at
#
#      http://www.apache.org/licenses/LICENSE-2.0
#
# Unless required by applicable law or agreed to in writing, software
# distributed under the License is distributed on an "AS IS" BASIS, WITHOUT
# WARRANTIES OR CONDITIONS OF ANY KIND, either express or implied. See the
# License for the specific language governing permissions and limitations
# under the License.
"""VNC clients straight at Domain R while its instance moves."""

from tests.integration import cloud
from tests.integration import graphical
from browserlib.dotool import Dotool
from browserlib.viewer import TigerVnc


def setUpModule():
    ViewerTest.machine = cloud.enter()


def tearDownModule():
    cloud.leave()


class ViewerTest(graphical.GraphicalTest):

    def _tigervnc(self, *options):
        viewer = TigerVnc(self.instance.address, graphical.VNC_PORT,
                          self.client_log, *options)
        self.addCleanup(viewer.close)
        return viewer

    def test_tigervnc(self):
        viewer = self._tigervnc()
        self.there_and_back(
            viewer, lambda: self.assertTrue(viewer.connected))

    def test_vncdotool_while_another_watches(self):
        script = Dotool(self.instance.address, graphical.VNC_PORT)
        self.addCleanup(script.close)
        watcher = self._tigervnc('-ViewOnly')

        def live():
            self.assertTrue(script.connected)
            self.assertTrue(watcher.connected)

        self.there_and_back(
            script, live, lambda name: self.assert_picture(
                self.instance, watcher, f'{name}-of-watcher'))
