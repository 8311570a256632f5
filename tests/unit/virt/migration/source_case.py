# SPDX-License-Identifier: Apache-2.0
"""A source whose machines are in the hands of a test."""

import json
import threading
from unittest import mock

import fixtures
import libvirt

from nova_dmore import places
from nova_dmore.virt.care import reporter
from nova_dmore.virt.care import watch
from nova_dmore.virt.migration import abort
from nova_dmore.virt.migration import arrival
from nova_dmore.virt.migration import departure
from nova_dmore.virt.migration import guest as guest_module
from nova_dmore.virt.migration import instance_pre_copy
from nova_dmore.virt.migration import job
from nova_dmore.virt.migration.phases import Phase
from nova_dmore.virt.migration import services
from nova_dmore.virt.migration import source
from nova_dmore.virt.migration import switch_over
from nova_dmore.virt.migration import uris
from nova_dmore.virt.pair import host_side
from nova_dmore.virt.pair import record as record_module
from nova_dmore.virt.rpc import destination as destination_rpc
from nova_dmore import wire
from tests.unit.virt import fake_host
from tests.unit.virt import fakes

INSTANCE = 'instance-00000001'
URI = 'qemu+tcp://c2/system'
CARRY_OVER = {'epoch': 7}
HOLD_MIB = 8
STOCK_CONSOLES = host_side.StockConsoles('192.0.2.2', ('10.0.0.2', 10001))
URIS_OF_THIS_HOST = uris.MigrationURIs(
    'qemu+tcp://c1/system', 'tcp://10.0.0.1')


class MovingDomain(fake_host.Domain):
    """A domain with a migration job, in the hands of the test."""

    def __init__(self, connection, name, log):
        super().__init__(connection, name)
        self._log = log
        self.progress = (1, 10 ** 9)
        self.job = threading.Event()        # there is one
        self.stopped = threading.Event()    # by QEMU
        self.suspended = threading.Event()  # by us
        self.resumed = threading.Event()
        self.freed = threading.Event()      # its bandwidth is not limited
        self.aborted = threading.Event()
        self.gone = threading.Event()
        self.limits = []

    def jobStats(self):
        if not self.job.is_set():
            raise fake_host.libvirt_error(libvirt.VIR_ERR_OPERATION_INVALID)
        iteration, remaining = self.progress
        return {'memory_total': 10 ** 9, 'memory_iteration': iteration,
                'memory_remaining': remaining, 'memory_bps': 10 ** 6}

    def migrateSetMaxSpeed(self, bandwidth_mib):
        self.limits.append(bandwidth_mib)
        if bandwidth_mib == job.UNLIMITED_MIB:
            self.freed.set()

    def migrateSetMaxDowntime(self, milliseconds):
        # libvirt 9 takes one for the next job, too.
        self.limits.append(f'{milliseconds} ms')

    def suspend(self):
        if not self.isActive():
            raise fake_host.libvirt_error(libvirt.VIR_ERR_OPERATION_INVALID)
        self._log.append(f'suspend {self._name}')
        self.suspended.set()

    def resume(self):
        self._log.append(f'resume {self._name}')
        self.resumed.set()

    def abortJob(self):
        self._log.append(f'abort job of {self._name}')
        self.aborted.set()

    def left(self):
        """Its QEMU is gone: it runs elsewhere."""
        self.job.clear()
        self._connection.domains.pop(self._name, None)
        self.gone.set()


class DomainR(MovingDomain):
    """Domain R: goes when it is stopped and may, or when told to."""

    def __init__(self, *args):
        super().__init__(*args)
        self.progress = (2, 10 ** 6)
        self.leave_early = threading.Event()
        self.held = threading.Event()
        self.fail = None
        self.fail_now = threading.Event()   # with that

    def migrateSetMaxSpeed(self, bandwidth_mib):
        super().migrateSetMaxSpeed(bandwidth_mib)
        if bandwidth_mib == HOLD_MIB:
            self.held.set()

    def migrateToURI3(self, destination, parameters, flags):
        self._log.append('migrate Domain R')
        self.called_with = (destination, parameters, flags)
        self.job.set()
        while not (self.suspended.is_set() and self.freed.is_set()
                   or self.leave_early.is_set()):
            if self.fail is not None and (self.suspended.is_set()
                                          or self.fail_now.is_set()):
                break
            if self.aborted.wait(0.002):
                self.job.clear()
                raise fake_host.libvirt_error(text='cancelled by client')
        if self.fail is not None:
            self.job.clear()
            raise self.fail
        self.left()


