# SPDX-License-Identifier: Apache-2.0
"""A QEMU that does what the versions of Debian 12 would not do together.

**Guests migrate whole**, in spite of a bug of QEMU 7.2.

Under TCG, QEMU up to 8.2 clears the dirty bits of a RAM block whose size is a
multiple of 64 pages without telling the emulated CPU's TLB. What the guest
then writes through a stale entry is not sent, and the migrated guest's kernel
is corrupted: one migration in five of a guest that prints without a pause
(fixed upstream for 9.0, "physmem: Fix migration dirty bitmap coherency with
TCG memory access"; Debian 12 has 7.2 without it). A block of any other size is
synchronised page by page, which does it right. So in the compute hosts every
emulated machine, stock or not, gets 8 KiB more memory than it asked for; also
in a newer QEMU that an older one migrates to.

**Guests can boot through UEFI.** What Nova 34 asks for then (firmware selected
by libvirt, and ``loader`` with ``secure``) is refused by libvirt 9.0. An image
with ``hw_machine_type`` :data:`UEFI_MACHINE` gets OVMF instead of a BIOS.

The compute hosts see a script in the place of ``qemu-system-x86_64``
(:func:`install`), which changes the arguments and runs the real one.
"""

import json
import os
import pathlib
import re
import shutil
import sys
from collections.abc import Sequence

from laboratory.testbed.settings import Cloud, Place, QEMU_NEWER, SOURCE

PROGRAM = '/usr/bin/qemu-system-x86_64'
#: A machine type that nothing else in the test cloud has.
UEFI_MACHINE = 'pc-i440fx-6.2'
_OVMF = '/usr/share/ovmf/OVMF.fd'
#: QEMU rounds the size of the memory up to a multiple of this.
_GRANULE = 8192
#: 64 pages: a multiple of it is what the bug is about.
_FAST_PATH = 64 * 4096


def is_needed(cloud: Cloud) -> bool:
    """Whether a host has a QEMU that needs all this."""
    return cloud.qemu != QEMU_NEWER


def uefi(cloud: Cloud) -> dict[str, str]:
    """Properties of an image whose guests boot through UEFI."""
    return ({'hw_machine_type': UEFI_MACHINE} if is_needed(cloud)
            else {'hw_firmware_type': 'uefi'})


def folders(place: Place, host: str) -> list[pathlib.Path]:
    """What :func:`install` makes for a host."""
    return [place.qemu(host)] if is_needed(place.cloud) else []


def script(place: Place, host: str) -> pathlib.Path:
    """What a compute host has as :data:`PROGRAM`."""
    return place.qemu(host) / 'script'


def install(place: Place, host: str) -> None:
    """Make the script and a copy of the host's QEMU."""
    folder = place.qemu(host)
    (folder / 'bin').mkdir(parents=True)
    # QEMU finds its firmware and modules relative to its own folder.
    for name in ('share', 'lib'):
        (folder / name).symlink_to(f'/usr/{name}')
    real = folder / 'bin' / pathlib.Path(PROGRAM).name
    layer = place.layer(host) or pathlib.Path('/')
    shutil.copy2(layer / PROGRAM.lstrip('/'), real)
    script(place, host).write_text(
        # As users who may not read all that this process may.
        '#!/usr/bin/python3 -I\n'
        'import sys\n'
        f'sys.path.insert(0, {f"{SOURCE}/tools"!r})\n'
        'from laboratory.testbed import emulator\n'
        f'emulator.run({str(real)!r})\n')
    script(place, host).chmod(0o755)


def run(real: str) -> None:
    """Become the real QEMU; called by the script."""
    os.execv(real, [sys.argv[0], *changed(sys.argv[1:])])


def changed(arguments: Sequence[str]) -> list[str]:
    """The arguments with UEFI where it is wanted, and with which an emulated
    guest migrates whole.

    The memory of anything but a machine under TCG as libvirt starts it (a
    ``memory-backend-ram`` in JSON, ``-m`` in MiB, or from libvirt 10 in KiB)
    stays as it is.
    """
    result = list(arguments)
    if UEFI_MACHINE in _values(result, '-machine'):
        result += ['-bios', _OVMF]
    if 'tcg' not in _values(result, '-accel'):
        return result
    for at, argument in enumerate(result[:-1]):
        if argument == '-m':
            result[at + 1] = _memory(result[at + 1])
        elif argument == '-object' and result[at + 1].startswith('{'):
            result[at + 1] = _object(result[at + 1])
    return result


def _memory(text: str) -> str:
    """``256`` is in MiB, ``size=262144k`` in KiB."""
    said = re.fullmatch('([0-9]+)|(size=)([0-9]+)k', text)
    if said is None:
        return text
    size = int(said[1]) << 20 if said[1] else int(said[3]) << 10
    return text if size % _FAST_PATH else (
        f'{said[2] or ""}{(size + _GRANULE) // 1024}k')


def _object(text: str) -> str:
    properties = json.loads(text)
    if (properties.get('qom-type') != 'memory-backend-ram'
            or properties['size'] % _FAST_PATH):
        return text
    properties['size'] += _GRANULE
    return json.dumps(properties)


def _values(arguments: list[str], option: str) -> set[str]:
    return {following.split(',')[0] for given, following
            in zip(arguments, arguments[1:]) if given == option}
