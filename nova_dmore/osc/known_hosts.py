# SPDX-License-Identifier: Apache-2.0
"""The user's ``known_hosts``, with ``ssh-keygen``."""

import os
import pathlib
import subprocess


def default() -> pathlib.Path:
    """Where ``ssh`` has it."""
    return pathlib.Path.home() / '.ssh' / 'known_hosts'


def knows(path: pathlib.Path, name: str) -> bool:
    """Whether it has a key of a host, also in lines that are hashed."""
    return path.exists() and subprocess.run(
        ['ssh-keygen', '-F', name, '-f', str(path)],
        stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL, check=False).returncode == 0


def add(path: pathlib.Path, name: str, key: str) -> None:
    """Have it know a host that it does not know; never another key of one
    that it does: that is for ``ssh`` to refuse, and the user to judge.

    :raises OSError: it cannot be written
    """
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    with open(os.open(path, os.O_RDWR | os.O_CREAT | os.O_APPEND, 0o600),
              'rb+') as file:
        file.seek(0)
        whole = not (text := file.read()) or text.endswith(b'\n')
        file.write(('' if whole else '\n').encode()
                   + f'{name} {key}\n'.encode('ascii'))


def fingerprint(key: str) -> str:
    """The SHA-256 fingerprint of a public key, as OpenSSH shows it.

    :raises OSError: there is no ``ssh-keygen``
    """
    said = subprocess.run(['ssh-keygen', '-l', '-f', '-'], input=key,
                          capture_output=True, text=True, check=True).stdout
    return said.split()[1]
