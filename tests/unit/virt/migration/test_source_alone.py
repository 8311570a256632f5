# SPDX-License-Identifier: Apache-2.0
"""The instance moves, and its Domain R does not."""

import threading
from unittest import mock

import fixtures
import libvirt

from nova_dmore import exception
from nova_dmore import places
from nova_dmore.virt.migration import departure
from nova_dmore.virt.migration import source
from nova_dmore.virt.pair import xml
from tests.unit.virt import fake_host
from tests.unit.virt import fakes
from tests.unit.virt.migration import source_case


class AloneTest(source_case.SourceTestCase):
    """The instance moves; a new Domain R is built there."""

    def _assert_moved_alone(self):
        self._run()
        self.assertIn('migrate instance', self.log)
        record, moved, _console_log = self._finished_with()
        self.assertIs(False, moved)
        self.assertEqual(fakes.UUID, record['instance_uuid'])
        self._assert_gone_from_here()
        self.assertEqual([fakes.PORT], list(self.neutron.ports))

    def _converge_alone(self):
        self.guest.story = self.guest.switch_over_at_once

    def test_the_destination_is_not_ready(self):
        self._converge_alone()
        self.destination.prepare.side_effect = exception.PairError('no')
        self._assert_moved_alone()
        self.assertNotIn('migrate Domain R', self.log)
        self.assertNotIn('hold', self.log)

    def test_its_region_is_too_large_for_an_earlier_release(self):
        self._converge_alone()
        self.domain_r.xml = self.domain_r.xml.replace(
            '/ivshmem.sock', '/ivshmem-large.sock')
        self.layout = places.Layout.DOMAIN_DIRECTORIES
        self._assert_moved_alone()
        self.assertNotIn('migrate Domain R', self.log)
        self.assertNotIn('hold', self.log)

    def test_the_pair_is_dead_here(self):
        self._converge_alone()
        self.shadow.kill(fakes.UUID)
        self._assert_moved_alone()

    def test_no_second_connection_to_libvirt(self):
        self._converge_alone()
        libvirt.open.side_effect = fake_host.libvirt_error()
        self._assert_moved_alone()

    def test_arming_fails(self):
        self._converge_alone()
        self.shadow.refuse['arm'] = exception.ShadowAnswerError('no')
        self._assert_moved_alone()
        self.assertNotIn('migrate Domain R', self.log)

    def test_holding_fails(self):
        self._converge_alone()
        self.shadow.refuse['hold'] = exception.ShadowAnswerError('no')
        self._assert_moved_alone()
        self.assertNotIn('migrate Domain R', self.log)

    def test_domain_r_fails_in_its_first_pass(self):
        self._converge_alone()
        self.domain_r.progress = (1, 10 ** 6)
        self.domain_r.fail = fake_host.libvirt_error(text='refused')
        self.domain_r.leave_early.set()
        self._assert_moved_alone()

    def _break(self, name, kind=TypeError):
        self.useFixture(fixtures.MockPatch(name, side_effect=kind('a bug')))

    def test_a_destination_that_has_not_said_what_it_knows(self):
        self._converge_alone()
        self.destination.prepare.side_effect = exception.PairError('no')
        where = places.of_pair(self.pairs.records.directory(fakes.UUID))
        self._run(destination_xml=xml.with_shadow_devices(
            '<domain><devices><serial type="pty"/></devices></domain>',
            where).xml)
        self.assertIn(f'path="{where.own}/serial0"',
                      self.guest.called_with[1]['destination_xml'])

    def test_a_bug_at_the_begin(self):
        self._converge_alone()
        self.destination.prepare.side_effect = TypeError('a bug')
        self._assert_moved_alone()
        self.assertNotIn('migrate Domain R', self.log)

    def test_a_bug_before_domain_r_is_sent(self):
        self._converge_alone()
        self._break('nova_dmore.virt.migration.job.domain_r_flags')
        self._assert_moved_alone()
        self.assertNotIn('migrate Domain R', self.log)

    def test_a_bug_while_domain_r_is_sent(self):
        self._converge_alone()
        self._break('nova_dmore.virt.migration.instance_pre_copy.'
                    'InstancePreCopy', ValueError)
        self._assert_moved_alone()
        self._assert_order('migrate Domain R', f'abort job of {self.domr}',
                           'migrate instance')

    def test_a_bug_in_the_destinations_xml(self):
        self._converge_alone()
        self._break('nova_dmore.virt.pair.xml.for_destination', KeyError)
        self._run(destination_xml='<domain/>')
        self.assertEqual('<domain/>',
                         self.guest.called_with[1]['destination_xml'])

    def test_a_bug_at_the_end(self):
        self._converge_alone()
        self.watch.collect_gaps.side_effect = TypeError('a bug')
        self.destination.finish.side_effect = TypeError('a bug')
        self._run()
        self._assert_gone_from_here()

    def test_domain_r_is_gone_before_it_is_held_and_runs_there(self):
        self.layout = places.Layout.SOCKETS
        self._converge_alone()
        self.domain_r.progress = (1, 10 ** 6)
        self.domain_r.leave_early.set()
        self._assert_moved_alone()

    def test_domain_r_takes_too_long(self):
        def story():
            fake_host.wait(self.domain_r.aborted)
            self.guest.switch_over_at_once()

        self.guest.story = story
        self.role = self._role(precopy_timeout_s=0.05)
        self.domain_r.progress = (1, 10 ** 6)
        self._assert_moved_alone()
        self._assert_order('migrate Domain R', f'abort job of {self.domr}')

    def test_domain_r_had_not_begun(self):
        # Stopped now it would stay so over there.
        self.layout = places.Layout.SOCKETS
        self.domain_r.migrateToURI3 = lambda *args: fake_host.wait(
            self.domain_r.aborted)
        self._converge_alone()
        self._assert_moved_alone()
        self.assertNotIn(f'suspend {self.domr}', self.log)

    def test_domain_r_had_not_begun_and_the_stop_is_not_noticed(self):
        self.layout = places.Layout.SOCKETS
        self.notices_the_stop = False
        self.domain_r.migrateToURI3 = lambda *args: fake_host.wait(
            self.domain_r.aborted)
        self._converge_alone()
        self._assert_moved_alone()

    def test_domain_r_fails_while_it_is_held(self):
        # Stopped now, it would stay so if the instance stays.
        self.domain_r.fail = fake_host.libvirt_error(text='no memory')

        def story():
            fake_host.wait(self.domain_r.held)
            self.domain_r.fail_now.set()
            for thread in threading.enumerate():
                if thread.name == f'dmore-migrate-{self.domr}':
                    thread.join()
            self.guest.converge()

        self.guest.story = story
        self._assert_moved_alone()
        self.assertNotIn(f'suspend {self.domr}', self.log)

    def test_nobody_waits_for_a_job_that_is_not_read(self):
        self.destination.prepare.side_effect = exception.PairError('no')
        with mock.patch.object(source, '_JOB_WAIT_S', 600):
            self.guest.story = lambda: (
                self.role.wait_for_instance_job(is_copying=True),
                self.guest.switch_over_at_once())
            self._assert_moved_alone()
            # Nor for one that Nova never began.
            self.role = self._role()
            self.role.live_migration_operation_ended()
            self.role.wait_for_instance_job()

    def test_domain_r_fails_after_the_stop(self):
        self.domain_r.fail = fake_host.libvirt_error(text='no memory')
        self._assert_moved_alone()
        self._assert_order('frozen', f'suspend {self.domr}')

    def test_domain_r_does_not_come_to_an_end(self):
        self.useFixture(fixtures.MockPatchObject(departure, '_END_S', 0.1))
        self.domain_r.freed = mock.Mock(spec=threading.Event,
                                         **{'is_set.return_value': False})
        self._assert_moved_alone()
        self._assert_order(f'suspend {self.domr}',
                           f'abort job of {self.domr}')
