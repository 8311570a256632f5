# SPDX-License-Identifier: Apache-2.0
"""Both move in step."""

import threading
import time
from unittest import mock

import libvirt

from nova_dmore import exception
from nova_dmore.virt.migration.phases import Phase
from nova_dmore.virt.migration import departure
from nova_dmore.virt.migration import switch_over
from tests.unit.virt import fake_host
from tests.unit.virt import fakes
from tests.unit.virt.migration import source_case


class SwitchOverTest(source_case.SourceTestCase):

    def test_the_process_is_gone_for_long(self):
        self.client().frozen.side_effect = exception.ShadowAnswerError('no')

        def story():
            fake_host.wait(self.domain_r.held)
            before = self.client().frozen.call_count
            time.sleep(0.2)
            self.calls = self.client().frozen.call_count - before
            self.guest.converge()

        self.guest.story = story
        with (mock.patch.object(switch_over, '_COPIED_WAIT_MS', 50),
                mock.patch.object(switch_over.LOG, 'warning') as warning):
            self._run()
        self.assertLess(self.calls, 20)
        self.assertEqual(1, sum('is not known now' in call.args[0]
                                for call in warning.call_args_list))

    def test_domain_r_is_stopped_by_the_process_that_sees_the_stop(self):
        """From when it can leave until it is not asked for any more."""
        let_go = self.client().let_go
        let_go.side_effect = lambda on: self.log.append(f'stop at freeze {on}')
        with mock.patch.object(switch_over.LOG, 'info') as info:
            self._run()
        self._assert_order('migrate Domain R', 'stop at freeze True', 'frozen',
                           'rpc carry_over', 'stop at freeze False')
        self.assertEqual(2, let_go.call_count)
        told, = (call.args for call in info.call_args_list
                 if 'Instance stopped' in call.args[0])
        self.assertEqual('20.0', f'{told[1]["skew"]:.1f}')

    def test_only_libvirt_can_stop_it(self):
        self.client().let_go.side_effect = exception.ShadowAnswerError('no')
        self._run()
        self._assert_order('frozen', f'suspend {self.domr}', 'rpc carry_over')

    def test_cancelled_it_is_not_stopped(self):
        let_go = self.client().let_go
        let_go.side_effect = lambda on: self.log.append(f'stop at freeze {on}')
        role = self._role(precopy_timeout_s=1)
        role.live_migration_monitor_ended()
        self.role = role
        self.domain_r.progress = (1, 10 ** 6)
        self.guest.story = lambda: (
            fake_host.wait(self.domain_r.aborted),
            self.guest.switch_over_at_once())
        self._run()
        self._assert_order('stop at freeze True', 'stop at freeze False',
                           f'abort job of {self.domr}')

    def test_the_migration_is_rolled_back_meanwhile(self):
        def story():
            self.domain.stopped.set()
            fake_host.wait(self.domain_r.gone)
            self.guest.fail()

        rolled_back = threading.Event()
        self.destination.carry_over.side_effect = (
            lambda *args: fake_host.wait(rolled_back))
        self.guest.story = story
        with mock.patch.object(departure, '_END_S', 0.05):
            error = self.assertRaises(
                libvirt.libvirtError, self.role.migrate, self.guest,
                source_case.URI)
        self.assertEqual('connection lost', str(error))
        rolled_back.set()
        self._assert_no_thread_left()
        self.assertEqual(fakes.HOST, self.neutron.active_host(fakes.PORT))

    def test_a_thread_that_never_began_is_not_waited_for(self):
        with mock.patch.object(switch_over.SwitchOver, 'start', autospec=True,
                               side_effect=RuntimeError('no more threads')):
            self.guest.story = self.guest.switch_over_at_once
            self._run()
        self.assertIn(f'abort job of {self.domr}', self.log)
        self.assertEqual(Phase.DONE, self.role.co_migration.phase)
