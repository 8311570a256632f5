# SPDX-License-Identifier: Apache-2.0
"""Lines of an ``authorized_keys`` file, as sshd(8) has them."""

import re
from collections.abc import Iterator

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives import serialization

#: Options before a key: names, some with a value in quotes.
_OPTIONS = re.compile(
    r'((?:[A-Za-z0-9-]+(?:="(?:[^"\\]|\\.)*")?,)*'
    r'[A-Za-z0-9-]+(?:="(?:[^"\\]|\\.)*")?)[ \t]+(?=\S)')
_OPTION = re.compile(r'([A-Za-z0-9-]+)(?:="(?:[^"\\]|\\.)*")?')
#: Options that are kept to, or mean nothing where there is nothing but the
#: console. Whoever is to run one command, or until some day only, is not let
#: in: nobody here keeps to that.
_USABLE = frozenset({
    'agent-forwarding', 'cert-authority', 'environment', 'from',
    'no-agent-forwarding', 'no-port-forwarding', 'no-pty',
    'no-touch-required', 'no-user-rc', 'no-x11-forwarding', 'permitlisten',
    'permitopen', 'port-forwarding', 'principals', 'pty', 'restrict',
    'tunnel', 'user-rc', 'x11-forwarding'})


def parse(text: str) -> Iterator[tuple[str, bool]]:
    """Each line that is neither empty nor a comment, and whether its key can
    be used; a comment in other than ASCII is written with escapes, which
    every release of Domain R takes."""
    for line in re.split(r'[\r\n]+', text):
        line = line.strip()
        if line and not line.startswith('#'):
            yield (line.encode('ascii', 'backslashreplace').decode(),
                   is_usable(line))


def is_usable(line: str) -> bool:
    """Whether a line is a public key of OpenSSH, with or without options."""
    if _is_key(line):
        return True
    options = _OPTIONS.match(line)
    return options is not None and _is_key(line[options.end():]) and all(
        name.lower() in _USABLE for name in _OPTION.findall(options[1]))


def _is_key(line: str) -> bool:
    try:
        serialization.load_ssh_public_key(line.encode())
    except (ValueError, UnicodeEncodeError):
        return False
    except UnsupportedAlgorithm:
        return False
    return True
