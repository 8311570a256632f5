# SPDX-License-Identifier: Apache-2.0
"""Instances that are used through their picture and their keyboard."""

import json
import random
import re
import socket
import threading
import time
import urllib.parse

# For the path that it sets.
from tests.integration import cloud
from laboratory.cloud import machines
from guest import protocol
from laboratory.testbed import settings
from laboratory.layout import Layout
from laboratory.vnc import picture

HOSTS = ('c1', 'c2')
VNC_PORT = 5900
SHELL = 'GUEST-READY'
_FLAVOR = 'm1.guest'
#: The helper answers keys on the screen, and tells its ledger on the serial
#: line. Without a cursor, which blinks.
_HELPER = ('printf "\\033[?25l"; '
           'dmore-count-in --answer --ledger /dev/ttyS0\r')
_READY = b'READY dmore-count-in'
_LEDGER = b'LEDGER '
#: What firmware puts before each character of the boot loader; Nova removes
#: the control character at its beginning.
_POSITION = re.compile(r'\[[0-9:]+;[0-9:]+H')
_SERVING_S = 120.0
_SHELL_S = 240.0
_HELPER_S = 60.0
_LEDGER_S = 60.0
_PICTURE_S = 30.0


class Instance:
    """One instance.

    :param machine: what ``cloud.enter`` returned
    :ivar host: where it is now
    """

    def __init__(self, machine, name, image):
        self.machine = machine
        self.host, _other = HOSTS
        self.server = machine.api.boot(name, _FLAVOR, self.host, image)
        self.domain = machine.api.domain(self.server)

    def url(self):
        """The URL of noVNC's page."""
        return cloud.wait_for(self._url, 60, 'a VNC console')

    def _url(self):
        try:
            return self.machine.api.console_url(self.server, 'novnc')
        except OSError:
            return None

    def log(self):
        """What its serial line has said, without what moves a cursor."""
        return _POSITION.sub('', self.machine.api.console_log(self.server))

    @property
    def address(self):
        """The address of Domain R."""
        return urllib.parse.urlsplit(
            self.machine.api.ssh_url(self.server)).hostname

    def wait_for_console(self):
        """Until Domain R has booted and serves VNC."""
        cloud.wait_for(self._serves, _SERVING_S, 'Domain R serves VNC')

    def _serves(self):
        try:
            socket.create_connection((self.address, VNC_PORT), 5).close()
        except OSError:
            return False
        return True

    def wait_for_shell(self, shells=1):
        """Until a guest that was started so often has a shell."""
        cloud.wait_for(lambda: self.log().count(SHELL) >= shells,
                       _SHELL_S, 'a shell in the guest')

    def screendump(self):
        """What QEMU says that it shows."""
        return machines.screenshot(self.host, self.domain)

    def migrate(self):
        """To the other host."""
        other, = set(HOSTS) - {self.host}
        self.machine.api.migrate(self.server, self.host, other)
        self.host = other

    def close(self):
        self.machine.api.delete(self.server)


class Typing:
    """A thread in which a user types numbered keys until told to stop.

    :param client: has ``type``
    :param begin: the number of the first key
    """

    def __init__(self, client, begin):
        self.sent = begin
        self._client = client
        self._stop = threading.Event()
        self._error = None
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    def _keys(self):
        while not self._stop.is_set():
            yield chr(protocol.key(self.sent))
            self.sent += 1

    def _run(self):
        try:
            self._client.type(self._keys())
        except Exception as error:  # raised where it can be seen
            self._error = error

    def stop(self):
        """How many keys were typed, with those before the first one."""
        self._stop.set()
        self._thread.join(60)
        if self._error is not None:
            raise self._error
        return self.sent


class GraphicalTest(cloud.InstanceTest):
    """Tests with one instance, and a new one after one that has failed.

    :cvar image: what the instance is booted from
    """

    image = 'guest'

    @classmethod
    def image_properties(cls):
        """Those that the image has beside the usual ones."""
        return {}

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.machine.api.upload(
            cls.image, Layout.from_environment().guest_image,
            **cls.image_properties())

    def setUp(self):
        super().setUp()
        self.addOnException(lambda _what: self._drop())

    @property
    def instance(self):
        """It has a shell, and its console can be opened."""
        kind = type(self)
        if kind._subject is None:
            kind._subject = Instance(self.machine, kind.__name__, self.image)
            kind._subject.wait_for_console()
            kind._subject.wait_for_shell()
        return kind._subject

    @property
    def output(self):
        """The folder for what this test's users see."""
        return Layout.from_environment().screenshots / self.id().rpartition(
            'integration.')[2]

    @property
    def client_log(self):
        return self.machine.place.log(settings.CONTROLLER, 'test-clients')

    def start_helper(self, instance, client):
        """Type its name at a shell of the screen.

        :returns: a user of the serial line, who reads what it tells
        """
        # Not the console log: QEMU writes a byte twice into it that it could
        # not send at once.
        serial = cloud.Console(self.machine, instance.server)
        self.addCleanup(serial.close)
        serial.find_shell()
        client.type(_HELPER)
        serial.wait_for(_READY, _HELPER_S)
        return serial

    def assert_picture(self, instance, client, name):
        """Save what a client shows, which is soon what QEMU shows."""
        deadline = time.monotonic() + _PICTURE_S
        while wrong := picture.wrong_pixels(
                shown := client.picture(), right := instance.screendump()):
            if time.monotonic() > deadline:
                picture.save(shown, self.output / f'{name}-wrong.png')
                picture.save(right, self.output / f'{name}-right.png')
                self.fail(f'{name}: {wrong} wrong pixels, see {self.output}')
            # Not in step with a cursor that blinks.
            time.sleep(random.uniform(0, 0.6))
        picture.save(shown, self.output / f'{name}.png')

    def assert_ledger(self, client, serial, sent):
        """Every key came once, and in order; all of the guest's ledger."""
        client.press('ctrl+e')
        serial.wait_for(_LEDGER, _LEDGER_S)
        ledger = json.loads(serial.wait_for(b'\r', _LEDGER_S))
        typist = ledger['typists'][0]
        found = {name: typist[name] for name in (
            'received', 'lost', 'duplicated', 'reordered', 'foreign')}
        found['foreign'] += ledger['foreign']
        self.note(f'{sent} keys typed: {found}')
        self.assertEqual({'received': sent, 'lost': 0, 'duplicated': 0,
                          'reordered': 0, 'foreign': 0}, found)

    def there_and_back(self, client, lives=lambda: None,
                       show=lambda name: None):
        """Type while the instance moves to the other host and back.

        :param lives: fails if the client had to connect anew
        :param show: gets a name; saves what else there is to be seen
        """
        instance = self.instance
        serial = self.start_helper(instance, client)
        self.assert_picture(instance, client, '0-before')
        show('0-before')
        sent = 0
        for number in (1, 2):
            typing = Typing(client, sent)
            try:
                time.sleep(1)
                instance.migrate()
                time.sleep(2)
            finally:
                sent = typing.stop()
            name = f'{number}-on-{instance.host}'
            lives()
            self.assert_ledger(client, serial, sent)
            self.assert_picture(instance, client, name)
            show(name)
        self.assertGreater(sent, 100)
        client.press('ctrl+d')
        serial.wait_for(_LEDGER, _LEDGER_S)
