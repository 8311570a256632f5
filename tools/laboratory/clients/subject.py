# SPDX-License-Identifier: Apache-2.0
"""An instance that clients are tried at."""

import abc
import pathlib
import urllib.parse
from collections.abc import Callable
from typing import TypeVar
from xml.etree import ElementTree

from laboratory import command
from laboratory.clients.shell import Shell
from laboratory.cloud import machines
from laboratory.cloud.api import Cloud
from laboratory.progress import Failure
from laboratory.testbed.settings import COMPUTES, Place
from laboratory.users.sessions import (
    ProxySession, SocatSession, ssh_command, SshSession)
from laboratory.vnc.encodings import Pixels
from laboratory import waiting

#: Domain R's, by default; and the first of QEMU's.
VNC_PORT, SERIAL_PORT = 5900, 6083
_OPEN_S = 120.0
_Opened = TypeVar('_Opened')


class Subject(abc.ABC):
    """One instance, which has a Domain R or not.

    :param folder: for files of clients
    :ivar title: its name in the cloud
    :ivar host: where it is now
    :raises Failure: it does not boot
    """

    def __init__(self, name: str, flavor: str, place: Place, cloud: Cloud,
                 folder: pathlib.Path) -> None:
        self.place = place
        self._cloud = cloud
        self._folder = folder
        self.host, _other = COMPUTES
        self.title = f'clients-{name}'
        self.server = cloud.boot(self.title, flavor, self.host)
        self.domain = cloud.domain(self.server)
        cloud.wait_until_booted(self.server, self.host)

    @property
    def log(self) -> pathlib.Path:
        """Takes what clients say."""
        return self.place.log('ctl', 'test-clients')

    def migrate(self) -> None:
        """To the other host.

        :raises Failure: it does not get there
        """
        other, = set(COMPUTES) - {self.host}
        self._cloud.migrate(self.server, self.host, other)
        self.host = other

    def close(self) -> None:
        self._cloud.delete(self.server)

    # Ways to its consoles.

    @abc.abstractmethod
    def vnc(self) -> tuple[str, int, str]:
        """Host, port and password of the VNC server.

        :raises Failure: it has none
        """

    @abc.abstractmethod
    def serial(self) -> tuple[str, int]:
        """Host and port of the raw serial port.

        :raises Failure: it has none
        """

    def socat(self) -> SocatSession:
        """:raises OSError: there is no ``socat``"""
        return SocatSession(*self.serial(), self.log)

    def proxied(self) -> ProxySession:
        """A session of nova-serialproxy.

        :raises Failure: there is none in time
        """
        return self._serial(self._proxied_now)

    def _proxied_now(self) -> ProxySession:
        return ProxySession(self._cloud.console_url(self.server))

    @staticmethod
    def _serial(open_it: Callable[[], _Opened]) -> _Opened:
        try:
            # Domain R may still be booting.
            return waiting.retried(open_it, _OPEN_S, OSError, look_s=1)
        except OSError as error:
            raise Failure('serial console', str(error)) from error

    def ssh(self) -> SshSession:
        """:raises OSError: there is no ``ssh``"""
        return SshSession([self._cloud.ssh_url(self.server)],
                          self.place.private_key, self._known_hosts, self.log)

    def ssh_command(self) -> list[str]:
        """What a user types to get to Domain R."""
        return ssh_command([self._cloud.ssh_url(self.server)],
                           self.place.private_key, self._known_hosts)

    @property
    def _known_hosts(self) -> pathlib.Path:
        return self._folder / f'known-hosts-{self.server}'

    def novnc_url(self) -> str:
        """The URL of noVNC's page.

        :raises OSError: there is none in time
        """
        return waiting.retried(
            lambda: self._cloud.console_url(self.server, 'novnc'),
            _OPEN_S, OSError, look_s=1)

    def shell(self) -> Shell:
        """A look into the guest.

        When an instance has moved, Nova makes the tokens of its consoles
        invalid; so it may happen to one that was given out a moment before.

        :raises Failure: no shell answers
        """
        return self._serial(lambda: Shell(self._proxied_now()))

    def screendump(self) -> Pixels:
        """What QEMU itself shows.

        :raises Failure: it cannot be had
        """
        return machines.screenshot(self.host, self.domain)


class Stock(Subject):
    """Without a Domain R: QEMU's own consoles."""

    def vnc(self) -> tuple[str, int, str]:
        """Host, port and password of QEMU's VNC server."""
        url = urllib.parse.urlsplit(command.said(
            f'VNC of {self.domain}', machines.virsh(
                self.host, 'domdisplay', '--type', 'vnc', self.domain)
        ).strip())
        if not url.hostname or url.port is None:
            raise Failure('VNC', f'{self.domain} has none')
        return url.hostname, VNC_PORT + url.port, ''

    def serial(self) -> tuple[str, int]:
        """Host and port of QEMU's socket."""
        source = ElementTree.fromstring(command.said(
            f'serial port of {self.domain}',
            machines.virsh(self.host, 'dumpxml', self.domain))).find(
                "devices/serial[@type='tcp']/source")
        if source is None:
            raise Failure('serial port', f'{self.domain} has none over TCP')
        return source.attrib['host'], int(source.attrib['service'])


class Dmore(Subject):
    """With a Domain R."""

    def serial(self) -> tuple[str, int]:
        """Host and port of Domain R's."""
        return self._address(), SERIAL_PORT

    def vnc(self) -> tuple[str, int, str]:
        """Host, port and password of Domain R's."""
        password = command.said('nova-dmore-manage vnc-password', [
            self.place.layout.venv_program('python'), '-m',
            'nova_dmore.cmd.manage', '--config-file',
            self.place.config('nova', f'nova-{self.host}.conf'),
            'vnc-password', self.server])
        return self._address(), VNC_PORT, password.strip()

    def _address(self) -> str:
        return str(urllib.parse.urlsplit(
            self._cloud.ssh_url(self.server)).hostname)