class Guest:
    """Nova's Guest: ``migrate`` blocks until the instance is there."""

    def __init__(self, domain, domain_r, log):
        self.domain = domain
        self.domain_r = domain_r
        self.uuid = fakes.UUID
        self._log = log
        self.story = self.converge

    def migrate(self, destination, **arguments):
        self._log.append('migrate instance')
        self.called_with = (destination, arguments)
        self.domain.job.set()
        self.story()

    def converge(self):
        """The second pass is small: QEMU switches over."""
        fake_host.wait(self.domain_r.held)
        self.domain.progress = (2, 10 ** 5)
        self.switch_over_at_once()

    def switch_over_at_once(self):
        """An idle instance: QEMU does not wait for Domain R."""
        self.domain.stopped.set()
        self.domain.left()

    def fail(self):
        """It stays here, and libvirt resumes it."""
        self.domain.job.clear()
        raise fake_host.libvirt_error(text='connection lost')

    def fail_after_the_stop(self):
        fake_host.wait(self.domain_r.held)
        self.domain.stopped.set()
        self.fail()


class SourceTestCase(fake_host.HostTestCase):

    def setUp(self):
        super().setUp()
        self.useFixture(fixtures.MockPatchObject(
            switch_over, '_COPYING_WAIT_MS', 1))
        self.useFixture(fixtures.MockPatchObject(
            instance_pre_copy, '_POLL_S', 0.001))
        self.useFixture(fixtures.MockPatchObject(departure, '_END_S', 5.0))
        self.useFixture(fixtures.MockPatchObject(
            libvirt, 'open', autospec=True, return_value=self.libvirt))
        self.log = self.shadow.log
        self.instance = fakes.make_instance()
        self.record = self.pairs.ensure(self.instance)
        self.domain = MovingDomain(self.libvirt, INSTANCE, self.log)
        self.domain.uuid = fakes.UUID
        self.domain_r = DomainR(self.libvirt, self.domr, self.log)
        self.domain_r.xml = self.libvirt.domains[self.domr].xml
        self.libvirt.domains.update(
            {INSTANCE: self.domain, self.domr: self.domain_r})
        self.guest = Guest(self.domain, self.domain_r, self.log)
        self.log.clear()
        self.client().frozen.side_effect = self._frozen
        self.client().hand_over.return_value = CARRY_OVER
        self.notices_the_stop = True
        self.watch = mock.create_autospec(watch.Watch, instance=True)
        self.reporter = mock.create_autospec(reporter.Reporter, instance=True)
        self.destination = mock.create_autospec(
            destination_rpc.DestinationAPI, instance=True)
        self.destination.prepare.side_effect = self._prepare
        for name in ('carry_over', 'finish', 'abort'):
            self._note(self.destination, name, f'rpc {name}')
        self.destination.send_back.side_effect = self._send_back
        self.destination.arrival.side_effect = lambda *args: self.arrival
        #: What the destination says.
        self.arrival = arrival.Arrival(is_wired=True)
        #: What the destination knows.
        self.layout = places.NEWEST
        self.console_log = None
        self.abort = abort.Abort()
        self.role = self._role()
        self.role.live_migration_monitor_ended()

    def _prepare(self, context, host, migration_id, record):
        self.log.append('rpc prepare')
        self.pairs.addresses.add_binding(
            record_module.from_json(record).address, host)
        return self.layout

    def _send_back(self, *args):
        self.log.append('rpc send back')
        self.assertEqual({fakes.PORT}, self.vif_driver.plugged)
        self.assertNotIn(self.domr, self.libvirt.domains)
        self.libvirt.domains[self.domr] = fake_host.Domain(
            self.libvirt, self.domr)

    def _note(self, service, name, text):
        getattr(service, name).side_effect = (
            lambda *args, **kwargs: self.log.append(text))

    def _frozen(self, timeout_ms):
        stopped = self.domain.stopped.wait(min(timeout_ms, 20) / 1000)
        if self.notices_the_stop and stopped:
            self.log.append('frozen')
            return wire.Frozen(True, 1.0, 1.01, 1.02)
        return wire.Frozen(False, None, None, None)

    def _services(self, **changes):
        return services.Services(**{
            'pairs': self.pairs, 'watch': self.watch,
            'reporter': self.reporter, 'destination': self.destination,
            'libvirt_uri': 'qemu:///system', 'precopy_timeout_s': 5.0,
            'hold_bandwidth_mib': HOLD_MIB,
            'uris_of_this_host': URIS_OF_THIS_HOST, **changes})

    def _role(self, leaves=None, **changes):
        """:param leaves: a departure, None: one that has not begun."""
        return source.SourceRole(
            'context', leaves or departure.Departure(
                self._services(**changes), 'context', self.instance,
                fakes.OTHER_HOST),
            lambda: self.console_log, STOCK_CONSOLES, self.abort)

    def _run(self, **arguments):
        arguments.setdefault('flags', libvirt.VIR_MIGRATE_LIVE)
        guest_module.CoMigratingGuest(self.guest, self.role).migrate(
            URI, **arguments)
        self.assertEqual(Phase.DONE, self.role.co_migration.phase)
        self._assert_watched_again()
        self._assert_no_thread_left()

    def _run_failing(self, text='connection lost'):
        error = self.assertRaises(
            libvirt.libvirtError, self.role.migrate, self.guest, URI)
        self.assertEqual(text, str(error))
        self.assertEqual(Phase.ABORTED, self.role.co_migration.phase)
        self._assert_watched_again()
        self._assert_no_thread_left()

    def _assert_no_thread_left(self):
        for name in (f'dmore-pre-copy-{fakes.UUID}',
                     f'dmore-switch-over-{fakes.UUID}',
                     f'dmore-wire-wait-{fakes.UUID}',
                     f'dmore-migrate-{self.domr}'):
            for thread in threading.enumerate():
                if thread.name == name:
                    thread.join(1)
                    self.assertFalse(thread.is_alive(), name)

    def _assert_watched_again(self):
        self.assertEqual(
            [mock.call.leave_alone(fakes.UUID),
             mock.call.watch_again(fakes.UUID)],
            [call for call in self.watch.mock_calls
             if call[0] in ('leave_alone', 'watch_again')])

    def _assert_order(self, *texts):
        """These were logged, in this order."""
        rest = iter(self.log)
        for text in texts:
            if text not in rest:
                self.fail(f'{text!r} is missing or early in {self.log}')

    def _assert_gone_from_here(self):
        self.assertIsNone(self.pairs.get(fakes.UUID))
        self.assertNotIn(self.domr, self.libvirt.domains)
        self.assertEqual(set(), self.shadow.alive)
        self.assertEqual(set(), self.vif_driver.plugged)

    def _assert_still_here(self):
        self.assertEqual(self.record, self.pairs.get(fakes.UUID))
        self.assertEqual((True, True), self.pairs.is_alive(fakes.UUID))
        self.assertEqual([(fakes.PORT, fakes.HOST)],
                         list(self.neutron.bindings))
        self.assertEqual(fakes.HOST, self.neutron.active_host(fakes.PORT))
        self.assertIn('rpc abort', self.log)

    def _finished_with(self):
        """What the destination was told: the record, moved, the log."""
        (call,) = self.destination.finish.call_args_list
        _context, host, migration_id, record, moved, console_log = call.args
        self.assertEqual(
            (fakes.OTHER_HOST, self.role.co_migration.migration_id),
            (host, migration_id))
        return json.loads(record), moved, console_log
