# SPDX-License-Identifier: Apache-2.0
"""The processes of instances and of their pairs, in a cloud's hosts."""

import os
import pathlib

from laboratory.testbed.settings import Place


class Processes:
    """Finds them. Quick: what is to be killed at once is looked for only
    then.

    :ivar place: the cloud
    """

    def __init__(self, place: Place) -> None:
        self.place = place

    def processes(self, host: str, *words: str) -> list[int]:
        """Pids, as this machine counts them, of those with these words."""
        return _find(self.place.host(host).holder(), *words)

    def instance_qemu(self, host: str, domain: str) -> list[int]:
        return self.processes(host, 'qemu-system', f'guest={domain},')

    def domain_r_qemu(self, host: str, server: str) -> list[int]:
        return self.processes(host, 'qemu-system', f'guest=domr-{server},')

    def keeper(self, host: str, server: str) -> list[int]:
        return self.processes(host, 'nova-dmore-keeper', server)

    def worker(self, host: str, server: str) -> list[int]:
        return self.processes(host, 'nova-dmore-worker', server)

    def hostd(self, host: str) -> list[int]:
        """The host service, without the processes of the pairs."""
        return self.processes(host, 'nova-dmore-hostd')

    def pair_directory(self, host: str, server: str) -> pathlib.Path:
        return (self.place.host(host).root() / 'run' / 'nova-dmore' / server)


def _find(holder: int | None, *words: str) -> list[int]:
    """Pids of the processes with these words in the process namespace of one:
    some have a network of their own.

    Not by psutil: it knows no namespaces and takes three to five times as
    long, and a phase in which something is to be killed lasts milliseconds.
    """
    try:
        wanted = os.stat(f'/proc/{holder}/ns/pid').st_ino
    except FileNotFoundError:
        return []
    found = []
    for name in os.listdir('/proc'):
        if not name.isdigit():
            continue
        try:
            with open(f'/proc/{name}/cmdline', 'rb') as stream:
                line = stream.read().replace(b'\0', b' ')
            if (all(word.encode() in line for word in words) and
                    os.stat(f'/proc/{name}/ns/pid').st_ino == wanted):
                found.append(int(name))
        except (FileNotFoundError, ProcessLookupError):
            continue
    return found
