# SPDX-License-Identifier: Apache-2.0
"""What to try next, by hand. Pure."""

import shlex

from laboratory.testbed.settings import COMPUTES, CONTROLLER, Place

#: The instance that is left for it.
NAME = 'try-me'
NEXT = (f'Next, by hand: "tools/demo --keep" leaves the cloud with an '
        f'instance, {NAME}, and prints how to open its consoles and move it.')


def commands(place: Place, ssh_url: str, page: str) -> str:
    """How to use the consoles of the instance, and to migrate it.

    :param ssh_url: of its SSH console
    :param page: noVNC's address of its VNC console
    """
    known_hosts = place.root / 'known-hosts-by-hand'
    lines = ['', f'By hand, with the instance {NAME} on {COMPUTES[0]}; the '
             'addresses are reached from the controller:']
    for what, argv in (
            ('its SSH console (Enter ~ . ends it)', [
                'ssh', '-i', str(place.private_key), '-o',
                f'UserKnownHostsFile={known_hosts}', ssh_url]),
            ('its VNC console in a browser', [
                'chromium', '--no-sandbox', page]),
            ('another such address', [
                'openstack', 'console', 'url', 'show', '--novnc', NAME]),
            ('meanwhile, from another terminal: move it', [
                'openstack', 'server', 'migrate', '--live-migration', '--host',
                COMPUTES[1], '--wait', NAME])):
        lines += [f'  {what}:', '    ' + shlex.join(
            ['tools/testbed', 'exec', CONTROLLER, '--', *argv])]
    return '\n'.join([*lines, '  the end:', '    tools/testbed down'])
