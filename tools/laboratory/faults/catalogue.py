# SPDX-License-Identifier: Apache-2.0
"""All faults, by the names of tests."""

import re
from collections.abc import Callable, Iterator

from laboratory.faults import commands, kills, outages, shortages
from laboratory.faults.fault import Fault
from laboratory.faults.scene import DESTINATION, SOURCE

_MAKERS: tuple[Callable[[], Fault], ...] = (
    *(lambda side=side, name=name: kills.ServiceKilled(side, name)
      for name in ('nova-compute', 'libvirtd')
      for side in (SOURCE, DESTINATION)),
    *(lambda side=side, what=what: kills.ProcessKilled(side, *what)
      for what in (('Domain R', 'domain_r_qemu'),
                   ('instance', 'instance_qemu', True),
                   ('shadow worker', 'worker'),
                   ('shadow keeper', 'keeper'))
      for side in (SOURCE, DESTINATION)),
    lambda: outages.BrokerDown(20),
    lambda: outages.NetworkCut(5),
    lambda: outages.NetworkCut(60),
    shortages.DiskFull,
    shortages.ImageMissing,
    shortages.BindingRefused,
    shortages.PairBindingRefused,
    commands.Aborted,
    commands.Forced,
)


def key(name: str) -> str:
    """A name as it is part of an identifier."""
    return re.sub(r'\W+', '_', name.lower()).strip('_')


FAULTS: dict[str, Callable[[], Fault]] = {
    key(maker().name): maker for maker in _MAKERS}


def cases(stock: bool = False) -> Iterator[tuple[str, str]]:
    """Every fault with every phase in which it can happen.

    :param stock: only those that an instance without Domain R can meet
    """
    for name, maker in FAULTS.items():
        fault = maker()
        if fault.stock or not stock:
            for phase in fault.phases:
                yield name, phase
