# SPDX-License-Identifier: Apache-2.0
"""Where the pair lies in the tests of XML, and what QEMU is told there."""

from nova_dmore import places
from tests.unit.virt import fakes

DIRECTORY = '/run/nova-dmore/' + fakes.UUID
INSTANCE = '/run/nova-dmore/libvirt-' + fakes.UUID
WHERE = places.of_pair(DIRECTORY)
QEMU = '{http://libvirt.org/schemas/domain/qemu/1.0}'


def arguments(root):
    """-> QEMU's arguments beside libvirt's own."""
    return [arg.get('value')
            for arg in root.iterfind(f'{QEMU}commandline/{QEMU}arg')]
