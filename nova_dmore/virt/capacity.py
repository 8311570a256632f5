# SPDX-License-Identifier: Apache-2.0
"""What Domain Rs take of their host, as Placement and the scheduler see it.

Each Domain R that is here, or that an instance of this host may have at any
time, is in what the host keeps for itself: ``reserved`` of the inventories
MEMORY_MB and VCPU. Why there, and not in a resource class of its own, is told
in ``doc/source/architecture/decisions/capacity.rst``.

What is reserved never reaches into what instances were given: a host whose
inventory is smaller than its allocations could not be told from one that is
wrongly configured. So it may be less than is wanted, and no Domain R is made
until Placement has what it takes reserved (:meth:`Capacity.claim`).
"""

import contextlib
import math
import threading
from collections.abc import Callable
from collections.abc import Iterator
from typing import Any, TYPE_CHECKING

from keystoneauth1 import exceptions as auth_exceptions
from nova import exception as nova_exception
from nova import objects
from nova.scheduler.client import report
from oslo_log import log as logging

from nova_dmore import exception
from nova_dmore.virt import limited
from nova_dmore.virt.pair import policy
if TYPE_CHECKING:
    from nova.compute import provider_tree as nova_tree
    from nova import context as nova_context
    from oslo_config import cfg

    from nova_dmore.virt.pair import pairs as pairs_module

LOG = logging.getLogger(__name__)

#: What a Domain R takes beside its guest memory, in MiB: the rest of its QEMU,
#: keeper, worker and their region, with clients. Measured by "tools/bench
#: footprint"; doc/source/architecture/footprint.rst has the figures.
OVERHEAD_MIB = 64
#: And QEMU's buffer for translated code, where it is emulated.
TRANSLATED_MIB = 32

#: Guest memory that an image asks for, in MiB, while none is here to be read.
IMAGE_MIB = 96

_MEMORY, _VCPU = 'MEMORY_MB', 'VCPU'
#: The first microversion of Placement's API in which all of an inventory may
#: be reserved.
_MICROVERSION = '1.26'
#: How often is tried what Placement refuses since an allocation came between.
_ATTEMPTS = 10


def memory_mib(conf: 'cfg.ConfigOpts', manifest_mib: int | None) -> int:
    """What a Domain R takes of its host's memory, in MiB.

    :param conf: Nova's configuration, with the ``[dmore]`` options.
    :param manifest_mib: guest memory that the image asks for; None: it is not
        here yet.
    """
    overhead = conf.dmore.memory_overhead_mib
    if overhead is None:
        overhead = OVERHEAD_MIB + (
            TRANSLATED_MIB if conf.libvirt.virt_type == 'qemu' else 0)
    guest = conf.dmore.memory_mib or manifest_mib or IMAGE_MIB
    return int(guest + overhead)


def with_reserved(inventory: dict[str, Any], wanted: int, used: int
                  ) -> dict[str, Any]:
    """An inventory of which more is reserved, if there is as much.

    :param inventory: as Nova's driver reports it.
    :param wanted: what is to be reserved beside what Nova reserves.
    :param used: the sum of its allocations.
    """
    return {**inventory, 'reserved': inventory['reserved'] + max(
        0, min(wanted, room(inventory, used)))}


def room(inventory: dict[str, Any], used: int) -> int:
    """What neither Nova reserves nor instances use, in units of the host: an
    instance takes less of these where it is overcommitted."""
    return int(inventory['total'] - inventory['reserved']
               - math.ceil(used / inventory['allocation_ratio']))


