# SPDX-License-Identifier: Apache-2.0
"""The pairs of one host that are known there: looked up, locked, saved."""

import collections
import contextlib
from collections.abc import Callable
from collections.abc import Iterator
from typing import TYPE_CHECKING

from oslo_log import log as logging

from nova_dmore.channel import text
from nova_dmore.client import shadow_client
from nova_dmore import exception
from nova_dmore.virt.config import host_secrets
from nova_dmore.virt.pair import blueprint
from nova_dmore.virt.pair import domain_r
from nova_dmore.virt.pair import lock
from nova_dmore.virt.pair import parts
from nova_dmore.virt.pair import record as record_module
from nova_dmore.virt.pair import shadow_process
if TYPE_CHECKING:
    import libvirt
    from oslo_config import cfg

    from nova_dmore.virt.images import image_store
    from nova_dmore.virt.network import address_book
    from nova_dmore.virt.network import plug as plug_module

LOG = logging.getLogger(__name__)

#: Longer than any change of a pair takes, in seconds: to fetch an image, the
#: longest of what it waits for, may take
#: :data:`nova_dmore.virt.limited.IMAGE_S`.
LOCK_S = 900.0
#: How many of the Domain Rs that were removed last are remembered. libvirt's
#: last events of one come after its removal, but not so much later that as
#: many others were removed meanwhile.
_LATE_MAX = 1000


