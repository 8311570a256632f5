# SPDX-License-Identifier: Apache-2.0
"""noVNC in a browser, by itself and in Horizon, while its instance moves."""

from tests.integration import cloud
from tests.integration import graphical
from laboratory.browser import horizon
from laboratory.browser import novnc
from laboratory.browser.browser import Browser
from laboratory.testbed import dashboard
from laboratory.testbed import services
from laboratory.testbed import settings
from laboratory.testbed.settings import CONTROLLER


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
