# SPDX-License-Identifier: Apache-2.0
"""Answers what operators and other hosts ask of this nova-compute
(:mod:`nova_dmore.virt.rpc.operator`)."""

from typing import Any, TYPE_CHECKING

from nova_dmore import exception
from nova_dmore.virt.care import domain_r_renewal
from nova_dmore.virt.checks import other_hosts
from nova_dmore.virt.pair import renewable
if TYPE_CHECKING:
    from oslo_config import cfg


class OperatorRole:
    """Answers for one host.

    :param conf: Nova's configuration.
    :param pairs: a :class:`renewable.RenewablePairs`.
    :param renewals: a :class:`domain_r_renewal.Renewals`.
    """

    def __init__(self, conf: 'cfg.ConfigOpts', pairs: renewable.RenewablePairs,
                 renewals: domain_r_renewal.Renewals) -> None:
        self._conf = conf
        self._pairs = pairs
        self._renewals = renewals

    def describe(self) -> dict[str, Any]:
        """See :func:`other_hosts.describe`."""
        return other_hosts.describe(self._conf, self._pairs.images)

    def pairs_among(self, instance_uuids: list[str]) -> list[str]:
        """The instances among these of which there is a pair here, or a part
        of one.

        :raises nova_dmore.exception.DMoreError: nobody can tell.
        """
        processes = self._pairs.shadows.instances()
        return [uuid for uuid in instance_uuids
                if self._pairs.get(uuid) is not None or uuid in processes
                or self._pairs.domain(uuid).is_active()]

    def rebuild(self, instance_uuid: str) -> None:
        """See :meth:`domain_r_renewal.Renewals.rebuild`."""
        self._renewals.rebuild(instance_uuid)

    def renew(self, instance_uuids: list[str] | None, when: str | None
              ) -> list[dict[str, Any]]:
        """See :meth:`domain_r_renewal.Renewals.request`."""
        try:
            known = None if when is None else renewable.When(when)
        except ValueError as error:
            raise exception.PairError(
                f'{when} is not known to this release') from error
        return self._renewals.request(instance_uuids, known)

    def renewals(self) -> list[dict[str, Any]]:
        """See :meth:`domain_r_renewal.Renewals.progress`."""
        return self._renewals.progress()
