# SPDX-License-Identifier: Apache-2.0
"""What the hosts and the network tell about a migration."""

import configparser
import pathlib
import tempfile

from laboratory import command
from laboratory.testbed import settings
from laboratory.testbed.settings import COMPUTES, Place
from laboratory.users import corruption, figures
from laboratory.vnc.encodings import Pixels
from laboratory.vnc import picture

_ANSWER_S = 30
_LOG_DIRECTORY = '/var/log/nova-dmore'


def virsh(host: str, *words: str) -> list[str]:
    """A command to the libvirt of a host."""
    return ['virsh', '-c', f'qemu+tcp://{settings.address(host)}/system',
            *words]


def downtime_ms(host: str, domain: str) -> float | None:
    """For how long a domain that has arrived on a host stood still."""
    return figures.total_downtime_ms(
        job(host, domain, '--completed', '--keep-completed'))


def job(host: str, domain: str, *options: str) -> str:
    """What libvirt tells of a migration; nothing if it knows of none."""
    return command.output(virsh(host, 'domjobinfo', *options, domain),
                          _ANSWER_S)


def screenshot(host: str, domain: str) -> Pixels:
    """What QEMU itself says that a domain shows: its ``screendump``.

    :raises Failure: it cannot be had
    """
    with tempfile.NamedTemporaryFile() as file:
        command.said(f'screendump of {domain}',
                     virsh(host, 'screenshot', domain, file.name), _ANSWER_S)
        return picture.load(pathlib.Path(file.name))


def retransmits(*connections: str) -> int:
    """The retransmits of the connections that a filter of ``ss`` selects."""
    return figures.retransmits(command.output(
        ['ss', '-HtinO', *connections], _ANSWER_S))


class GrowingLog:
    """A log file from where it ends now.

    :param path: need not exist yet
    """

    def __init__(self, path: pathlib.Path) -> None:
        self.path = path
        self._begin = path.stat().st_size if path.exists() else 0

    def grown(self) -> str:
        """What was written since."""
        return self._read().decode(errors='replace')

    def fresh(self) -> str:
        """What was written since this was asked last, in whole lines; this is
        where the log begins then."""
        data = self._read()
        whole = data[:data.rfind(b'\n') + 1]
        self._begin += len(whole)
        return whole.decode(errors='replace')

    def _read(self) -> bytes:
        if not self.path.exists():
            return b''
        with self.path.open('rb') as stream:
            # A file that became shorter is another one.
            if self.path.stat().st_size < self._begin:
                self._begin = 0
            stream.seek(self._begin)
            return stream.read()


def compute_log(place: Place, host: str) -> pathlib.Path:
    return place.log(host, 'nova-compute')


def domain_r_log(place: Place, host: str, server: str) -> pathlib.Path:
    """Where the console of a Domain R's kernel goes."""
    return log_directory(place, host) / f'domr-{server}.log'


def log_directory(place: Place, host: str) -> pathlib.Path:
    parser = configparser.ConfigParser(interpolation=None, strict=False)
    parser.read(place.config('nova', f'nova-{host}.conf'))
    return pathlib.Path(parser.get('dmore', 'log_dir',
                                   fallback=_LOG_DIRECTORY))


class KernelLogs:
    """The kernel log of an instance's Domain R on both hosts, from now on."""

    def __init__(self, place: Place, server: str) -> None:
        self._logs = [GrowingLog(domain_r_log(place, host, server))
                      for host in COMPUTES]

    def sign(self) -> str | None:
        """What shows that the emulator corrupted the kernel, if anything."""
        for log in self._logs:
            if found := corruption.sign(log.grown()):
                return f'Domain R: {found}'
        return None