class Capacity:
    """The capacity of one host.

    :param conf: Nova's configuration, with the ``[dmore]`` options.
    :param pairs: a :class:`nova_dmore.virt.pair.pairs.Pairs`.
    :param context: an admin ``RequestContext``.
    :param ram_mib: returns how much memory the host has.
    :param small_mib: returns how much of it is in pages of the usual size;
        None: all.
    """

    def __init__(self, conf: 'cfg.ConfigOpts', pairs: 'pairs_module.Pairs',
                 context: 'nova_context.RequestContext',
                 ram_mib: Callable[[], int],
                 small_mib: Callable[[], int | None]) -> None:
        self._conf = conf
        self._pairs = pairs
        self._context = context
        self._ram_mib = ram_mib
        self._small_mib = small_mib
        self._lock = threading.Lock()
        #: By the uuid of each instance whose claim has no record yet, the
        #: digest of its image; None: not known.
        self._claimed: dict[str, str | None] = {}
        #: Of the host's resource provider; None: not reported yet.
        self._provider: str | None = None
        #: What Nova alone would report of the memory.
        self._stock_memory: dict[str, Any] | None = None
        #: For how many Domain Rs room was kept last, and what instances had
        #: then.
        self._kept = 0
        self._used: dict[str, int] = {}
        #: How often who claims has written to Placement, and how often that
        #: was when Nova read there last.
        self._writes = 0
        self._writes_read = 0

    # -- reported -----------------------------------------------------------

    def update(self, provider_tree: 'nova_tree.ProviderTree', nodename: str,
               report_client: report.SchedulerReportClient) -> None:
        """Reserve what Domain Rs take.

        Called by the driver's ``update_provider_tree``, after Nova's own: at
        the start of nova-compute, every minute, and whenever an instance has
        come or gone.

        :param report_client: Nova's, which writes to Placement what has
            changed by what it knows of it. It has not seen that instances
            came, for what Nova itself reports does not change with them, nor
            what was claimed; and it logs an error, before it reads, if it is
            behind. So it reads.
        :raises Exception: Nova's database or Placement does not answer; as
            much is reserved as the last time, and no less than the Domain Rs
            take that are here: there may have been no last time.
        """
        data = provider_tree.data(nodename)
        inventories = data.inventory
        # Without the lock: Nova lets no instance come to this host meanwhile,
        # and those who claim have it for as long as Placement takes.
        self._provider = data.uuid
        self._stock_memory = inventories.get(_MEMORY)
        try:
            kept = self._expected() + self._spare()
            writes = self._writes
            if kept != self._kept or writes != self._writes_read:
                report_client._refresh_and_get_inventory(
                    self._context, data.uuid)
            self._kept, self._writes_read = kept, writes
            self._used = self._get('usages')['usages']
        finally:
            count = max(self._kept, len(self._here()))
            for name, wanted in (
                    (_MEMORY, self._memory_wanted(count)),
                    (_VCPU, math.ceil(
                        count * self._conf.dmore.cpu_reserved_percent
                        / 100))):
                if name in inventories:
                    inventories[name] = with_reserved(
                        inventories[name], wanted, self._used.get(name, 0))
            provider_tree.update_inventory(nodename, inventories)

    def _expected(self) -> int:
        """How many Domain Rs are on this host or may be at any time."""
        here = self._here()
        if self._has_new():
            # Also one that is off, or that is elsewhere and may come back:
            # Nova keeps its room, too.
            here |= {instance.uuid for instance in self._instances()
                     if policy.wants_domain_r(self._conf.dmore, instance)}
        return len(here)

    def _here(self) -> set[str]:
        """Uuids of the instances whose Domain Rs are here, or are claimed."""
        here = {record.instance_uuid for record in self._pairs.records.all()}
        here.update(self._claimed)
        return here

    def _has_new(self) -> bool:
        options = self._conf.dmore
        return bool(options.enabled and options.management_network
                    and self._pairs.impossible is None)

    def _instances(self) -> 'list[objects.Instance]':
        """The instances that belong to this host, or move from or to it."""
        columns = ['flavor', 'system_metadata']
        found = {instance.uuid: instance
                 for instance in objects.InstanceList.get_by_host(
                     self._context, self._pairs.host, expected_attrs=columns)}
        moving = {migration.instance_uuid
                  for node in objects.ComputeNodeList.get_all_by_host(
                      self._context, self._pairs.host)
                  for migration in
                  objects.MigrationList.get_in_progress_and_error(
                      self._context, self._pairs.host,
                      node.hypervisor_hostname)
                  if migration.status != 'error'}
        moving -= set(found)
        if moving:
            found.update((instance.uuid, instance) for instance in
                         objects.InstanceList.get_by_filters(
                             self._context, {'uuid': sorted(moving),
                                             'deleted': False},
                             expected_attrs=columns))
        return list(found.values())

    def _spare(self) -> int:
        """Room that those find who come before the next report."""
        return self._conf.dmore.spare_domain_rs if self._has_new() else 0

    def _memory_wanted(self, count: int) -> int:
        """What is reserved of MEMORY_MB, in MiB. Where that is a file, it is
        none of the memory that a Domain R has."""
        return 0 if self._conf.libvirt.file_backed_memory else (
            count * self._cost_mib(self._digests()))

    def _digests(self) -> dict[str, str | None]:
        """Digest of the image of each pair that is here or claimed, by its
        instance's uuid."""
        return {**self._claimed,
                **{record.instance_uuid: record.digest
                   for record in self._pairs.records.all()}}

    def _cost_mib(self, digests: dict[str, str | None]) -> int:
        """What a Domain R takes of this host's memory, in MiB: the most that
        any image that is used here asks for."""
        asked = []
        for digest in set(digests.values()):
            if digest is None:
                continue
            try:
                asked.append(self._pairs.images.manifest(digest).memory_mib)
            except exception.ImageError:
                pass    # its Domain R gets another one
        return memory_mib(self._conf, max(asked, default=None))

    # -- claimed ------------------------------------------------------------

    def claim(self, instance_uuid: str, digest: str | None = None) -> None:
        """Have Placement reserve what one Domain R more takes. It counts for
        those who claim after it, until :meth:`end_claim`.

        Called by :class:`nova_dmore.virt.pair.pairs.Pairs` for each pair that
        is new on this host. What other instances were given meanwhile counts:
        Placement changes the reservation only if it has not changed the
        host's allocations since it told them.

        :param digest: of its image; None: not known, or its record has it.
        :raises nova_dmore.exception.NoRoomError: there is not as much.
        :raises nova_dmore.exception.PlacementAwayError: it does not answer.
        """
        with self._turn():
            if self._stock_memory is None:
                return      # nobody schedules to a host that is not reported
            digests = self._digests()
            is_new = instance_uuid not in digests
            digests.setdefault(instance_uuid, digest)
            count = len(digests)
            wanted = count * self._cost_mib(digests)
            self._must_fit_small_pages(wanted, count)
            if self._conf.libvirt.file_backed_memory:
                _must_fit(wanted, self._ram_mib()
                          - self._conf.reserved_host_memory_mb, count)
            else:
                self._reserve_at_last(wanted, count)
            if is_new:
                self._claimed[instance_uuid] = digest

    def end_claim(self, instance_uuid: str) -> None:
        """The pair has its record, or is not made."""
        # Without the lock, in one step: who has that may wait for Placement.
        self._claimed.pop(instance_uuid, None)

    @contextlib.contextmanager
    def _turn(self) -> Iterator[None]:
        """One claims at a time, and does not wait for long: when Placement
        does not answer, each of those before would wait in vain."""
        if not self._lock.acquire(timeout=limited.ANSWER_S):
            raise exception.PlacementAwayError(
                "the host's memory could not be reserved for its Domain R: "
                'Placement has not answered those who came before for '
                f'{limited.ANSWER_S:.0f} s')
        try:
            yield
        finally:
            self._lock.release()

    def _reserve_at_last(self, wanted: int, count: int) -> None:
        for _ in range(_ATTEMPTS):
            if self._reserve(wanted, count):
                return
        raise exception.PlacementAwayError(
            "the host's memory could not be reserved for its Domain R: "
            'its allocations change all the time')

    def _reserve(self, wanted: int, count: int) -> bool:
        """Reserve so much, if it is not; whether it is."""
        assert self._stock_memory is not None
        # First: its generation is that of the allocations that come next.
        found = self._get('inventories')
        used = self._get('usages')['usages'].get(_MEMORY, 0)
        inventory = found['inventories'].get(_MEMORY)
        if inventory is None:
            raise exception.PlacementAwayError(
                "the host's memory could not be reserved for its Domain R: "
                'Placement does not know it yet')
        stock = self._stock_memory['reserved']
        _must_fit(wanted, room({**inventory, 'reserved': stock}, used), count)
        if inventory['reserved'] >= stock + wanted:
            return True
        try:
            answer = self._ask('put', f'inventories/{_MEMORY}', {
                **inventory, 'reserved': stock + wanted,
                'resource_provider_generation':
                    found['resource_provider_generation']})
        finally:
            # It may be done where no answer comes. And if the pair comes to
            # nothing, Nova has to take back what it has not written.
            self._writes += 1
        if answer.status_code not in (200, 409):
            raise exception.PlacementAwayError(
                f"the host's memory could not be reserved for its Domain R: "
                f'Placement: {answer.status_code}')
        return bool(answer.status_code == 200)

    def _must_fit_small_pages(self, wanted: int, count: int) -> None:
        """Huge pages are for instances that ask for them. A Domain R has its
        memory from the rest, as instances have that do not ask."""
        small = self._small_mib()
        if small is None:
            return
        ratio = (self._stock_memory or {}).get('allocation_ratio', 1.0)
        used = sum(instance.flavor.memory_mb for instance in self._instances()
                   if not _has_huge_pages(instance))
        _must_fit(wanted, small - self._conf.reserved_host_memory_mb
                  - math.ceil(used / ratio), count)

    # -- Placement ----------------------------------------------------------

    def _get(self, what: str) -> dict[str, Any]:
        answer = self._ask('get', what)
        if answer.status_code != 200:
            raise exception.PlacementAwayError(
                f"the host's {what} are not known: Placement: "
                f'{answer.status_code}')
        found: dict[str, Any] = answer.json()
        return found

    def _ask(self, method: str, what: str, *body: Any) -> Any:
        try:
            return limited.placement(f"the host's {what}", lambda: getattr(
                report.report_client_singleton(), method)(
                    f'/resource_providers/{self._provider}/{what}', *body,
                    version=_MICROVERSION))
        except (auth_exceptions.ClientException,
                nova_exception.NovaException) as error:
            raise exception.PlacementAwayError(
                f"the host's {what} are not known: Placement: {error}"
            ) from error


def _has_huge_pages(instance: 'objects.Instance') -> bool:
    """Whether an instance has its memory from huge pages."""
    wanted = (instance.flavor.extra_specs.get('hw:mem_page_size')
              or instance.system_metadata.get('image_hw_mem_page_size')
              or 'small')
    return wanted.lower() not in ('small', 'any', '4', '4kb', '4kib')


def _must_fit(wanted: int, free: int, count: int) -> None:
    if wanted > free:
        raise exception.NoRoomError(
            f'the host has {max(0, free)} MiB for its Domain Rs, and '
            f'{count} of them take {wanted} MiB ([dmore] memory_mib and '
            'memory_overhead_mib): the instances have the rest, and '
            '[DEFAULT] reserved_host_memory_mb')
