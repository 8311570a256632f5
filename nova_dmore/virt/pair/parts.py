# SPDX-License-Identifier: Apache-2.0
"""What of a pair runs on a host: its process, its Domain R, and its port.

Called by :mod:`nova_dmore.virt.pair.pairs` and
:mod:`nova_dmore.virt.pair.incoming` alone, which have locked the pair and keep
its record.
"""

import contextlib
import time
from collections.abc import Callable
from typing import Any, TYPE_CHECKING

from oslo_log import log as logging

from nova_dmore.channel import text
from nova_dmore import exception
from nova_dmore.virt.pair import domain_r
if TYPE_CHECKING:
    import libvirt

    from nova_dmore.virt.network import plug as plug_module
    from nova_dmore.virt.pair import blueprint as blueprint_module
    from nova_dmore.virt.pair import record as record_module
    from nova_dmore.virt.pair import shadow_process

LOG = logging.getLogger(__name__)


class PairParts:
    """The parts of all pairs of this host, each by its instance's uuid.

    :param connect: returns Nova's ``libvirt.virConnect``.
    :param plug: a :class:`nova_dmore.virt.network.plug.Plug`.
    :param shadows:
        a :class:`nova_dmore.virt.pair.shadow_process.ShadowProcesses`.
    :param blueprint: a :class:`nova_dmore.virt.pair.blueprint.Blueprint`.
    """

    def __init__(self, connect: 'Callable[[], libvirt.virConnect]',
                 plug: 'plug_module.Plug',
                 shadows: 'shadow_process.ShadowProcesses',
                 blueprint: 'blueprint_module.Blueprint') -> None:
        self._connect = connect
        self._plug = plug
        self._shadows = shadows
        self._blueprint = blueprint
        #: When each pair was last told what to serve, by CLOCK_MONOTONIC;
        #: of what an earlier process has told nothing is known.
        self.configured: dict[str, float] = {}
        #: What that was made from.
        self._told: 'dict[str, tuple[str, record_module.PairRecord]]' = {}

    def domain(self, instance_uuid: str) -> domain_r.DomainR:
        """The pair's Domain R."""
        return domain_r.DomainR(self._connect(), instance_uuid)

    def is_alive(self, instance_uuid: str) -> tuple[bool, bool]:
        """Whether the shadow-device process and Domain R live.

        :raises nova_dmore.exception.DMoreError: nobody can tell.
        """
        return (self._shadows.is_alive(instance_uuid),
                self.domain(instance_uuid).is_active())

    def living_image(self, instance_uuid: str) -> str | None:
        """Digest of the image that a Domain R runs; None: it does not live.

        :raises nova_dmore.exception.PairError: libvirt does not say.
        """
        domain = self.domain(instance_uuid)
        return domain.image() if domain.is_active() else None

    def start(self, record: 'record_module.PairRecord') -> None:
        """Start what of a pair does not live, from a record.

        :raises nova_dmore.exception.DMoreError: and what was started is ended
            again.
        """
        instance_uuid = record.instance_uuid
        with contextlib.ExitStack() as undo:
            shadow_lives, domain_lives = self.is_alive(instance_uuid)
            if not shadow_lives:
                # Domain R maps the memory of the process that died: it
                # cannot be connected to another.
                self.domain(instance_uuid).stop()
                domain_lives = False
                undo.callback(attempt, self.stop_shadow, instance_uuid)
                self._shadows.start(instance_uuid)
            self.configure(record)
            if not domain_lives:
                undo.callback(attempt, self._plug.unplug, record)
                self._plug.plug(record)
                self.domain(instance_uuid).start(self._blueprint.domain_xml(
                    record, self._shadows.has_large_region(instance_uuid)))
                self.bind(instance_uuid)
            undo.pop_all()

    def bind(self, instance_uuid: str) -> None:
        """Give Domain R its part of this host's processors; if it cannot be
        given that, it is logged.

        Called when it has started, when it has arrived, and when another
        nova-compute finds it.
        """
        try:
            self._blueprint.bind(self.domain(instance_uuid))
        except exception.DMoreError as error:
            LOG.warning('Processors of the Domain R of instance %(uuid)s: '
                        '%(error)s', {'uuid': instance_uuid,
                                      'error': text.printable(error)})

    def configure(self, record: 'record_module.PairRecord') -> None:
        """Tell Domain R, this one and each later one, what to serve."""
        # First: what changes meanwhile is told again.
        told = self._blueprint.told(record, self._blueprint.sources())
        self._shadows.client(record.instance_uuid).configure(
            self._blueprint.config(record))
        self.configured[record.instance_uuid] = time.monotonic()
        self._told[record.instance_uuid] = told

    def was_told(self, record: 'record_module.PairRecord', made_from: str
                 ) -> bool:
        """Whether this process has told Domain R what it would tell it now.

        :param made_from: what :meth:`blueprint.Blueprint.sources` returned.
        """
        return (self._told.get(record.instance_uuid)
                == self._blueprint.told(record, made_from))

    def end(self, instance_uuid: str, record: 'record_module.PairRecord | None'
            ) -> None:
        """Stop and unplug what there is of a pair.

        :param record: None: it has none, and nothing is plugged.
        :raises nova_dmore.exception.DMoreError: something is left; the rest
            was ended all the same.
        """
        with contextlib.ExitStack() as steps:
            # Run in reverse, each whatever becomes of the others.
            if record is not None:
                steps.callback(self._plug.unplug, record)
            steps.callback(self.domain(instance_uuid).stop)
            # First: it would report the end of Domain R as a gap.
            steps.callback(self.stop_shadow, instance_uuid)

    def stop_shadow(self, instance_uuid: str) -> None:
        """End the shadow-device process.

        :raises nova_dmore.exception.DMoreError: it may live.
        """
        self._shadows.stop(instance_uuid)
        self.configured.pop(instance_uuid, None)
        self._told.pop(instance_uuid, None)


def attempt(function: Callable[..., object], *arguments: Any, **keywords: Any
            ) -> None:
    """Undo a step; what fails here must not hide why it is undone."""
    try:
        function(*arguments, **keywords)
    except exception.DMoreError as error:
        LOG.warning('Something is left of a pair that could not be made: %s',
                    text.printable(error))
