# SPDX-License-Identifier: Apache-2.0
"""nova-compute dies in the middle of what moves an instance to another host.

See :mod:`tests.functional.test_restart`.
"""

import os
import time

from nova.tests.fixtures import libvirt as fakelibvirt

from nova_dmore import wire
from tests.functional import death
from tests.functional import restart_case
from tests.functional import migration_case
from tests.functional.restart_case import act
from tests.functional.restart_case import Operation
from tests.unit.virt import fake_host


class MovesTestCase(restart_case.TestCase):
    """Two hosts of each kind, between which libvirt migrates."""

    numbers = '12'

    def setUp(self):
        super().setUp()
        self.flags(rpc_timeout=2, group='dmore')
        #: Uuids of instances and names of Domain Rs that were stopped.
        self.stopped = set()
        #: Names of the domains that are being migrated.
        self.jobs = set()
        new_client = self.shadow._new_client

        def client_that_freezes(directory, number):
            made = new_client(directory, number)
            made.frozen.side_effect = lambda timeout_ms: self._frozen(
                os.path.basename(directory))
            made.hand_over.return_value = migration_case.CARRY_OVER
            return made
        self.shadow._new_client = client_that_freezes
        suspend = fakelibvirt.Domain.suspend

        def suspended(domain):
            suspend(domain)
            self.stopped.add(domain.name())

        migration_case.have_libvirt_migrate(
            self, suspend=suspended,
            migrateToURI3=lambda domain, destination, params, flags:
            death.as_a_daemon(
                self._migrate, domain, destination, params, flags),
            abortJob=lambda domain: self.stopped.add(
                f'abort {domain.name()}'),
            jobInfo=lambda domain: [
                fakelibvirt.VIR_DOMAIN_JOB_UNBOUNDED
                if domain.name() in self.jobs
                else fakelibvirt.VIR_DOMAIN_JOB_NONE])
        self.deaths.wrap_domain('migrateToURI3', 'abortJob')

    def _frozen(self, uuid):
        time.sleep(0.05)
        if uuid in self.stopped:
            return wire.Frozen(True, 1.0, 1.01, 1.02)
        return wire.Frozen(False, None, None, None)

    def _migrate(self, domain, destination, params, flags):
        """As libvirt's daemon, which goes on when its client has ended."""
        name = domain.name()
        (hostname,) = [hostname for hostname in self.computes
                       if hostname in destination]
        there = self.connection(hostname)
        if name.startswith('domr-'):
            self.jobs.add(name)
            try:
                self._wait_for_stop(domain)
            finally:
                self.jobs.discard(name)
            there.createXML(domain._connection.xml[name], 0)
            there._vms[name]._state = fakelibvirt.VIR_DOMAIN_PAUSED
            domain.destroy()
            return
        there.createXML(params['destination_xml'], 0)
        self.stopped.add(domain.UUIDString())
        domain.complete_job()
        domain._state = fakelibvirt.VIR_DOMAIN_SHUTOFF

    def _wait_for_stop(self, domain):
        """Until Domain R is stopped, and only then is all of it copied."""
        while domain.name() not in self.stopped:
            time.sleep(0.02)
            if (f'abort {domain.name()}' in self.stopped
                    or not domain.isActive()):
                raise fake_host.libvirt_error(text='cancelled')

    def check_lost_to_nova(self, operation, step):
        """Have nova-compute die when the instance runs on the second host,
        and Nova still takes it for one of the first, for good.

        Its pair is where it runs, and goes with it.
        """
        twin = self.die(operation, 's', step)
        self.assertIn('2', self.state(twin)['domains'])
        server = self.die(operation, 'c', step)
        self.until_so(lambda: self.assertEqual(
            self.state(twin), self.state(server)))
        self.until_so(lambda: self.assert_consistent(server))
        self.assertIsNotNone(self.domain_r(server, 'c2'))
        # As an operator does, who finds it there; a hard reboot would have it
        # run on both hosts.
        domain = self.domain_of(server, 'c2')
        domain.destroy()
        if self.domain_of(server, 'c2') is not None:
            domain.undefine()
        self.delete(server)
        # The second host may have given Domain R a new port just when the
        # first, which Nova asks to delete the instance, deleted its own.
        self.until_so(lambda: self.assert_swept(server))

    def lose(self, hostname):
        """A host is lost, with all that runs there."""
        uuids = [domain.UUIDString() for domain in
                 self.connection(hostname)._vms.values()]
        self.kill(hostname)
        self.connection(hostname)._vms.clear()
        if hostname.startswith('c'):
            for uuid in uuids:
                directory = self.driver(hostname)._pairs.records.directory(
                    uuid)
                self.shadow.alive.discard(directory)
                self.shadow.folders.discard(directory)
                self.driver(hostname)._pairs.records.forget(uuid)
        self.admin_api.put_service_force_down(
            self.computes[hostname].service_ref.uuid, True)

    def find_again(self, hostname):
        """And is started again."""
        self.restart(hostname)
        self.admin_api.put_service_force_down(
            self.computes[hostname].service_ref.uuid, False)


