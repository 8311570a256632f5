# SPDX-License-Identifier: Apache-2.0
"""Both move in step."""

import json
import threading
import time
from unittest import mock

import fixtures
import libvirt

from nova_dmore import exception
from nova_dmore import places
from nova_dmore.virt.migration import arrival
from nova_dmore.virt.migration import domain_r_migration
from nova_dmore.virt.migration import guest as guest_module
from nova_dmore.virt.migration import instance_pre_copy
from nova_dmore.virt.migration import job
from nova_dmore.virt.migration import source
from nova_dmore.virt.migration import wire_wait
from nova_dmore import wire
from tests.unit.virt import fake_host
from tests.unit.virt import fakes
from tests.unit.virt.migration import source_case


class TogetherTest(source_case.SourceTestCase):

    def test_order(self):
        self._run()
        self._assert_order(
            'rpc prepare', 'arm', 'hold', 'migrate Domain R',
            'migrate instance', 'frozen',
            f'suspend {self.domr}', 'rpc carry_over', 'rpc finish',
            'shutdown')
        self._assert_gone_from_here()

    def test_its_domain_has_another_name(self):
        """[DEFAULT] instance_name_template is another one than when it was
        started, say."""
        self.config.config(instance_name_template='vm-%08x')
        self.assertNotEqual(source_case.INSTANCE, self.instance.name)
        self._run()
        self.assertTrue(self._finished_with()[1])

    def test_what_the_destination_is_told(self):
        self.console_log = 'Ym9vdA=='
        self._run()
        (call,) = self.destination.prepare.call_args_list
        context, host, migration_id, record = call.args
        self.assertEqual(('context', fakes.OTHER_HOST),
                         (context, host))
        self.assertEqual(fakes.UUID, json.loads(record)['instance_uuid'])
        self.destination.carry_over.assert_called_once_with(
            'context', fakes.OTHER_HOST, migration_id, fakes.UUID,
            source_case.CARRY_OVER)
        record, moved, console_log = self._finished_with()
        self.assertEqual((False, True, 'Ym9vdA=='),
                         (record['incoming'], moved, console_log))
        self.client().arm.assert_called_once_with(
            migration_id, wire.Role.SOURCE)

    def test_the_processors_of_the_destination(self):
        self.arrival = arrival.Arrival('4-5', True)
        self._run()
        _destination, parameters, _flags = self.domain_r.called_with
        self.assertIn('<vcpu cpuset="4-5">', parameters['destination_xml'])
        self.assertEqual(1, self.destination.arrival.call_count)

    def test_a_destination_that_does_not_say_how_it_is_to_arrive(self):
        self.destination.arrival.side_effect = exception.PairError('2.4?')
        self._run()
        self._assert_gone_from_here()
        _destination, parameters, _flags = self.domain_r.called_with
        self.assertNotIn('destination_xml', parameters)
        self.assertEqual(1, self.destination.arrival.call_count)

    def _late_wire(self, **limits):
        """The instance could stop as soon as it likes; it stops when its
        pre-copy is not slow, and what the destination says of the wire is
        noted."""
        for name, value in limits.items():
            self.useFixture(fixtures.MockPatchObject(
                instance_pre_copy, name, value))
        self.useFixture(fixtures.MockPatchObject(
            wire_wait, '_POLL_S', 0.005))
        self.wired.add(fakes.PORT)
        self.arrival = arrival.Arrival()
        self.domain.progress = (2, 10 ** 5)

        def converge():
            fake_host.wait(self.domain_r.held)
            fake_host.wait(self.domain.freed)
            self.log.append(f'wired: {self.arrival.is_wired}')
            self.guest.switch_over_at_once()

        self.guest.story = converge

    def test_the_instance_stops_when_the_port_is_wired(self):
        self._late_wire(PATIENCE_S=60.0)

        def answer(*args):
            if self.domain.limits:
                self.arrival = arrival.Arrival(is_wired=True)
            return self.arrival

        self.destination.arrival.side_effect = answer
        self._run()
        self._assert_order('migrate instance', 'wired: True', 'frozen')
        self.assertIn(instance_pre_copy._LAST_BANDWIDTH_MIB,
                      self.domain.limits)

    def test_a_port_that_is_never_wired(self):
        self._late_wire(PATIENCE_S=0.05)
        self._run()
        self._assert_order('migrate instance', 'wired: False', 'frozen')

    def test_it_is_reported(self):
        self._run()
        (call,) = self.reporter.migration.call_args_list
        self.assertEqual(
            ('context', fakes.UUID, self.role.co_migration.migration_id,
             fakes.OTHER_HOST, 'moved'), call.args[:-1])
        self.assertAlmostEqual(20, call.args[-1], places=3)

    def test_the_address_moves(self):
        self._run()
        self.assertEqual([(fakes.PORT, fakes.OTHER_HOST)],
                         list(self.neutron.bindings))
        self.assertEqual(fakes.OTHER_HOST,
                         self.neutron.active_host(fakes.PORT))

    def test_domain_r_is_held_until_the_stop(self):
        self._run()
        # The last limits are set when it is stopped.
        self.assertEqual(
            ['1 ms', 8, job.UNLIMITED_MIB,
             f'{domain_r_migration._FREE_DOWNTIME_MS} ms'],
            self.domain_r.limits)

    def test_arguments(self):
        self._run(
            migrate_uri='tcp://10.0.0.2', bandwidth=3,
            flags=(libvirt.VIR_MIGRATE_LIVE |
                   libvirt.VIR_MIGRATE_NON_SHARED_INC),
            destination_xml=(
                '<domain><devices><serial type="unix"><log append="off"/>'
                '</serial></devices></domain>'))
        destination, arguments = self.guest.called_with
        self.assertEqual(source_case.URI, destination)
        self.assertIn('append="on"', arguments['destination_xml'])
        self.assertEqual(
            libvirt.VIR_MIGRATE_LIVE | libvirt.VIR_MIGRATE_NON_SHARED_INC,
            arguments['flags'])
        self.assertEqual(
            (source_case.URI,
             {'bandwidth': 3, 'migrate_uri': 'tcp://10.0.0.2'},
             libvirt.VIR_MIGRATE_LIVE | libvirt.VIR_MIGRATE_PAUSED),
            self.domain_r.called_with)

    def test_over_several_connections(self):
        self._run(flags=libvirt.VIR_MIGRATE_LIVE
                  | libvirt.VIR_MIGRATE_PARALLEL, parallel=4)
        _uri, parameters, flags = self.domain_r.called_with
        self.assertEqual(4, parameters['parallel.connections'])
        self.assertTrue(flags & libvirt.VIR_MIGRATE_PARALLEL)
        _uri, arguments = self.guest.called_with
        self.assertEqual(4, arguments['parallel'])

    def test_to_a_destination_that_lets_none_run(self):
        self.layout = places.Layout.SOCKETS
        self._run()
        self.assertEqual(libvirt.VIR_MIGRATE_LIVE,
                         self.domain_r.called_with[2])
        self.assertIs(True, self._finished_with()[1])

    def test_to_a_destination_of_an_earlier_release(self):
        self.layout = places.Layout.FIFOS
        self._run()
        _, parameters, flags = self.domain_r.called_with
        self.assertEqual(
            libvirt.VIR_MIGRATE_LIVE | libvirt.VIR_MIGRATE_PAUSED, flags)
        own = self.pairs.records.directory(fakes.UUID)
        self.assertIn(f'unix:{own}/domain_r.qmp,server=on,wait=off',
                      parameters[libvirt.VIR_MIGRATE_PARAM_DEST_XML])

    def test_large_region(self):
        self.domain_r.xml = self.domain_r.xml.replace(
            '/ivshmem.sock', '/ivshmem-large.sock')
        self._run()
        self.assertNotIn(libvirt.VIR_MIGRATE_PARAM_DEST_XML,
                         self.domain_r.called_with[1])
        self.assertIs(True, self._finished_with()[1])

    def test_gaps_are_collected_before_the_process_ends(self):
        self._note(self.watch, 'collect_gaps', 'collect gaps')
        self._run()
        self._assert_order('collect gaps', 'shutdown')

    def test_the_instance_is_not_stopped_by_us(self):
        self._run()
        self.assertNotIn(f'suspend {source_case.INSTANCE}', self.log)

    def test_the_instance_does_not_wait_for_domain_r(self):
        self.domain_r.progress = (1, 10 ** 6)

        def story():
            fake_host.wait(self.domain_r.job)
            self.guest.switch_over_at_once()

        self.guest.story = story
        self._run()
        self._assert_order('frozen', f'suspend {self.domr}',
                           'rpc carry_over', 'rpc finish')
        self.assertIs(True, self._finished_with()[1])

    def _domain_r_leaves_first(self):
        self.domain_r.leave_early.set()
        fake_host.wait(self.domain_r.gone)
        self.guest.switch_over_at_once()

    def test_not_in_step(self):
        self.role = self._role(synchronise=False)
        self.guest.story = self._domain_r_leaves_first
        self._run()
        for word in ('arm', 'hold', 'frozen', 'rpc carry_over'):
            self.assertNotIn(word, self.log)
        self.assertEqual([], self.domain_r.limits)
        self.assertEqual(libvirt.VIR_MIGRATE_LIVE,
                         self.domain_r.called_with[2])
        self.assertIs(True, self._finished_with()[1])
        self._assert_gone_from_here()

    def test_in_step_but_not_held(self):
        self.role = self._role(hold=False)
        self.role.live_migration_monitor_ended()
        self.guest.story = self._domain_r_leaves_first
        self._run(bandwidth=300)
        self.assertNotIn('hold', self.log)
        self._assert_order('arm', 'migrate Domain R', 'frozen',
                           'rpc carry_over', 'rpc finish')
        _uri, parameters, flags = self.domain_r.called_with
        self.assertEqual({'bandwidth': 300}, parameters)
        self.assertTrue(flags & libvirt.VIR_MIGRATE_PAUSED)
        self.assertIs(True, self._finished_with()[1])

    def test_the_stop_is_not_noticed(self):
        self.notices_the_stop = False
        self.guest.story = self.guest.switch_over_at_once
        self._run()
        self._assert_order('migrate instance', f'suspend {self.domr}',
                           'rpc finish')
        self.assertNotIn('rpc carry_over', self.log)
        self.assertIs(True, self._finished_with()[1])
        self._assert_gone_from_here()

    def test_novas_limit_goes_through_the_pre_copy(self):
        self.assertFalse(self.role.migrate_configure_max_downtime(50))

        def story():
            self.assertTrue(self.role.migrate_configure_max_downtime(50))
            self.guest.converge()

        self.guest.story = story
        self._run()
        self.assertIn('50 ms', self.domain.limits)

    def test_a_user_who_aborts_waits_for_the_instances_job(self):
        waited = []

        def abort():
            self.role.wait_for_instance_job()
            waited.append('migrate instance' in self.log)

        aborting = threading.Thread(target=abort)
        aborting.start()
        self.guest.story = lambda: (aborting.join(5), self.guest.converge())
        self._run()
        self.assertEqual([True], waited)
        # And nobody waits for one that is over.
        with mock.patch.object(source, '_JOB_WAIT_S', 600):
            self.role.wait_for_instance_job()

    def test_a_switch_to_post_copy_waits_for_the_instances_job(self):
        self.guest.migrate_start_postcopy = lambda: self.log.append(
            'switched')
        switching = threading.Thread(target=guest_module.CoMigratingGuest(
            self.guest, self.role).migrate_start_postcopy)
        switching.start()
        self.guest.story = lambda: (switching.join(5), self.guest.converge())
        self._run()
        self._assert_order('migrate instance', 'switched', 'frozen')

    def test_domain_r_leaves_early(self):
        # The instance is not touched because of that.
        self.guest.story = self._domain_r_leaves_first
        self._run()
        self._assert_order('frozen', 'rpc carry_over', 'rpc finish')
        self.assertIs(True, self._finished_with()[1])
        self._assert_gone_from_here()

    def test_domain_r_is_gone_before_it_is_held(self):
        def story():
            self.domain_r.leave_early.set()
            # Nothing is slowed down for one that has left.
            fake_host.wait(self.role._departure._switch_over.domain_r_copied)
            self.guest.switch_over_at_once()

        self.domain_r.progress = (1, 10 ** 6)
        self.guest.story = story
        self._run()
        self._assert_order('frozen', 'rpc carry_over', 'rpc finish')
        self.assertNotIn(f'suspend {self.domr}', self.log)
        self.assertIs(True, self._finished_with()[1])

    def test_domain_r_has_not_begun_when_the_instance_stops(self):
        migrate = self.domain_r.migrateToURI3

        def begin_late(*args):
            fake_host.wait(self.domain_r.suspended)
            migrate(*args)

        self.domain_r.migrateToURI3 = begin_late
        self.guest.story = self.guest.switch_over_at_once
        self._run()
        self._assert_order('frozen', f'suspend {self.domr}',
                           'migrate Domain R', 'rpc finish')
        self.assertIs(True, self._finished_with()[1])

    def test_nothing_waits_for_the_binding(self):
        given = threading.Event()
        self.destination.carry_over.side_effect = lambda *args: given.set()

        def activate(port_id, host):
            fake_host.wait(given)
            self.log.append(f'address to {host}')

        with mock.patch.object(self.pairs.addresses, 'activate_binding',
                               side_effect=activate):
            self._run()
        self._assert_order('frozen', f'address to {fakes.OTHER_HOST}',
                           'rpc finish')

    def test_the_binding_waits_for_nothing(self):
        def hand_over(timeout_ms):
            while self.neutron.active_host(fakes.PORT) == fakes.HOST:
                time.sleep(0.002)
            return source_case.CARRY_OVER

        self.client().hand_over.side_effect = hand_over
        self._run()
        self.destination.carry_over.assert_called_once()

    def test_the_binding_cannot_be_activated(self):
        with mock.patch.object(self.pairs.addresses, 'activate_binding',
                               side_effect=exception.AddressError('no')):
            self._run()
        # The destination takes it.
        self.assertIs(True, self._finished_with()[1])
        self._assert_order('rpc carry_over', 'rpc finish')

    def test_the_process_dies(self):
        self.client().frozen.side_effect = exception.ShadowAnswerError('no')
        self.watch.collect_gaps.side_effect = (
            exception.ShadowAnswerError('no'))
        self._run()
        self.assertIs(True, self._finished_with()[1])
        self._assert_gone_from_here()

    def test_carry_over_does_not_arrive(self):
        self.destination.carry_over.side_effect = exception.PairError('no')
        self._run()
        self.assertIs(True, self._finished_with()[1])
        self.assertEqual(fakes.OTHER_HOST,
                         self.neutron.active_host(fakes.PORT))

    def test_the_console_log_cannot_be_read(self):
        self.role._read_console_log = mock.Mock(
            side_effect=PermissionError(13, 'Permission denied'))
        self._run()
        self._assert_gone_from_here()
