# SPDX-License-Identifier: Apache-2.0
"""One instance with its users: started, asked, removed."""

import dataclasses
import pathlib
import time
import urllib.parse
from collections.abc import Collection, Iterable

from guest import protocol
from laboratory.cloud.api import Cloud
from laboratory.cloud import machines
from laboratory.progress import Failure, Progress
from laboratory.testbed.settings import Place
from laboratory.users.client import Client, PROGRAM
from laboratory.users import corruption
from laboratory.users.sessions import ProxySession, SshSession, VncSession
from laboratory.users.typist import Tally, Typist
from laboratory.users.viewer import PROGRAM as SCREEN_PROGRAM
from laboratory.users.viewer import Viewer
from laboratory.vnc import picture
from laboratory import waiting

_START_S = 90
#: A screen's helper that is not seen after so many seconds is started again.
_SEEN_S = 15
_PROMPT = b'guest:'
_ANSWER_S = 10
_LEDGER_S = 20
#: An answer may be lost as well as anything.
_ASKS = 2
_SETTLE_S = 20
#: The users who come by Nova's proxies.
PROXIED = ('serial', 'vnc')
#: Where Domain R's VNC server listens, unless configured otherwise.
_VNC_PORT = 5900


@dataclasses.dataclass(frozen=True)
class Trial:
    """What an instance is started for.

    :param users: what each uses, to the stream of keys that it types
    :param command: what runs in the guest for the users of its serial port
    :param volume_gib: the size of the volume that is its disk, if it has one
    """

    name: str
    flavor: str
    users: dict[str, int]
    command: str = PROGRAM
    volume_gib: int = 0


STOCK = Trial('stock', 'm1.guest-stock', {'serial': 0, 'vnc': 0})
DMORE = Trial('dmore', 'm1.guest', {'ssh': 0, 'serial': 1, 'vnc': 0})


@dataclasses.dataclass(frozen=True)
class Mark:
    """A moment at which nothing is under way.

    :param ledgers: what the guest said to each user
    :param tallies: what each user had then
    """

    ledgers: dict[str, dict]
    tallies: dict[str, Tally]


