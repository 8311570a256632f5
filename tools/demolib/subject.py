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
"""One instance with its users: started, asked, removed."""

import dataclasses
import pathlib
import urllib.parse

from demolib import corruption, machines
from demolib.api import Cloud
from demolib.client import PROGRAM, Client, Tally
from demolib.sessions import ProxySession, SshSession
from guest import protocol
from testbedlib.progress import Failure, Progress
from testbedlib.settings import Place

_START_S = 90
_PROMPT = b'guest:'
_ANSWER_S = 10
_LEDGER_S = 20


@dataclasses.dataclass(frozen=True)
class Trial:
    """What an instance is started for.

    :param users: what each uses, to the stream of keys that it types
    """

    name: str
    flavor: str
    users: dict[str, int]


STOCK = Trial('stock', 'm1.guest-stock', {'serial': 0})
DMORE = Trial('dmore', 'm1.guest', {'ssh': 0, 'serial': 1})


@dataclasses.dataclass(frozen=True)
class Mark:
    """A moment at which nothing is under way.

    :param ledger: what the guest said
    :param tallies: what each user had then
    """

    ledger: dict
    tallies: dict[str, Tally]


class Subject:
    """An instance, its users, and the helper that runs in it.

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
        self.clients: dict[str, Client] = {}
        self.server = ''
        self.domain = ''

    def start(self, host: str) -> None:
        """:raises Failure: the instance, a console or the helper fails"""
        name = self._trial.name
        with self._progress.step(f'{name}: an instance on {host}'):
            self.server = self._cloud.boot(
                f'demo-{name}', self._trial.flavor, host)
            self.domain = self._cloud.domain(self.server)
        with self._progress.step(f'{name}: boot of the guest'):
            self._cloud.wait_until_booted(self.server, host)
        with self._progress.step(f'{name}: the users open their consoles'):
            for kind, typist in self._trial.users.items():
                self.clients[kind] = self._open(kind, typist)
            self._start_helper(host)

    def _open(self, kind: str, typist: int) -> Client:
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

    @property
    def ssh_log(self) -> pathlib.Path:
        return self._place.log('ctl', 'demo-ssh')

    def _start_helper(self, host: str) -> None:
        """:raises Failure: a console shows no shell, or no helper in it"""
        log = (self.ssh_log if self._address
               else machines.compute_log(self._place, host))
        for client in self.clients.values():
            # Domain R may still be booting.
            if not client.find_prompt(_PROMPT, _START_S):
                raise Failure(client.name, 'shows no shell of the guest, but '
                              f'{ascii(client.recent)}', log)
        first, *_others = self.clients.values()
        first.write(f'{PROGRAM}\r'.encode())
        for client in self.clients.values():
            if not client.wait_ready(_START_S):
                raise Failure(client.name, f'{PROGRAM} does not start; the '
                              f'console shows {ascii(client.recent)}', log)

    def mark(self) -> Mark | None:
        """Pause the users and ask the guest; nothing if it does not answer.

        :raises Failure: a console could not be opened any more
        """
        for client in self.clients.values():
            client.pause()
        for client in self.clients.values():
            # A lost key has no answer, so there may be less to wait for.
            client.wait_answers(_ANSWER_S)
        expected = {kind: client.ledgers
                    for kind, client in self.clients.items()}
        first, *_others = self.clients.values()
        first.write(bytes([protocol.ASK]))
        tallies = {}
        for kind, client in self.clients.items():
            ledger = client.wait_ledger(expected[kind], _LEDGER_S)
            if ledger is None:
                return None
            tallies[kind] = client.tally(ledger)
        return Mark(ledger.content, tallies)

    def retransmits(self, kind: str) -> int:
        """Of the connection that a migration could harm: the SSH client's, or
        that of nova-serialproxy to the console server."""
        if self._address is None:
            return 0
        same = '=' if kind == 'ssh' else '!='
        return machines.retransmits(
            'dst', str(self._address.hostname), 'and', 'dport', same,
            f':{self._address.port or 22}')

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
