# SPDX-License-Identifier: Apache-2.0

import threading
import time
from unittest import mock

import fixtures
import libvirt

from nova_dmore import exception
from tests.unit.virt import fake_host
from tests.unit.virt import fakes
from tests.unit.virt.migration import destination_case


class SendBackTest(destination_case.DestinationTestCase):
    """The instance stays at the source; its Domain R waits here."""

    def setUp(self):
        super().setUp()
        self.open = self.useFixture(fixtures.MockPatchObject(
            libvirt, 'open', autospec=True, return_value=self.libvirt)).mock
        self.role.prepare(None, 'm1', self.text)
        self._domain_r_comes()
        self.domain = self.libvirt.domains[self.domr]
        self.domain.run_state = (libvirt.VIR_DOMAIN_PAUSED,
                                 libvirt.VIR_DOMAIN_PAUSED_MIGRATION)
        self.calls = []
        self.domain.resume = lambda: self.calls.append('resume')
        self.domain.suspend = lambda: self.calls.append('suspend')
        self.domain.migrateToURI3 = mock.Mock(side_effect=self._leave)
        self.may_leave = threading.Event()
        self.may_leave.set()

    def _leave(self, uri, parameters, flags):
        self.calls.append('migrate')
        fake_host.wait(self.may_leave)
        del self.libvirt.domains[self.domr]

    def _send_back(self, migration_id='m1', uri='qemu+tcp://c2/system',
                   migrate_uri=None, flags=33, within_s=5.0):
        self.role.send_back(migration_id, fakes.UUID, uri, migrate_uri, flags,
                            within_s)

    def _assert_refused(self, text, **arguments):
        error = self.assertRaises(exception.PairError, self._send_back,
                                  **arguments)
        self.assertIn(text, str(error))
        self.assertEqual([], self.calls)

    def test_sent(self):
        self._send_back()
        self.open.assert_called_once_with('qemu:///system')
        self.domain.migrateToURI3.assert_called_once_with(
            'qemu+tcp://c2/system', {}, 33)
        # QEMU aborts if it has not run.
        self.assertEqual(['resume', 'suspend', 'migrate'], self.calls)
        self.assertFalse(self.role.abort('m1', fakes.UUID))
        self.assertIsNone(self.pairs.get(fakes.UUID))

    def test_the_source_has_other_processors(self):
        self.domain.xml = self.domain.xml.replace(
            '<vcpu>', '<vcpu cpuset="6-7">')
        self._send_back()
        (_uri, parameters, _flags), _ = self.domain.migrateToURI3.call_args
        self.assertIn('<vcpu>1</vcpu>', parameters['destination_xml'])

    def test_sent_by_another_network(self):
        self._send_back(migrate_uri='tcp://10.0.0.2')
        self.assertEqual({'migrate_uri': 'tcp://10.0.0.2'},
                         self.domain.migrateToURI3.call_args.args[1])

    def test_not_to_what_is_more_than_another_host(self):
        # libvirt's daemon, which is root, would run the command.
        for uri in ('qemu+ext://c2/system?command=/tmp/x',
                    'qemu+ssh://c2/system?command=/tmp/x&socket=/y',
                    'qemu+tcp://c2/system?command=/tmp/x',
                    'qemu+tcp://c2/session', 'qemu+tcp://c2/system\n',
                    'qemu+tcp://a@c2/system', 'qemu+tcp://c2:1/system',
                    'qemu+tcp:///system', 'qemu+unix:///system',
                    'qemu+tcp://c2/x?/system', 'test:///default', ''):
            self._assert_refused('live_migration_uri', uri=uri)
        for migrate_uri in ('unix:///run/x', 'exec:/tmp/x', 'rdma://c2',
                            'tcp://c2:49152:1', 'tcp://c2/x', 'tcp://', '',
                            'fd:3'):
            self._assert_refused('live_migration_scheme',
                                 migrate_uri=migrate_uri)
        self.open.assert_not_called()

    def test_to_where_this_host_may_send(self):
        for uri, migrate_uri in (
                ('qemu+tcp://c2.example.org/system', 'tcp://10.0.0.2'),
                ('qemu+tcp://[fd00::2]/system', 'tcp://[fd00::2]')):
            with mock.patch.object(
                    self.sends_back, '_job_of_paused', autospec=True,
                    side_effect=ZeroDivisionError):
                self.assertRaises(ZeroDivisionError, self._send_back,
                                  uri=uri, migrate_uri=migrate_uri)

    def test_with_which_flags(self):
        for flag in ('NON_SHARED_DISK', 'PERSIST_DEST', 'UNDEFINE_SOURCE',
                     'POSTCOPY', 'UNSAFE', 'OFFLINE'):
            self._assert_refused('flags', flags=33 | getattr(
                libvirt, f'VIR_MIGRATE_{flag}'))

    def test_not_in_clear_where_instances_are_not(self):
        self.sends_back._encrypts = True
        self._assert_refused('flags')
        self._send_back(flags=33 | libvirt.VIR_MIGRATE_TLS)

    def test_over_several_connections(self):
        self._send_back(flags=33 | libvirt.VIR_MIGRATE_PARALLEL)
        _uri, parameters, flags = self.domain.migrateToURI3.call_args[0]
        self.assertEqual(4, parameters['parallel.connections'])
        self.assertTrue(flags & libvirt.VIR_MIGRATE_PARALLEL)

    def test_of_another_migration(self):
        self._assert_refused('m0', migration_id='m0')

    def test_the_instance_runs_here(self):
        self.libvirt.add_instance()
        self._assert_refused('runs here')

    def test_it_has_run_here(self):
        # What it has got from its instance here, that one at the source
        # never said.
        self.domain.run_state = (libvirt.VIR_DOMAIN_RUNNING, 1)
        self._assert_refused('does not wait here')

    def test_libvirt_does_not_say(self):
        self.domain.info = mock.Mock(side_effect=fake_host.libvirt_error())
        self._assert_refused('cannot be read')

    def test_it_fails(self):
        self.domain.migrateToURI3.side_effect = fake_host.libvirt_error(
            text='no memory')
        error = self.assertRaises(exception.PairError, self._send_back)
        self.assertIn('no memory', str(error))
        # What is left of it goes with the rest.
        self.assertFalse(self.role.abort('m1', fakes.UUID))
        self.assertNotIn(self.domr, self.libvirt.domains)

    def test_it_is_gone(self):
        del self.libvirt.domains[self.domr]
        self._assert_refused('does not wait here')

    def test_it_takes_too_long(self):
        def migrate(uri, parameters, flags):
            fake_host.wait(cancelled)
            raise fake_host.libvirt_error(text='cancelled')

        cancelled = threading.Event()
        self.domain.abortJob = cancelled.set
        self.domain.migrateToURI3.side_effect = migrate
        error = self.assertRaises(exception.PairError, self._send_back,
                                  within_s=0.02)
        self.assertIn('cancelled', str(error))

    def test_it_came_to_its_end_when_it_was_cancelled(self):
        self.may_leave.clear()
        self.domain.abortJob = self.may_leave.set
        self._send_back(within_s=0.02)

    def test_an_abort_waits_for_its_end(self):
        self.may_leave.clear()
        sending = threading.Thread(target=self._send_back)
        sending.start()
        while not self.domain.migrateToURI3.called:
            time.sleep(0.002)
        aborting = threading.Thread(
            target=self.role.abort, args=('m1', fakes.UUID))
        aborting.start()
        aborting.join(0.1)
        self.assertTrue(aborting.is_alive())
        self.assertEqual(1, len(self.shadow.alive))
        self.may_leave.set()
        for thread in (sending, aborting):
            thread.join(5)
            self.assertFalse(thread.is_alive())
        self.assertIsNone(self.pairs.get(fakes.UUID))
