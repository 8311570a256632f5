# SPDX-License-Identifier: Apache-2.0
"""A session at the gateway itself: it tells of the consoles that the key
reaches, and does nothing else.

This program is the shell of the account that users log in to, and sshd gives
it the command that stands beside the key. What the user asks for is in
``SSH_ORIGINAL_COMMAND``: nothing, or one of the instances.
"""

import json
import re
import subprocess
from collections.abc import Mapping

from nova_dmore.gateway import consoles

_KEYSCAN = '/usr/bin/ssh-keyscan'
#: How long a console may take to show its host key, and the program that asks
#: it for that, in seconds.
_KEYSCAN_S = 5
_LIMIT_S = 15
_KEY = re.compile(r'ssh-ed25519 [A-Za-z0-9+/]{68}')


def answer(command: str, environment: Mapping[str, str]) -> str:
    """What is shown to the user.

    :param command: as :func:`nova_dmore.gateway.consoles.to_command` wrote it
    :raises ValueError: it is not, or the user asks for what is not there
    """
    port, where = consoles.from_command(command)
    asked = environment.get('SSH_ORIGINAL_COMMAND', '').strip()
    if not asked:
        return ''.join(f'{name} {address}\n'
                       for name, address in where.items())
    if asked not in where:
        raise ValueError('no console of this key; give no command for a list, '
                         'or the uuid of an instance')
    return json.dumps({
        'instance': asked, 'address': where[asked], 'port': port,
        'host_key': host_key(where[asked], port)}) + '\n'


def host_key(address: str, port: int) -> str | None:
    """The host key that a console shows now; None if it does not answer.

    The network between it and the gateway is the operator's own, where port
    security lets nobody answer for another.
    """
    try:
        said = subprocess.run(
            [_KEYSCAN, '-T', str(_KEYSCAN_S), '-t', 'ed25519', '-p',
             str(port), address],
            stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL, timeout=_LIMIT_S, check=False).stdout
    except (OSError, subprocess.TimeoutExpired):
        return None
    for line in said.decode('ascii', 'replace').splitlines():
        key = line.partition(' ')[2].strip()
        if not line.startswith('#') and _KEY.fullmatch(key):
            return key
    return None