def _cold_migrate(case, server, kind):
    case.admin_api.post_server_action(
        server['id'], {'migrate': {'host': f'{kind}2'}})


def _live_migrate(case, server, kind):
    case.stopped.clear()
    case.admin_api.post_server_action(server['id'], {'os-migrateLive': {
        'host': f'{kind}2', 'block_migration': 'auto'}})


def _evacuate(case, server, kind):
    case.admin_api.post_server_action(
        server['id'], {'evacuate': {'host': f'{kind}2'}})


def _on_the_way(case, server):
    kind = case.instance(server).host[0]
    _cold_migrate(case, server, kind)
    case._wait_for_server_parameter(server, {
        'status': 'VERIFY_RESIZE', 'OS-EXT-STS:task_state': None})


def _lost(case, server):
    case.lose(case.instance(server).host)


class LiveMigrationTest(MovesTestCase):

    def test_source(self):
        self.check(
            Operation(_live_migrate),
            'migration save queued', 'rpc pre_live_migration',
            'migration save running', 'domain migrateToURI3')

    def test_source_when_the_instance_has_left(self):
        self.check_lost_to_nova(
            Operation(_live_migrate),
            'rpc post_live_migration_at_destination')

    def test_destination(self):
        self.flags(rpc_response_timeout=15, long_rpc_timeout=15)
        self.check(
            Operation(_live_migrate, dies='2', is_waited_for=True), 'reply')


class ColdMigrationTest(MovesTestCase):

    def test_source(self):
        self.check(
            Operation(_cold_migrate), 'domain shutdown',
            ('record forget', 'save active resize_migrated'),
            'save active resize_migrated', 'rpc finish_resize')

    def test_destination(self):
        self.check(
            Operation(_cold_migrate, dies='2'), 'save active resize_finish',
            ('Domain R createXML', 'domain defineXML'),
            'domain createWithFlags', 'save resized None')

    def test_confirm(self):
        self.check(
            Operation(act('confirmResize'), _on_the_way),
            'migration save confirmed', 'save active None')

    def test_revert_at_the_destination(self):
        self.check(
            Operation(act('revertResize'), _on_the_way, dies='2'),
            'domain destroy', 'rpc finish_revert_resize')

    def test_revert_at_the_source(self):
        self.check(
            Operation(act('revertResize'), _on_the_way),
            'domain defineXML', 'save active None')


class EvacuationTest(MovesTestCase):

    def test_evacuation(self):
        self.check(
            Operation(_evacuate, _lost, dies='2', returns='1'),
            'save active rebuilding',
            ('Domain R createXML', 'domain defineXML'), 'domain defineXML')

    def test_evacuation_when_the_instance_runs(self):
        self.check_lost_to_nova(
            Operation(_evacuate, _lost, dies='2', returns='1'),
            'save active None')
