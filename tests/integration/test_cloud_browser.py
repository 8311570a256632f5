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
"""noVNC in a browser, by itself and in Horizon, while its instance moves."""

from tests.integration import cloud
from tests.integration import graphical
from browserlib import horizon
from browserlib import novnc
from browserlib.browser import Browser
from testbedlib import dashboard
from testbedlib import services
from testbedlib import settings
from testbedlib.settings import CONTROLLER


def setUpModule():
    BrowserTest.machine = cloud.enter()


def tearDownModule():
    cloud.leave()


class BrowserTest(graphical.GraphicalTest):

    def setUp(self):
        super().setUp()
        self.browser = Browser(self.client_log)
        self.addCleanup(self.browser.close)

    def _move(self, console):
        def lives():
            sockets = console.sockets()
            self.assertEqual([(True, False)], [
                (socket['open'], socket['closed']) for socket in sockets],
                sockets)

        def show(name):
            console.show()
            self.browser.screenshot(self.output / f'{name}-page.png')

        self.there_and_back(console, lives, show)

    def test_novnc(self):
        self.browser.open(self.instance.url())
        self._move(novnc.Console(self.browser))

    def test_horizon(self):
        place = self.machine.place
        running = services.recorded([place.host(CONTROLLER)])
        if dashboard.NAME not in {service.name for service in running}:
            dashboard.start(place)
        credentials = place.credentials()
        horizon.log_in(self.browser, settings.url('horizon', '/'),
                       credentials['OS_USERNAME'],
                       credentials['OS_PASSWORD'],
                       horizon.instance_page(self.instance.server))
        self._move(horizon.open_console(self.browser))
