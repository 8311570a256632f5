# SPDX-License-Identifier: Apache-2.0
"""What tests of operations on an instance share."""

import contextlib
import os

import fixtures
from nova.compute import task_states
from nova import conf

from tests.functional import base


CONF = conf.CONF


class TestCase(base.TestCase):
    """A server with a pair on c1."""

    def setUp(self):
        super().setUp()
        # Nova moves disks between hosts with programs.
        self.useFixture(fixtures.MonkeyPatch(
            'nova.virt.libvirt.driver.LibvirtDriver.'
            'migrate_disk_and_power_off', _power_off))
        # At the end of a resume.
        self.useFixture(fixtures.MonkeyPatch(
            'nova.virt.libvirt.guest.Guest.sync_guest_time',
            lambda guest: None))
        self.start()
        self.server = self.boot()
        self.port = self.assert_pair(self.server)
        # Nova leaves there what it needs to take back a rescue.
        os.makedirs(os.path.join(CONF.instances_path, self.server['id']),
                    exist_ok=True)

    def act(self, action, state=None, **arguments):
        """Have Nova do something with the server."""
        self.api.post_server_action(
            self.server['id'], {action: arguments or None})
        if state is not None:
            self._wait_for_state_change(self.server, state)

    @contextlib.contextmanager
    def lives_on(self, hostname='c1'):
        """No session notices what is done meanwhile."""
        domain = self.domain_r(self.server, hostname)
        self.assertIsNotNone(domain)
        self.shadow.log.clear()
        yield
        self.assertIs(domain, self.domain_r(self.server, hostname))
        self.assert_left_alone()
        self.assertEqual(self.port['id'], self.assert_pair(
            self.server, hostname)['id'])

    @contextlib.contextmanager
    def reattaches(self, before='c1', after='c1'):
        """Sessions end meanwhile, and there is a new console at the same
        address, and nothing left where it was."""
        domain = self.domain_r(self.server, before)
        yield
        self.assertIsNot(domain, self.domain_r(self.server, after))
        port = self.assert_pair(self.server, after)
        self.assertEqual(self.port['fixed_ips'], port['fixed_ips'])
        self.assertEqual(after, port['binding:host_id'])
        self.assertEqual(('10.0.0.5', 5900),
                         self.endpoint(self.make_token(self.server)))
        self.assertEqual({self.pair_directory(self.server, after)},
                         self.shadow.alive)
        if before != after:
            self.assert_left(before)

    def assert_left(self, hostname='c1'):
        """Nothing of the pair but its address is left of a host."""
        self.assertIsNone(self.domain_r(self.server, hostname))
        self.assertIsNone(
            self.driver(hostname)._pairs.get(self.server['id']))
        self.assertNotIn(self.pair_directory(self.server, hostname),
                         self.shadow.folders)


class TwoHostsTestCase(TestCase):
    """Nova moves it to c2."""

    def setUp(self):
        super().setUp()
        self.start('c2')
        # By which Nova tells whether a resize stays on its host.
        for number, hostname in enumerate(self.computes, 1):
            self.driver(hostname).get_host_ip_addr = (
                lambda address=f'192.0.2.{number}': address)

    def host_dies(self):
        """c1 is lost, for Nova."""
        service = self.computes['c1']
        service.stop()
        self.driver('c1')._watch.stop()
        self.admin_api.put_service_force_down(
            service.service_ref.uuid, True)

    def host_returns(self):
        """c1 was started again: no guest runs there, no process, and what
        was in /run is no more."""
        for domain in list(self.connection('c1')._vms.values()):
            domain.destroy()
        self.shadow.alive.discard(self.pair_directory(self.server, 'c1'))
        self.driver('c1')._pairs.records.forget(self.server['id'])
        self.shadow.folders.discard(self.pair_directory(self.server, 'c1'))
        self.flags(run_dir=self._path('run-c1'),
                   record_dir=self._path('records-c1'), group='dmore')
        self.restart_compute_service('c1')
        self.admin_api.put_service_force_down(
            self.computes['c1'].service_ref.uuid, False)


def snapshot(driver, context, instance, image_id, update_task_state):
    """In the place of Nova's, which stores a disk with programs."""
    update_task_state(task_state=task_states.IMAGE_PENDING_UPLOAD)
    update_task_state(task_state=task_states.IMAGE_UPLOADING,
                      expected_state=task_states.IMAGE_PENDING_UPLOAD)


def _power_off(driver, context, instance, dest, flavor, network_info,
               block_device_info=None, timeout=0, retry_interval=0):
    driver.power_off(instance, timeout, retry_interval)
    return '[]'
