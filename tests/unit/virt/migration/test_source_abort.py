# SPDX-License-Identifier: Apache-2.0
"""The instance stays."""

import logging
import threading
import time
from unittest import mock

import fixtures
from nova import exception as nova_exception

from nova_dmore import exception
from nova_dmore.virt.migration.phases import Phase
from nova_dmore.virt.migration import rollback
from nova_dmore import wire
from tests.unit.virt import fake_host
from tests.unit.virt import fakes
from tests.unit.virt.migration import source_case


class AbortTest(source_case.SourceTestCase):
    """The instance stays: so does its Domain R."""

    def test_before_the_stop(self):
        self.guest.story = self.guest.fail
        self._run_failing()
        self._assert_order('migrate instance', f'abort job of {self.domr}',
                           'hold', 'arm', 'rpc abort')
        self.assertEqual(
            [mock.call(True), mock.call(False)],
            self.client().hold.call_args_list)
        self.assertEqual(
            mock.call(self.role.co_migration.migration_id, wire.Role.SOURCE,
                      on=False), self.client().arm.call_args)
        self._assert_still_here()
        self.assertNotIn('rpc finish', self.log)
        self.assertFalse(self.domain.resumed.is_set())
        self.reporter.rebuilt.assert_not_called()

    def _abort_it(self):
        self.assertTrue(self.abort.abort())
        told = threading.Thread(target=lambda: self._until_cancelled())
        told.start()
        self.addCleanup(told.join)

    def _until_cancelled(self):
        while not self.role.is_cancelled():
            self.assertNotIn('migrate instance', self.log)
            time.sleep(0.01)

    def test_a_user_aborts_while_domain_r_is_prepared(self):
        def prepare(*arguments):
            self._abort_it()
            return self._prepare(*arguments)
        self.destination.prepare.side_effect = prepare
        self.role.migrate(self.guest, source_case.URI)
        self.assertTrue(self.role.is_cancelled())
        self.assertNotIn('migrate instance', self.log)
        self.assertEqual(Phase.ABORTED, self.role.co_migration.phase)
        self._assert_watched_again()
        self._assert_no_thread_left()
        self._assert_still_here()

    def test_a_user_aborts_before_nova_begins(self):
        self._abort_it()
        self.role.migrate(self.guest, source_case.URI)
        self.destination.prepare.assert_not_called()
        self.assertEqual([], self.log)
        self._assert_watched_again()

    def test_a_user_aborts_when_libvirt_was_asked(self):
        self.assertTrue(self.abort.request())
        self.assertFalse(self.abort.abort())
        self.assertFalse(self.role.is_cancelled())

    def test_an_error_of_another_type(self):
        class Killed(BaseException):
            pass

        for kind in (RuntimeError, nova_exception.NovaException, Killed):
            error = kind('unchanged')

            def story():
                self.domain.job.clear()
                raise error

            self.log.clear()
            self.watch.reset_mock()
            self.role = self._role()
            self.guest.story = story
            self.assertIs(error, self.assertRaises(
                kind, self.role.migrate, self.guest, source_case.URI))
            self.assertEqual(Phase.ABORTED, self.role.co_migration.phase)
            self._assert_watched_again()
            self._assert_no_thread_left()
            self._assert_still_here()
            self.domain_r = source_case.DomainR(
                self.libvirt, self.domr, self.log)
            self.libvirt.domains[self.domr] = self.domain_r

    def test_a_bug_on_the_way_back_hides_nothing(self):
        self.guest.story = self.guest.fail
        self.destination.abort.side_effect = TypeError('a bug')
        self._run_failing()

    def test_domain_r_was_stopped_and_has_no_job(self):
        self.domain_r.fail = fake_host.libvirt_error(text='no memory')

        def story():
            self.domain.stopped.set()
            fake_host.wait(self.domain_r.suspended)
            self.guest.fail()

        self.guest.story = story
        self._run_failing()
        self._assert_order(f'suspend {self.domr}', f'resume {self.domr}')
        self._assert_still_here()

    def test_a_port_that_left_and_came_back_is_plugged_again(self):
        def story():
            self.domain.stopped.set()
            fake_host.wait(self.domain_r.gone)
            self.role._departure._wait_for_switch_over()
            # What Neutron's agent does then.
            self.vif_driver.plugged.clear()
            self.guest.fail()

        self.guest.story = story
        with mock.patch.object(rollback, '_PLUG_S', (0.01, 0.01)):
            self._run_failing()
            for thread in threading.enumerate():
                if thread.name == f'dmore-plug-{fakes.UUID}':
                    thread.join()
        self.assertEqual({fakes.PORT}, self.vif_driver.plugged)

    def _logged_when_it_runs(self, over_there):
        log = self.useFixture(fixtures.FakeLogger(level=logging.ERROR))
        self.guest.story = self.guest.fail
        self.destination.abort.side_effect = [over_there]
        self._run_failing()
        return log.output

    def test_it_runs_on_this_host_alone(self):
        self.assertEqual('', self._logged_when_it_runs(False))

    def test_it_runs_on_both_hosts(self):
        self.assertIn('end one of the two', self._logged_when_it_runs(True))

    def test_alone(self):
        self.destination.prepare.side_effect = exception.PairError('no')
        self.guest.story = self.guest.fail
        self._run_failing()
        self._assert_still_here()

    def test_holding_had_failed(self):
        self.shadow.refuse['hold'] = exception.ShadowAnswerError('no')
        self.guest.story = self.guest.fail
        self._run_failing()
        self._assert_still_here()
        # It was never sent.
        self.reporter.rebuilt.assert_not_called()

    def test_a_step_back_that_fails_stops_no_other(self):
        self.guest.story = self.guest.fail
        self.destination.abort.side_effect = exception.PairError('no')
        self._run_failing()
        self.assertEqual([(fakes.PORT, fakes.HOST)],
                         list(self.neutron.bindings))
