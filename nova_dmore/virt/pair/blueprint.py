# SPDX-License-Identifier: Apache-2.0
"""What a host makes of the record of a pair: what Domain R is started with.
"""

import dataclasses
from typing import Any, TYPE_CHECKING

from nova_dmore import conf as dmore_conf
from nova_dmore import places
from nova_dmore.virt.config import config_message
from nova_dmore.virt.config import sources
from nova_dmore.virt import cpus
from nova_dmore.virt.pair import domain_r
from nova_dmore.virt.pair import kernel_log
from nova_dmore.virt.pair import xml
if TYPE_CHECKING:
    from oslo_config import cfg

    from nova_dmore.virt.images import image_store
    from nova_dmore.virt.network import plug as plug_module
    from nova_dmore.virt.pair import record as record_module


class Blueprint:
    """The blueprint of the pairs of one host.

    :param conf: Nova's configuration, with the ``[dmore]`` options.
    :param plug: a :class:`nova_dmore.virt.network.plug.Plug`.
    :param images: an :class:`nova_dmore.virt.images.image_store.ImageStore`.
    :param records: a :class:`nova_dmore.virt.pair.record.Records`.
    """

    def __init__(self, conf: 'cfg.ConfigOpts', plug: 'plug_module.Plug',
                 images: 'image_store.ImageStore',
                 records: 'record_module.Records') -> None:
        self._conf = conf
        self._plug = plug
        self._images = images
        self._records = records

    def domain_xml(self, record: 'record_module.PairRecord',
                   large_region: bool = False) -> str:
        """The XML of Domain R as this host starts it.

        :param large_region: whether it is to show pictures above 2560x1600
            pixels.
        :raises nova_dmore.exception.ConfigurationError: no processor of this
            host is for it.
        """
        manifest = self._images.manifest(record.digest)
        where = places.of_pair(self._records.directory(record.instance_uuid))
        return xml.domain_r(xml.DomainR(
            name=domain_r.name_of(record.instance_uuid),
            uuid=domain_r.uuid_of(record.instance_uuid),
            instance_uuid=record.instance_uuid,
            virt_type=self._conf.libvirt.virt_type,
            memory_mib=self._conf.dmore.memory_mib or manifest.memory_mib,
            image_dir=str(self._images.directory(record.digest)),
            where=where, large_region=large_region,
            kernel_arguments=manifest.command_line,
            interface=self._plug.interface_xml(record),
            log_file=kernel_log.path(
                self._conf.dmore.log_dir, record.instance_uuid),
            tb_cache_mib=self._conf.libvirt.tb_cache_size,
            cpus=self.cpus()))

    def cpus(self) -> str | None:
        """The processors of this host for all threads of a Domain R, as
        libvirt lists them; None: any.

        :raises nova_dmore.exception.ConfigurationError: there are none.
        """
        return cpus.as_text(cpus.of_domain_r(self._conf))

    def bind(self, domain: domain_r.DomainR) -> None:
        """Give a Domain R that has started or arrived here its part of this
        host's processors.

        :param domain: a :class:`nova_dmore.virt.pair.domain_r.DomainR`.
        """
        domain.bind(cpus.of_domain_r(self._conf),
                    self._conf.dmore.cpu_limit_percent)

    def sources(self) -> str:
        """What the CONFIG messages of all pairs are made from, to be compared;
        it reads files.

        :raises nova_dmore.exception.ConfigurationError: an option cannot be
            used since the options were read again.
        """
        dmore_conf.check(self._conf)
        return sources.digest(self._conf.dmore, self._conf.vnc.enabled)

    @staticmethod
    def told(record: 'record_module.PairRecord', made_from: str
             ) -> 'tuple[str, record_module.PairRecord]':
        """What the CONFIG message of a pair is made from, to be compared.

        :param made_from: what :meth:`sources` returned.
        """
        return made_from, dataclasses.replace(
            record, incoming=False, renewal=None)

    def config(self, record: 'record_module.PairRecord') -> dict[str, Any]:
        """The CONFIG message of a pair (:data:`nova_dmore.wire.CONFIG`)."""
        return config_message.build(
            self._conf.dmore, record, with_vnc=self._conf.vnc.enabled)
