# SPDX-License-Identifier: Apache-2.0
"""Gives pairs a new Domain R with the newest image.

An operator asks for it, after an image with mended libraries was uploaded say
(``nova-dmore-manage renew``). What was asked for is in the record of the pair,
so it outlives nova-compute and travels with the instance; it is over when the
pair has that image, however it came to it.

A Domain R that is renewed here ends its sessions, which is reported as every
rebuild is. One after the other is renewed, and each has to serve again before
the next one: an image that does not serve costs one pair its console for a
minute, for that gets the one from before again, and the others are left alone.
"""

import threading
import time
from collections.abc import Callable
from typing import Any, TYPE_CHECKING

from oslo_log import log as logging

from nova_dmore.channel import text
from nova_dmore import exception
from nova_dmore.virt.care import pair_care
from nova_dmore.virt.pair import record as record_module
from nova_dmore.virt.pair import renewable
from nova_dmore.virt.pair import sessions
from nova_dmore import wire
if TYPE_CHECKING:
    from nova import context as nova_context

    from nova_dmore.virt.care import reporter as reporter_module

LOG = logging.getLogger(__name__)

#: How long a new Domain R may take until it serves, in seconds; an emulated
#: one on a busy host took half a minute.
_SERVES_S = 120.0
_POLL_S = 0.5


