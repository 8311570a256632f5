# SPDX-License-Identifier: Apache-2.0
"""What Nova does to an instance on its host, and what becomes of its pair.

What is told here of a session: as long as its Domain R is the same, and its
process was started once, sessions do not notice anything.
"""

import time

import fixtures
from nova import context
from nova.tests.functional.api import client

from nova_dmore.gateway import index
from nova_dmore.virt.network import key_mark
from tests.functional import base
from tests.functional import operations
from tests.unit.gateway import fakes


class HostTest(operations.TestCase):

    def test_soft_reboot(self):
        with self.lives_on():
            self._reboot_server(self.server)

    def test_hard_reboot(self):
        with self.lives_on():
            self._reboot_server(self.server, hard=True)

    def test_stop_and_start(self):
        with self.lives_on():
            self._stop_server(self.server)
            self._start_server(self.server)

    def test_pause_and_unpause(self):
        with self.lives_on():
            self.act('pause', 'PAUSED')
            self.act('unpause', 'ACTIVE')

    def test_suspend_and_resume(self):
        with self.lives_on():
            self._suspend_server(self.server)
            self._resume_server(self.server)

    def test_rescue_and_unrescue(self):
        # Nova keeps the domain's XML meanwhile.
        self.useFixture(fixtures.MonkeyPatch(
            'nova.tests.fixtures.libvirt.Domain.XMLDesc',
            base.kept_xml))
        with self.lives_on():
            self._rescue_server(self.server)
            self.assert_pair(self.server)
            self._unrescue_server(self.server)

    def test_lock_and_unlock(self):
        with self.lives_on():
            self.act('lock')
            self.act('unlock')

    def test_snapshot(self):
        self._can_store()
        with self.lives_on():
            self._snapshot_server(self.server, 'copy')
            self._wait_for_server_parameter(self.server, {
                'OS-EXT-STS:task_state': None, 'status': 'ACTIVE'})

    def test_snapshot_of_one_that_is_off(self):
        self._can_store()
        with self.lives_on():
            self._stop_server(self.server)
            self._snapshot_server(self.server, 'copy')
            self._wait_for_server_parameter(self.server, {
                'OS-EXT-STS:task_state': None})
            self._start_server(self.server)

    def test_backup(self):
        self._can_store()
        with self.lives_on():
            self.act('createBackup', name='copy', backup_type='daily',
                     rotation=1)
            self._wait_for_server_parameter(self.server, {
                'OS-EXT-STS:task_state': None, 'status': 'ACTIVE'})

    def _can_store(self):
        """Nova stores a disk with programs."""
        stored = []

        def snapshot(*arguments):
            operations.snapshot(*arguments)
            stored.append(arguments)

        self.useFixture(fixtures.MonkeyPatch(
            'nova.virt.libvirt.driver.LibvirtDriver.snapshot', snapshot))
        self.addCleanup(lambda: self.assertEqual(1, len(stored)))

    def test_volume(self):
        volume = self.cinder.IMAGE_BACKED_VOL
        with self.lives_on():
            self.api.post_server_volume(self.server['id'], {
                'volumeAttachment': {'volumeId': volume}})
            self._wait_for_volume_attach(self.server['id'], volume)
            self.api.delete_server_volume(self.server['id'], volume)
            self._wait_for_volume_detach(self.server['id'], volume)

    def test_interface(self):
        self.useFixture(fixtures.MonkeyPatch(
            'nova.virt.libvirt.vif.LibvirtGenericVIFDriver.plug',
            lambda *_: None))
        port = self.neutron.create_port(
            {'port': self.neutron.port_2})['port']
        with self.lives_on():
            self._attach_interface(self.server, port['id'])
            self._detach_interface(self.server, port['id'])

    def test_console_log(self):
        with self.lives_on():
            self.assertEqual('', self.api.post_server_action(
                self.server['id'], {'os-getConsoleOutput': {}})['output'])

    def test_rebuild(self):
        # Nova destroys the instance, and spawns another one.
        with self.reattaches():
            self._rebuild_server(
                self.server, '155d900f-4e14-4e4c-a73d-069cbf4541e6')
        (record,) = self.driver('c1')._pairs.records.all()
        self.assertIsNone(record.evacuated_at)      # no host was lost

    def test_rebuild_with_another_key_pair_of_the_same_name(self):
        """The port tells which one Domain R lets in, by what Nova shows of
        it."""
        self.api.microversion = '2.54'
        for number in (1, 2):
            self.api.post_keypair({'keypair': {
                'name': 'mine', 'public_key': f'{fakes.key(number)} me'}})
            self.notifier.reset()
            self.api.post_server_action(self.server['id'], {'rebuild': {
                'imageRef': '155d900f-4e14-4e4c-a73d-069cbf4541e6',
                'key_name': 'mine'}})
            self.notifier.wait_for_versioned_notifications(
                'instance.rebuild.end')
            self._wait_for_state_change(self.server, 'ACTIVE')
            (shown,) = self.api.api_get('/os-keypairs').body['keypairs']
            text = shown['keypair']['public_key']
            self.assertIn(fakes.key(number), text)
            self.assertEqual(
                index.digest_of(text),
                self.assert_pair(self.server)['description'].removeprefix(
                    key_mark.PREFIX))
            self.api.delete_keypair('mine')

    def test_rebuild_with_an_image_that_opts_out_and_back(self):
        image = self.make_guest_image(dmore_domain_r='disabled')
        self._rebuild_server(self.server, image)
        self.assertEqual('tcp', self.serial(self.server)[0])
        self.assert_left()
        with self.reattaches():
            self._rebuild_server(
                self.server, '155d900f-4e14-4e4c-a73d-069cbf4541e6')

    def test_restart_of_nova_compute(self):
        with self.lives_on():
            self.restart_compute_service('c1')

    def test_reload_of_nova_compute(self):
        with self.lives_on():
            # As oslo.service does when it gets SIGHUP.
            self.computes['c1'].reset()
            self.driver()._options_changed(None, {})