class Subject:
    """An instance, its users, and the helpers that run in it: one at the
    serial port, and one at the screen for a user of VNC.

    :param folder: for the files of ``ssh``
    """

    def __init__(self, trial: Trial, cloud: Cloud, place: Place,
                 folder: pathlib.Path, progress: Progress) -> None:
        self._trial = trial
        self._cloud = cloud
        self._place = place
        self._folder = folder
        self._progress = progress
        self._address: urllib.parse.SplitResult | None = None
        self.clients: dict[str, Typist] = {}
        self.server = ''
        self.domain = ''

    def start(self, host: str) -> None:
        """:raises Failure: the instance, a console or the helper fails"""
        name = self._trial.name
        with self._progress.step(f'{name}: an instance on {host}'):
            self.server = self._cloud.boot(
                f'demo-{name}', self._trial.flavor, host,
                volume_gib=self._trial.volume_gib)
            self.domain = self._cloud.domain(self.server)
        with self._progress.step(f'{name}: boot of the guest'):
            self._cloud.wait_until_booted(self.server, host)
        with self._progress.step(f'{name}: the users open their consoles'):
            for kind, typist in self._trial.users.items():
                self.clients[kind] = self._open(kind, typist)
            self._start_helper(host)

    def _open(self, kind: str, typist: int) -> Typist:
        if kind == 'vnc':
            return self._open_viewer()
        if kind == 'ssh':
            url = self._cloud.ssh_url(self.server)
            self._address = urllib.parse.urlsplit(url)
            known_hosts = self._folder / f'known-hosts-{self.server}'

            def open_session() -> SshSession | ProxySession:
                return SshSession([url], self._place.private_key, known_hosts,
                                  self.ssh_log)
        else:
            def open_session() -> SshSession | ProxySession:
                return ProxySession(self._cloud.console_url(self.server))
        try:
            return Client(f'{self._trial.name} {kind}', typist, open_session,
                          self._progress.say)
        except OSError as error:
            raise Failure(f'{self._trial.name}: {kind} console', str(error),
                          self._place.log('ctl', 'nova-serialproxy')
                          ) from error

    def _open_viewer(self) -> Viewer:
        def open_session() -> VncSession:
            return VncSession(self._cloud.console_url(self.server, 'novnc'))

        try:
            # Domain R may still be booting.
            return waiting.retried(
                lambda: Viewer(f'{self._trial.name} vnc', open_session,
                               self._progress.say),
                _START_S, OSError, look_s=1)
        except OSError as error:
            raise Failure(f'{self._trial.name}: vnc console', str(error),
                          self.vnc_log) from error

    @property
    def address(self) -> str | None:
        """Domain R's, if it has one."""
        return self._address.hostname if self._address else None

    @property
    def vnc_log(self) -> pathlib.Path:
        return self._place.log('ctl', 'nova-novncproxy')

    @property
    def ssh_log(self) -> pathlib.Path:
        return self._place.log('ctl', 'demo-ssh')

    def _start_helper(self, host: str) -> None:
        """:raises Failure: a console shows no shell, or no helper in it"""
        for client in self.clients.values():
            if isinstance(client, Viewer):
                self._start_showing(client)
        self._start_printing(host, [client for client in self.clients.values()
                                    if isinstance(client, Client)])

    def _start_showing(self, client: Viewer) -> None:
        deadline = time.monotonic() + _START_S
        client.write(f'\r{SCREEN_PROGRAM}\r'.encode())
        while not client.wait_ready(_SEEN_S):
            if time.monotonic() > deadline:
                raise Failure(client.name, f'{SCREEN_PROGRAM} is not seen',
                              self.vnc_log)
            # If it runs, and is only late: it shall not take this for keys.
            client.write(bytes([protocol.STOP]))
            time.sleep(1)
            client.write(f'\r{SCREEN_PROGRAM}\r'.encode())

    def _start_printing(self, host: str, clients: list[Client]) -> None:
        log = (self.ssh_log if self._address
               else machines.compute_log(self._place, host))
        for client in clients:
            # Domain R may still be booting.
            if not client.find_prompt(_PROMPT, _START_S):
                raise Failure(client.name, 'shows no shell of the guest, but '
                              f'{ascii(client.recent)}', log)
        if clients:
            clients[0].write(f'{self._trial.command}\r'.encode())
        for client in clients:
            if not client.wait_ready(_START_S):
                raise Failure(client.name, f'{PROGRAM} does not start; the '
                              f'console shows {ascii(client.recent)}', log)

    def mark(self, kinds: Collection[str] | None = None) -> Mark | None:
        """Pause the users and ask the helpers; nothing if one does not answer.

        :param kinds: of the users who have a console; all, if not given
        :raises Failure: a console could not be opened any more
        """
        clients = {kind: client for kind, client in self.clients.items()
                   if kinds is None or kind in kinds}
        for client in clients.values():
            client.pause()
        for client in clients.values():
            # A lost key has no answer, so there may be less to wait for.
            client.wait_answers(_ANSWER_S)
        expected = {kind: client.ledgers for kind, client in clients.items()}
        self._ask(clients.values())
        mark = Mark({}, {})
        for kind, client in clients.items():
            for asked in range(_ASKS):
                if asked:
                    self._ask(clients.values())
                ledger = client.wait_ledger(expected[kind], _LEDGER_S)
                if ledger is not None:
                    break
            else:
                return None
            mark.ledgers[kind] = ledger.content
            mark.tallies[kind] = client.tally(ledger)
        return mark

    @staticmethod
    def _ask(clients: Iterable[Client | Viewer]) -> None:
        """All users of a helper see its answer, whoever asked."""
        for client in {type(client): client for client in clients}.values():
            client.write(bytes([protocol.ASK]))

    def wrong_pixels(self, kind: str, host: str) -> int | None:
        """How many pixels a user sees that QEMU does not show; of another
        kind of user nothing. It is a moment at which nothing is under way.
        """
        client = self.clients[kind]
        if not isinstance(client, Viewer):
            return None
        shown = client.settled(_SETTLE_S)
        right = machines.screenshot(host, self.domain)
        if shown is None:
            self._progress.say(f'{client.name}: the picture does not settle')
            return right.size
        return picture.wrong_pixels(shown, right)

    def retransmits(self, kind: str) -> int:
        """The retransmits of the connection that a migration could harm: that
        of the SSH client, or of a proxy to the console server."""
        if self._address is None:
            return 0
        ports = {'ssh': self._address.port or 22, 'vnc': _VNC_PORT}
        which = (['and', 'dport', '=', f':{ports[kind]}'] if kind in ports
                 else [word for port in ports.values()
                       for word in ('and', 'dport', '!=', f':{port}')])
        return machines.retransmits('dst', str(self.address), *which)

    def corrupted(self) -> str | None:
        """What shows that the emulator corrupted the guest, if anything."""
        for client in self.clients.values():
            if found := corruption.sign(client.odd):
                return found
        return corruption.sign(self._cloud.console_log(self.server))

    def close(self) -> None:
        """Have the users leave, and remove the instance."""
        for client in self.clients.values():
            client.close()
        if self.server:
            with self._progress.step(f'{self._trial.name}: remove it'):
                self._cloud.delete(self.server)