class Renewals:
    """The renewals of the Domain Rs of one host; may be called from any
    thread.

    :param pairs: a :class:`renewable.RenewablePairs`.
    :param check: :meth:`nova_dmore.virt.care.pair_care.PairCare.check`.
    :param reporter: a :class:`nova_dmore.virt.care.reporter.Reporter`.
    :param context: an admin ``RequestContext``.
    """

    def __init__(self, pairs: renewable.RenewablePairs,
                 check: Callable[[str], pair_care.Condition],
                 reporter: 'reporter_module.Reporter',
                 context: 'nova_context.RequestContext') -> None:
        self._pairs = pairs
        self._check = check
        self._reporter = reporter
        self._context = context
        #: Held by who renews.
        self._at_work = threading.Lock()
        #: The pair that is renewed just now.
        self._current: str | None = None
        #: Why pairs were not renewed, by instance uuid.
        self._errors: dict[str, str] = {}
        #: An image that did not serve: no other pair gets it until somebody
        #: asks for that again.
        self._refused: str | None = None

    # -- what an operator asks for ------------------------------------------

    def request(self, instance_uuids: list[str] | None,
                when: renewable.When | None) -> list[dict[str, Any]]:
        """Note that pairs are to be renewed, and begin with it.

        :param instance_uuids: None: all pairs of this host.
        :param when: None: they are not to be renewed any more.
        :returns: :meth:`progress`.
        :raises nova_dmore.exception.DMoreError: there is no such pair, or no
            image.
        """
        newest = self._pairs.images.current()
        self._refused = None
        wanted = (self._records() if instance_uuids is None else
                  [self._of(uuid) for uuid in instance_uuids])
        for record in wanted:
            self._errors.pop(record.instance_uuid, None)
            self._pairs.note_renewal(
                record.instance_uuid,
                None if record.digest == newest else when)
        if when is not None:
            threading.Thread(target=self._run_now, name='dmore-renewal',
                             daemon=True).start()
        return self.progress(newest)

    def progress(self, newest: str | None = None) -> list[dict[str, Any]]:
        """What became of it, a row for each pair of this host.

        :param newest: the digest of the newest image, if it is known.
        :raises nova_dmore.exception.ImageError: there is no image.
        """
        if newest is None:
            newest = self._pairs.images.newest()
        return [self._row(record, newest) for record in self._records()]

    def _row(self, record: record_module.PairRecord, newest: str
             ) -> dict[str, Any]:
        uuid = record.instance_uuid
        if uuid == self._current:
            state = 'renewing'
        elif uuid in self._errors:
            state = 'failed'
        elif record.digest == newest:
            state = 'newest'
        else:
            state = 'waits' if record.renewal else 'old'
        error = self._errors.get(uuid)
        if state == 'waits' and newest == self._refused:
            error = 'another pair has tried this image in vain'
        return {'instance_uuid': uuid, 'state': state,
                'when': record.renewal, 'image': record.digest,
                'newest': newest, 'error': error}

    def rebuild(self, instance_uuid: str) -> None:
        """Have a new Domain R made with the image that it has.

        :raises nova_dmore.exception.DMoreError: it was not.
        """
        record = self._of(instance_uuid)
        with self._at_work:
            self._make_anew(record, record.digest,
                            'an operator had it built anew')

    def _records(self) -> list[record_module.PairRecord]:
        return [record for record in self._pairs.records.all()
                if not record.incoming]

    def _of(self, instance_uuid: str) -> record_module.PairRecord:
        record = self._pairs.get(instance_uuid)
        if record is None or record.incoming:
            raise exception.PairError(
                f'instance {instance_uuid} has no pair on host '
                f'{self._pairs.host}' + (
                    ': it is arriving' if record else ''))
        return record

    # -- what is done -------------------------------------------------------

    def _run_now(self) -> None:
        try:
            self.run()
        except exception.DMoreError as error:
            LOG.error('Renewing the Domain Rs of this host: %s',
                      text.printable(error))

    def run(self) -> None:
        """Renew the Domain Rs that are due. Called when an operator asks for
        it, and by the watch, now and then.

        :raises nova_dmore.exception.DMoreError: nobody can tell, try again
            later.
        """
        with self._at_work:
            asked = [record for record in self._records() if record.renewal]
            if not asked:
                return
            newest = self._pairs.images.current()
            renewed = False
            for record in asked:
                if record.digest == newest:
                    self._pairs.note_renewal(record.instance_uuid, None)
                elif newest != self._refused and self._is_due(record):
                    renewed = True
                    self._renew(record, newest)
            if renewed:
                self.prune()

    def _is_due(self, record: record_module.PairRecord) -> bool:
        uuid = record.instance_uuid
        if record.renewal == renewable.When.IDLE:
            try:
                counts = sessions.of(self._pairs.client(uuid).status())
            except exception.ShadowAnswerError:
                return False
            return counts is not None and not any(counts.values())
        return record.renewal == renewable.When.NOW

    def _renew(self, record: record_module.PairRecord, newest: str) -> None:
        uuid = record.instance_uuid
        try:
            self._make_anew(record, newest, 'Domain R was renewed: image '
                            f'{newest[:12]} in place of {record.digest[:12]}')
        except _NotNowError as error:
            LOG.info('Domain R of instance %(uuid)s is renewed later: '
                     '%(why)s', {'uuid': uuid, 'why': text.printable(error)})
        except exception.HostServiceError:
            raise
        except exception.DMoreError as error:
            self._errors[uuid] = text.printable(error)
            self._refused = newest
            LOG.error('Domain R of instance %(uuid)s was not renewed, and no '
                      'other one is for now: %(error)s',
                      {'uuid': uuid, 'error': self._errors[uuid]})

    def _make_anew(self, record: record_module.PairRecord, digest: str,
                   why: str) -> None:
        """Have a new Domain R, and wait until it serves.

        :raises _NotNowError: the pair moves, or somebody is at it.
        :raises nova_dmore.exception.DMoreError: it does not serve; the pair
            has one of the image before.
        """
        uuid = record.instance_uuid
        self._current = uuid
        try:
            served = self._is_live(uuid)
            self._exchange(uuid, digest, why)
            if served and not self._wait_until_it_serves(uuid):
                if digest != record.digest:
                    self._exchange(uuid, record.digest,
                                   'the renewed Domain R did not serve')
                raise exception.PairError(
                    f'a Domain R of image {digest} did not serve in '
                    f'{_SERVES_S:.0f} s')
        finally:
            self._current = None

    def _exchange(self, uuid: str, digest: str, why: str) -> None:
        with self._pairs.locked(uuid, wait_s=0) as locked:
            if not locked:
                raise _NotNowError('somebody is at it')
            condition = self._check(uuid)
            if condition not in (pair_care.Condition.WELL,
                                 pair_care.Condition.DEAD):
                raise _NotNowError(f'its pair is {condition.value}')
            try:
                self._pairs.renew(uuid, digest)
            finally:
                self._reporter.rebuilt(self._context, uuid, why)

    def _is_live(self, uuid: str) -> bool:
        try:
            status = self._pairs.client(uuid).status()
        except exception.ShadowAnswerError:
            return False
        return bool(status.state is wire.PairState.LIVE and status.serving)

    def _wait_until_it_serves(self, uuid: str) -> bool:
        """Not locked: the instance may be migrated meanwhile."""
        deadline = time.monotonic() + _SERVES_S
        while time.monotonic() < deadline:
            record = self._pairs.get(uuid)
            if record is None or record.incoming or self._is_live(uuid):
                return True
            time.sleep(_POLL_S)
        return False

    def prune(self) -> None:
        """Remove the images that no pair of this host uses.

        :raises nova_dmore.exception.ImageError: nobody can tell which new
            pairs get.
        """
        used = {record.digest for record in self._pairs.records.all()}
        for digest in self._pairs.images.prune(
                {*used, self._pairs.images.newest()}):
            LOG.info('Image %s of Domain R is removed from this host: no '
                     'pair uses it', digest)


class _NotNowError(exception.PairError):
    """It may be done later."""
