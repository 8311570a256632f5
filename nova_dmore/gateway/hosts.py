# SPDX-License-Identifier: Apache-2.0
"""The gateway's ``/etc/hosts``: the addresses of instances, by uuid.

``ssh -J console@gateway console@UUID`` has the gateway's sshd look up the
uuid. Its unit shows it this file as ``/etc/hosts``, and nobody else.

A reader must never see half a line, nor an address beside another's name; and
a mounted file cannot be replaced by another one. So lines are only ever
appended, with the name last, or made comments by one byte. The file begins
anew, with what the host's own has, when the service starts.
"""

import fcntl
import os
import pathlib
import re
from collections.abc import Mapping

PATH = pathlib.Path('/run/nova-dmore-gateway/hosts')
#: A line of this module; the host's own are left alone.
_OURS = re.compile(rb'([0-9a-f.:]+) ([0-9a-f]{8}(?:-[0-9a-f]{4}){3}'
                   rb'-[0-9a-f]{12})\n')


def tell(where: Mapping[str, str], path: pathlib.Path = PATH) -> None:
    """Have the file give these addresses, by instance; others that it gives
    stay, but for those of the same instance or the same address.

    :raises OSError: it is not there or cannot be written; it is not made, for
        then nobody would read it
    """
    with open(os.open(path, os.O_RDWR | os.O_APPEND), 'rb+',
              buffering=0) as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        missing, outdated, place = dict(where), [], 0
        text = file.read()
        for line in text.splitlines(keepends=True):
            match = _OURS.fullmatch(line)
            if match is not None:
                address, name = match[1].decode(), match[2].decode()
                if where.get(name) == address:
                    missing.pop(name, None)
                elif name in where or address in where.values():
                    outdated.append(place)
            place += len(line)
        # What is appended goes to the end, wherever one writes: Linux does so
        # with pwrite(), too. So the comments need a descriptor of their own.
        with open(path, 'rb+', buffering=0) as other:
            for place in outdated:
                os.pwrite(other.fileno(), b'#', place)
        lines = [f'{address} {name}\n'
                 for name, address in sorted(missing.items())]
        if text and not text.endswith(b'\n'):
            lines.insert(0, '\n')
        os.write(file.fileno(), ''.join(lines).encode('ascii'))
