# SPDX-License-Identifier: Apache-2.0
"""On which of its host's processors a Domain R runs.

Never on one that Nova gives to an instance alone.
"""

import pathlib
from collections.abc import Iterable
from typing import TYPE_CHECKING

from nova import exception as nova_exception
from nova.virt import hardware

from nova_dmore import exception
if TYPE_CHECKING:
    from oslo_config import cfg

_ONLINE = pathlib.Path('/sys/devices/system/cpu/online')


def of_domain_r(conf: 'cfg.ConfigOpts') -> frozenset[int] | None:
    """The processors that Domain Rs of this host may run on; None: all.

    :param conf: Nova's configuration, with the ``[dmore]`` options.
    :raises nova_dmore.exception.ConfigurationError: there are none, or they
        are instances' own.
    """
    dedicated = _parsed('[compute] cpu_dedicated_set',
                        conf.compute.cpu_dedicated_set)
    own = _parsed('[dmore] cpu_set', conf.dmore.cpu_set)
    if own:
        if own & dedicated:
            raise exception.ConfigurationError(
                f'[dmore] cpu_set: {_listed(own & dedicated)} are in '
                '[compute] cpu_dedicated_set; take them out of one of the two')
        return frozenset(own)
    shared = _parsed('[compute] cpu_shared_set', conf.compute.cpu_shared_set)
    if shared:
        return frozenset(shared)
    if not dedicated:
        return None
    rest = hardware.parse_cpu_spec(_ONLINE.read_text().strip()) - dedicated
    if not rest:
        raise exception.ConfigurationError(
            '[dmore] cpu_set: not set, and [compute] cpu_dedicated_set leaves '
            'no processor to Domain Rs; take one out of it')
    return frozenset(rest)


def as_text(cpus: frozenset[int] | None) -> str | None:
    """As libvirt's XML has them."""
    return None if cpus is None else _listed(cpus)


def _parsed(option: str, value: str | None) -> set[int]:
    if not value:
        return set()
    try:
        cpus: set[int] = hardware.parse_cpu_spec(value)
        return cpus
    except nova_exception.Invalid as error:
        raise exception.ConfigurationError(f'{option}: {error}') from error


def _listed(cpus: Iterable[int]) -> str:
    return str(hardware.format_cpu_spec(cpus))
