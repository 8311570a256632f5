# SPDX-License-Identifier: Apache-2.0
"""What proportional share of memory processes have."""

from collections.abc import Iterable
from typing import Any

import psutil

_MIB = 1 << 20


def pss_mib(pid: int) -> float:
    """The share of a whole process, in MiB."""
    return psutil.Process(pid).memory_full_info().pss / _MIB


def emulator(pid: int, ram_kib: int) -> tuple[float, float, float]:
    """The share of a QEMU by what it is for, in MiB: its guest's memory,
    translated code, and the rest.

    :param ram_kib: its guest's
    """
    return split(psutil.Process(pid).memory_maps(grouped=False), ram_kib)


def split(maps: Iterable[Any], ram_kib: int) -> tuple[float, float, float]:
    """The same from the mappings. The guest's memory is the one mapping of
    that size; translated code lies where writing and running are allowed."""
    ram = code = rest = 0
    for each in maps:
        if each.size == ram_kib << 10:
            ram += each.pss
        elif each.perms.startswith('rwx'):
            code += each.pss
        else:
            rest += each.pss
    return ram / _MIB, code / _MIB, rest / _MIB