class DeleteTest(operations.TestCase):

    def setUp(self):
        super().setUp()
        self.log_file = self.write_kernel_log(self.server)

    def assert_no_trace(self):
        self.assert_nothing_left()
        self.assertEqual(set(), self.shadow.folders)
        self.assertFalse(self.log_file.exists())

    def test_delete(self):
        self._delete_server(self.server)
        self.assert_no_trace()

    def test_delete_one_that_is_off(self):
        self._stop_server(self.server)
        self._delete_server(self.server)
        self.assert_no_trace()

    def test_delete_one_that_is_suspended(self):
        self._suspend_server(self.server)
        self._delete_server(self.server)
        self.assert_no_trace()

    def test_soft_delete_and_restore(self):
        self.flags(reclaim_instance_interval=3600)
        with self.lives_on():
            self.api.delete_server(self.server['id'])
            self._wait_for_state_change(self.server, 'SOFT_DELETED')
            self.act('restore', 'ACTIVE')

    def test_soft_delete_and_reclaim(self):
        self.flags(reclaim_instance_interval=1)
        self.api.delete_server(self.server['id'])
        self._wait_for_state_change(self.server, 'SOFT_DELETED')
        time.sleep(1.5)
        self.computes['c1'].manager._reclaim_queued_deletes(
            context.get_admin_context())
        self.assert_no_trace()

    def test_delete_while_shelved(self):
        self.flags(shelved_offload_time=0)
        self._shelve_server(self.server)
        self.assert_left()
        self._delete_server(self.server)
        # Nova asks no driver.
        self.driver()._watch._reconciler.sweep()
        self.assert_no_trace()

    def test_delete_while_nova_compute_is_away(self):
        self.computes['c1'].stop()
        self.driver()._watch.stop()
        self.admin_api.put_service_force_down(
            self.computes['c1'].service_ref.uuid, True)
        self._delete_server(self.server)
        self.restart_compute_service('c1')
        self.flags(running_deleted_instance_timeout=0)
        self.computes['c1'].manager._cleanup_running_deleted_instances(
            context.get_admin_context())
        self.assert_no_trace()

    def test_the_start_fails(self):
        self._delete_server(self.server)
        for name in ('defineXML', 'createXML'):
            with self.subTest(name):
                setattr(self.connection(), name, self._refuse)
                self.boot(expected_state='ERROR'
                          if name == 'defineXML' else 'ACTIVE')
                delattr(self.connection(), name)

    @staticmethod
    def _refuse(xml, flags=0):
        raise operations.base.fakelibvirt.make_libvirtError(
            operations.base.fakelibvirt.libvirtError, 'no', error_code=1)


class ShelveTest(operations.TestCase):

    def test_shelve_and_unshelve(self):
        self.flags(shelved_offload_time=-1)
        self._can_store()
        self._shelve_server(self.server, 'SHELVED')
        self._unshelve_server(self.server)
        self.assert_pair(self.server)

    def test_offload_and_unshelve(self):
        self.flags(shelved_offload_time=0)
        self._can_store()
        with self.reattaches():
            self._shelve_server(self.server)
            self.assert_left()
            self._unshelve_server(self.server)

    def _can_store(self):
        self.useFixture(fixtures.MonkeyPatch(
            'nova.virt.libvirt.driver.LibvirtDriver.snapshot',
            operations.snapshot))


class ResizeHereTest(operations.TestCase):
    """To another flavor on the same host."""

    def setUp(self):
        super().setUp()
        self.flags(allow_resize_to_same_host=True)
        # Nova reads which serial ports it has, and its fake tells of stock
        # consoles, whatever it was given.
        self.useFixture(fixtures.MonkeyPatch(
            'nova.tests.fixtures.libvirt.Domain.XMLDesc',
            base.kept_xml))
        # As it is there: nothing is copied.
        self.useFixture(fixtures.MonkeyPatch(
            'nova.virt.libvirt.driver.LibvirtDriver._cleanup_resize',
            lambda *_: None))
        self.larger = self._create_flavor(memory_mb=256)
        self.without = self._create_flavor(
            extra_spec={'dmore:domain_r': 'disabled'})

    def test_confirm(self):
        with self.lives_on():
            self._resize_server(self.server, self.larger)
            self._confirm_resize(self.server)

    def test_revert(self):
        with self.lives_on():
            self._resize_server(self.server, self.larger)
            self._revert_resize(self.server)

    def test_a_flavor_that_opts_out_reverted(self):
        with self.reattaches():
            self._resize_server(self.server, self.without)
            self.assertEqual('tcp', self.serial(self.server)[0])
            self.assert_left()
            self._revert_resize(self.server)

    def test_a_flavor_that_opts_out_confirmed(self):
        self._resize_server(self.server, self.without)
        self._confirm_resize(self.server)
        self.assert_no_pair(self.server)


class RefusedTest(operations.TestCase):

    def test_live_migration_to_where_it_is(self):
        with self.lives_on():
            self.assertRaises(
                client.OpenStackApiException, self.api.post_server_action,
                self.server['id'], {'os-migrateLive': {
                    'host': 'c1', 'block_migration': 'auto'}})