class KnownPairs:
    """What :class:`nova_dmore.virt.pair.pairs.Pairs` makes and removes.

    :param conf: Nova's configuration, with the ``[dmore]`` options.
    :param connect: returns Nova's ``libvirt.virConnect``.
    :param plug: a :class:`nova_dmore.virt.network.plug.Plug`.
    :param addresses: an
        :class:`nova_dmore.virt.network.address_book.AddressBook`.
    :param images: an :class:`nova_dmore.virt.images.image_store.ImageStore`.
    :param forget_tokens: :func:`nova_dmore.virt.care.tokens.forget` of an
        instance's uuid.
    :param note_secret: :func:`nova_dmore.virt.config.host_secrets.note_of` of
        an instance's uuid and the id of a secret.
    """

    def __init__(self, conf: 'cfg.ConfigOpts',
                 connect: 'Callable[[], libvirt.virConnect]',
                 plug: 'plug_module.Plug',
                 addresses: 'address_book.AddressBook',
                 images: 'image_store.ImageStore',
                 forget_tokens: Callable[[str], None],
                 note_secret: Callable[[str, int], bool]) -> None:
        self._conf = conf
        self.host = conf.host
        #: Why this host can have no Domain R, None: it can. Set by the driver
        #: when nova-compute starts.
        self.impossible: str | None = None
        #: Called with an instance's uuid, and the digest of its image where
        #: no record has it, before a pair is made that is new on this host;
        #: set by the driver
        #: (:meth:`nova_dmore.virt.capacity.Capacity.claim`).
        self.claim: Callable[..., None] = lambda *arguments: None
        #: Called with an instance's uuid when its pair has its record, or is
        #: not made; set by the driver
        #: (:meth:`nova_dmore.virt.capacity.Capacity.end_claim`).
        self.end_claim: Callable[[str], None] = lambda instance_uuid: None
        #: Whether Domain Rs that start are to have large regions; set by the
        #: driver (:class:`nova_dmore.virt.pair.large_pictures.LargePictures`).
        self.large_regions: Callable[[], bool] = lambda: False
        #: Called with the uuid of an instance that starts with the stock
        #: consoles, and why; set by the driver (:meth:`nova_dmore.virt.care
        #: .reporter.Reporter.started_as_stock`).
        self.report_stock: Callable[[str, str], None] = (
            lambda instance_uuid, reason: None)
        self._plug = plug
        self.addresses = addresses
        self.images = images
        self.secrets = host_secrets.HostSecrets(conf)
        self._forget_tokens = forget_tokens
        self._note_secret = note_secret
        self.records = record_module.Records(
            conf.dmore.record_dir, conf.dmore.run_dir)
        found = self._found()
        #: Uuids of instances of whose pair Nova is to be told
        #: (:class:`nova_dmore.virt.care.late_notes.LateNotes`). At first all:
        #: the nova-compute before may have ended before it did that.
        self.unnoted = {record.instance_uuid for record in found}
        self.shadows = shadow_process.ShadowProcesses(
            conf.dmore, lambda: self.large_regions())
        self.blueprint = blueprint.Blueprint(
            conf, plug, images, self.records)
        self._parts = parts.PairParts(
            connect, plug, self.shadows, self.blueprint)
        #: See :attr:`parts.PairParts.configured`.
        self.configured = self._parts.configured
        #: See :meth:`parts.PairParts.was_told`.
        self.was_told = self._parts.was_told
        #: See :meth:`blueprint.Blueprint.sources`.
        self.sources = self.blueprint.sources
        #: By instance uuid, what a user is told of why its Domain R cannot be
        #: had now.
        self.trouble: dict[str, str] = {}
        self._locks = lock.PairLocks(
            lambda instance_uuid: self.on_change(instance_uuid))
        #: Called with an instance's uuid when somebody may have changed its
        #: pair; set by :class:`nova_dmore.virt.care.watch.Watch`.
        self.on_change: Callable[[str], None] = lambda instance_uuid: None
        #: See :meth:`stay`; by instance uuid.
        self._stays: collections.Counter[str] = collections.Counter()
        #: By libvirt uuid, the instance of every Domain R here, and of those
        #: that were removed last: their last events come late.
        self._domain_r_uuids = {
            domain_r.uuid_of(record.instance_uuid): record.instance_uuid
            for record in found}

    def _found(self) -> list[record_module.PairRecord]:
        """The records of the nova-compute before. This one has to start,
        whatever is wrong with their folder."""
        try:
            return self.records.all()
        except exception.ConfigurationError as error:
            LOG.error('The pairs of this host cannot be found, and no new '
                      'ones be made: %s', text.printable(error))
            return []

    def get(self, instance_uuid: str) -> record_module.PairRecord | None:
        """The pair of an instance on this host, None when it has none."""
        return self.records.load(instance_uuid)

    def stay(self, instance_uuid: str) -> int:
        """A number for the stay of the pair at this host: it is another one
        when the pair was removed, or is expected from another host.

        Who has let a pair leave can tell by it whether what is here is what
        it left, or has come back.
        """
        return self._stays[instance_uuid]

    def client(self, instance_uuid: str) -> shadow_client.ShadowClient:
        """A client of the pair's shadow-device process."""
        return self.shadows.client(instance_uuid)

    def domain(self, instance_uuid: str) -> domain_r.DomainR:
        """The pair's Domain R on this host."""
        return self._parts.domain(instance_uuid)

    def is_alive(self, instance_uuid: str) -> tuple[bool, bool]:
        """Whether the shadow-device process and Domain R live.

        :raises nova_dmore.exception.DMoreError: nobody can tell, for libvirt
            or the host service is away: nothing may be rebuilt then.
        """
        return self._parts.is_alive(instance_uuid)

    def is_domain_r(self, domain: str | None) -> bool:
        """Whether a libvirt uuid is that of a Domain R on this host."""
        return domain in self._domain_r_uuids

    def instance_of(self, domain: str | None) -> str | None:
        """The instance of the Domain R with this libvirt uuid, None: it is
        that of no Domain R on this host."""
        return None if domain is None else self._domain_r_uuids.get(domain)

    @contextlib.contextmanager
    def locked(self, instance_uuid: str, wait_s: float | None = None
               ) -> Iterator[bool]:
        """Exclude every other change of this pair.

        :param wait_s: longest wait for a change that is under way, in
            seconds; None: as long as any may take.
        :returns: a context manager; whether the pair is locked, which it is
            if nothing was said of the wait.
        :raises nova_dmore.exception.PairError: it could not be locked.
        """
        longest_s = LOCK_S if wait_s is None else wait_s
        with self._locks.of(instance_uuid).held(longest_s) as locked:
            if not locked and wait_s is None:
                raise exception.PairError(
                    f'the pair of instance {instance_uuid} was being changed '
                    f'for {LOCK_S:.0f} s')
            yield locked

    def _save(self, record: record_module.PairRecord) -> None:
        self._domain_r_uuids[domain_r.uuid_of(record.instance_uuid)] = (
            record.instance_uuid)
        if len(self._domain_r_uuids) > 2 * _LATE_MAX:
            self._forget_removed()
        if record.incoming:
            self._stays[record.instance_uuid] += 1
        self.records.save(record)

    def _forget(self, instance_uuid: str) -> None:
        self._stays[instance_uuid] += 1
        self.records.forget(instance_uuid)

    def _forget_removed(self) -> None:
        for domain, instance in list(
                self._domain_r_uuids.items())[:-_LATE_MAX]:
            if self.get(instance) is None:
                self._domain_r_uuids.pop(domain, None)
