# SPDX-License-Identifier: Apache-2.0
"""Domain R as a libvirt domain: names, start, stop, look-up."""

from collections.abc import Callable
from typing import TypeVar

import libvirt
from oslo_log import log as logging

from nova_dmore import exception
from nova_dmore import places
from nova_dmore.channel import text
from nova_dmore.virt.pair import xml as xml_module

LOG = logging.getLogger(__name__)

_T = TypeVar('_T')

#: The time in which a limit of processor time holds, in microseconds.
_PERIOD_US = 100000

#: Domain names are this prefix and the instance's uuid.
NAME_PREFIX = 'domr-'


def name_of(instance_uuid: str) -> str:
    """The name of an instance's Domain R."""
    return NAME_PREFIX + instance_uuid


def uuid_of(instance_uuid: str) -> str:
    """The libvirt uuid of an instance's Domain R."""
    return places.domain_r_uuid(instance_uuid)


def is_domain_r_name(name: str) -> bool:
    """Whether a domain is a Domain R; Nova's own start with another prefix.

    :param name: a libvirt domain's name.
    """
    return name.startswith(NAME_PREFIX)


def instance_of_name(name: str) -> str | None:
    """The uuid of the instance of a Domain R, None: the domain is none.

    :param name: a libvirt domain's name.
    """
    return name.removeprefix(NAME_PREFIX) if is_domain_r_name(name) else None


class DomainR:
    """The Domain R of one instance on one host's libvirt.

    :param connection: a ``libvirt.virConnect``.
    """

    def __init__(self, connection: libvirt.virConnect, instance_uuid: str
                 ) -> None:
        self._connection = connection
        self._name = name_of(instance_uuid)

    def find(self) -> libvirt.virDomain | None:
        """The ``libvirt.virDomain``, or None when there is none.

        :raises nova_dmore.exception.PairError: libvirt does not say.
        """
        try:
            return self._connection.lookupByName(self._name)
        except libvirt.libvirtError as error:
            if error.get_error_code() == libvirt.VIR_ERR_NO_DOMAIN:
                return None
            raise exception.PairError(
                f'Domain R {self._name} cannot be looked up: {error}'
            ) from error

    def is_active(self) -> bool:
        """Whether the domain exists and its QEMU lives (paused or not).

        :raises nova_dmore.exception.PairError: libvirt does not say.
        """
        return self._is(lambda domain: domain.isActive())

    def is_paused(self) -> bool:
        """Whether all of it is here and does not run.

        :raises nova_dmore.exception.PairError: libvirt does not say.
        """
        return self._is(lambda domain: (
            domain.info()[0] == libvirt.VIR_DOMAIN_PAUSED))

    def image(self) -> str | None:
        """Digest of the image that it was started from; None: there is no
        such domain, or nobody can tell.

        :raises nova_dmore.exception.PairError: libvirt does not say.
        """
        return self._query(lambda domain: xml_module.image_digest(
            domain.XMLDesc(0)))

    def _is(self, so: Callable[[libvirt.virDomain], object]) -> bool:
        """Whether the domain exists, and something is so."""
        return bool(self._query(so))

    def _query(self, function: Callable[[libvirt.virDomain], _T]) -> _T | None:
        domain = self.find()
        if domain is None:
            return None
        try:
            return function(domain)
        except libvirt.libvirtError as error:
            if error.get_error_code() == libvirt.VIR_ERR_NO_DOMAIN:
                return None
            raise exception.PairError(
                f'Domain R {self._name} cannot be read: {error}'
            ) from error

    def start(self, xml: str) -> None:
        """Start it as a transient domain: nothing of it outlives its QEMU.

        :raises nova_dmore.exception.PairError: libvirt refused.
        """
        try:
            self._connection.createXML(xml, 0)
        except libvirt.libvirtError as error:
            raise exception.PairError(
                f'Domain R {self._name} cannot be started: {error}'
            ) from error

    def bind(self, cpus: frozenset[int] | None, limit_percent: int) -> None:
        """Give all its threads their part of the host's processors.

        Not in its XML: a host without the control group that a limit needs
        would refuse a Domain R that arrives with one.

        :param cpus: None: any.
        :param limit_percent: of one processor; 0: no limit.
        :raises nova_dmore.exception.PairError: libvirt refused the
            processors; it is gone, say.
        """
        domain = self.find()
        if domain is None:
            return
        try:
            if cpus is not None:
                allowed = tuple(cpu in cpus for cpu in range(max(cpus) + 1))
                domain.pinVcpu(0, allowed)
                domain.pinEmulator(allowed, libvirt.VIR_DOMAIN_AFFECT_LIVE)
        except libvirt.libvirtError as error:
            raise exception.PairError(
                f'Domain R {self._name} cannot be bound to processors: '
                f'{error}') from error
        if not limit_percent:
            return
        try:
            domain.setSchedulerParametersFlags(
                {'global_period': _PERIOD_US,
                 'global_quota': _PERIOD_US * limit_percent // 100},
                libvirt.VIR_DOMAIN_AFFECT_LIVE)
        except libvirt.libvirtError as error:
            LOG.info('Domain R %s runs without a limit of processor time: '
                     '%s', self._name, text.printable(error))

    def stop(self) -> None:
        """Destroy it, if it is there.

        :raises nova_dmore.exception.PairError: libvirt refused.
        """
        domain = self.find()
        if domain is None:
            return
        try:
            domain.destroy()
        except libvirt.libvirtError as error:
            if error.get_error_code() not in (
                    libvirt.VIR_ERR_NO_DOMAIN,
                    libvirt.VIR_ERR_OPERATION_INVALID):
                raise exception.PairError(
                    f'Domain R {self._name} cannot be stopped: {error}'
                ) from error
