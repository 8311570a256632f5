# SPDX-License-Identifier: Apache-2.0
"""What proportional share of memory processes have. Reads ``/proc``."""

import dataclasses
import pathlib
import re

_PSS = re.compile(r'^Pss:\s+(\d+) kB$', re.MULTILINE)
#: The first line of a mapping: its addresses and what may be done there.
_HEAD = re.compile(r'^([0-9a-f]+)-([0-9a-f]+) (\S{4}) ', re.MULTILINE)
_KIB_PER_MIB = 1024


@dataclasses.dataclass(frozen=True)
class Emulator:
    """A QEMU's share, by what it is for, in MiB."""

    guest_ram: float
    translated_code: float
    rest: float


def pss_mib(pid: int) -> float:
    """Of a whole process, in MiB."""
    return _sum(pathlib.Path(f'/proc/{pid}/smaps_rollup').read_text())


def emulator(pid: int, ram_kib: int) -> Emulator:
    """Of a QEMU.

    :param ram_kib: its guest's
    """
    return split(pathlib.Path(f'/proc/{pid}/smaps').read_text(), ram_kib)


def split(smaps: str, ram_kib: int) -> Emulator:
    """The same from the text. The guest's memory is the one mapping of that
    size; translated code lies where writing and running are allowed."""
    ram = code = 0.0
    heads = list(_HEAD.finditer(smaps))
    ends = [*(head.start() for head in heads[1:]), len(smaps)]
    for head, end in zip(heads, ends):
        share = _sum(smaps[head.end():end])
        if (int(head[2], 16) - int(head[1], 16)) >> 10 == ram_kib:
            ram += share
        elif head[3].startswith('rwx'):
            code += share
    return Emulator(ram, code, _sum(smaps) - ram - code)


def _sum(text: str) -> float:
    return sum(map(int, _PSS.findall(text))) / _KIB_PER_MIB
