# SPDX-License-Identifier: Apache-2.0

import threading
from unittest import mock

import fixtures
from lxml import etree

from nova_dmore import exception
from nova_dmore.virt.network import key_mark
from nova_dmore.virt.pair import announcement
from nova_dmore.virt.pair import domain_r
from tests.unit.virt import fake_host
from tests.unit.virt import fakes

OTHER_UUID = '9b0b0c52-59c1-4b0e-8f58-0a5a4c3d2b10'


class EnsureTest(fake_host.HostTestCase):

    def _ensure(self, **changes):
        return self.pairs.ensure(fakes.make_instance(**changes))

    def test_made(self):
        record = self._ensure()
        self.assertEqual('10.0.0.5', record.address.ip)
        self.assertEqual(fakes.DIGEST, record.digest)
        self.assertEqual(record, self.pairs.get(fakes.UUID))
        self.assertIn(self.domr, self.libvirt.domains)
        self.assertEqual({fakes.PORT}, self.vif_driver.plugged)
        self.assertEqual((True, True), self.pairs.is_alive(fakes.UUID))
        self.assertEqual(['start', 'configure'], self.shadow.log)

    def test_domain(self):
        self._ensure()
        root = etree.fromstring(self.libvirt.domains[self.domr].xml)
        self.assertEqual('96', root.findtext('memory'))
        self.assertEqual(domain_r.uuid_of(fakes.UUID), root.findtext('uuid'))
        self.assertEqual(f'/images/{fakes.DIGEST}/vmlinuz',
                         root.findtext('os/kernel'))
        self.assertEqual('fa:16:3e:00:00:01',
                         root.find('devices/interface/mac').get('address'))

    def test_memory_as_configured(self):
        self.config.config(memory_mib=128, group='dmore')
        self._ensure()
        root = etree.fromstring(self.libvirt.domains[self.domr].xml)
        self.assertEqual('128', root.findtext('memory'))

    def test_a_living_pair_is_left_alone(self):
        record = self._ensure()
        domain = self.libvirt.domains[self.domr]
        self.shadow.log.clear()
        self.assertEqual(record, self._ensure())
        self.assertEqual([], self.shadow.log)
        self.assertIs(domain, self.libvirt.domains[self.domr])
        self.assertEqual(1, len(self.neutron.ports))

    def test_the_port_tells_which_key_it_lets_in(self):
        self._ensure(key_data='a key')
        (port,) = self.neutron.ports.values()
        self.assertEqual(key_mark.of('a key'), port['description'])
        # As for a rebuild.
        self.pairs.remove(fakes.UUID, delete_address=False)
        self._ensure(key_data='another')
        (port,) = self.neutron.ports.values()
        self.assertEqual(key_mark.of('another'), port['description'])
        # And where somebody has deleted the port.
        self.neutron.ports.clear()
        self.pairs.replace_port(fakes.UUID)
        (port,) = self.neutron.ports.values()
        self.assertEqual(key_mark.of('another'), port['description'])

    def test_after_a_restart_of_nova_compute(self):
        record = self._ensure()
        self.shadow.log.clear()
        self.pairs = self.make_pairs()
        self.assertEqual(record, self.pairs.get(fakes.UUID))
        self.assertEqual(record, self._ensure())
        self.assertEqual([], self.shadow.log)
        self.assertTrue(self.pairs.is_domain_r(
            domain_r.uuid_of(fakes.UUID)))

    def test_after_a_reboot_of_the_host_the_address_is_the_same(self):
        record = self._ensure()
        self.pairs.records.forget(fakes.UUID)
        self.shadow.kill(fakes.UUID)
        self.libvirt.domains.clear()
        self.pairs = self.make_pairs()
        self.assertEqual(record, self._ensure())
        self.assertEqual(1, len(self.neutron.ports))

    def test_a_subnet_was_added(self):
        """Those who know the address find it there, wherever the instance
        starts next."""
        record = self._ensure()
        self.neutron.add_subnet()
        self.pairs.remove(fakes.UUID, delete_address=False)
        self.assertEqual(record, self._ensure(system_metadata={
            announcement.NOTE: 'ssh://console@10.0.0.5:22'}))

    def test_a_process_of_an_earlier_release(self):
        # Its instance starts now, and is to find what this release makes.
        self._ensure()
        self.shadow.log.clear()
        self.shadow.earlier.update(self.shadow.alive)
        self._ensure()
        self.assertEqual(['shutdown', 'start'], [
            each for each in self.shadow.log if each in ('shutdown', 'start')])
        self.shadow.log.clear()
        self._ensure()
        self.assertNotIn('start', self.shadow.log)


class TokenTest(fake_host.HostTestCase):
    """A token does not outlive the address that it names."""

    def setUp(self):
        super().setUp()
        self.instance = fakes.make_instance()
        # What there was of the pair when the tokens were forgotten.
        self.seen = []
        self.forget_tokens.side_effect = lambda uuid: self.seen.append(
            (uuid, bool(self.neutron.ports), self.pairs.get(uuid)))

    def test_made(self):
        self.pairs.ensure(self.instance, display=True)
        self.assertEqual([(fakes.UUID, False, None)], self.seen)
        self.assertTrue(self.pairs.get(fakes.UUID).display)

    def test_kept(self):
        self.pairs.ensure(self.instance, display=True)
        self.seen.clear()
        self.pairs.ensure(self.instance, display=True)
        self.libvirt.domains.clear()
        self.pairs.ensure(self.instance, display=True)
        self.pairs.remove(fakes.UUID, delete_address=False)
        self.assertEqual([], self.seen)

    def test_made_on_an_address_that_was_there(self):
        self.pairs.ensure(self.instance, display=True)
        self.pairs.remove(fakes.UUID, delete_address=False)
        self.seen.clear()
        # Meanwhile it may have had the stock consoles.
        self.pairs.ensure(self.instance, display=True)
        self.assertEqual([(fakes.UUID, True, None)], self.seen)

    def test_it_gets_a_display(self):
        record = self.pairs.ensure(self.instance)
        self.seen.clear()
        self.assertFalse(record.display)
        # As of an earlier version; its token names the stock console.
        self.assertTrue(self.pairs.ensure(
            self.instance, display=True).display)
        self.assertEqual([(fakes.UUID, True, record)], self.seen)
        self.assertTrue(self.pairs.get(fakes.UUID).display)

    def test_removed(self):
        self.pairs.ensure(self.instance, display=True)
        self.seen.clear()
        self.pairs.remove(fakes.UUID, delete_address=True)
        # Nobody can make a new one, and the address is not free yet.
        self.assertEqual([(fakes.UUID, True, None)], self.seen)

    def test_removed_but_not_forgotten(self):
        self.pairs.ensure(self.instance, display=True)
        self.forget_tokens.side_effect = exception.PairError('no conductor')
        self.assertRaises(exception.PairError, self.pairs.remove,
                          fakes.UUID, delete_address=True)
        self.assertEqual([fakes.PORT], list(self.neutron.ports))
        self.neutron.ports.clear()
        self.assert_nothing_left()


class RebuildTest(fake_host.HostTestCase):

    def setUp(self):
        super().setUp()
        self.record = self.pairs.ensure(fakes.make_instance())
        self.domain = self.libvirt.domains[self.domr]
        self.shadow.log.clear()

    def test_nothing_to_do(self):
        self.assertFalse(self.pairs.rebuild(fakes.UUID))
        self.assertFalse(self.pairs.rebuild(OTHER_UUID))
        self.assertEqual([], self.shadow.log)

    def test_domain_r_died(self):
        self.domain.destroy()
        self.assertTrue(self.pairs.rebuild(fakes.UUID))
        self.assertIn(self.domr, self.libvirt.domains)
        # The process that lives keeps what the instance printed.
        self.assertEqual(['configure'], self.shadow.log)
        self.assertEqual(self.record, self.pairs.get(fakes.UUID))

    def test_the_process_died(self):
        self.shadow.kill(fakes.UUID)
        self.assertTrue(self.pairs.rebuild(fakes.UUID))
        self.assertEqual(['start', 'configure'], self.shadow.log)
        # Domain R cannot be connected to another process.
        self.assertIsNot(self.domain, self.libvirt.domains[self.domr])
        self.assertEqual((True, True), self.pairs.is_alive(fakes.UUID))

    def test_the_image_is_fetched_if_it_is_missing(self):
        self.domain.destroy()
        self.pairs.rebuild(fakes.UUID)
        self.images.ensure.assert_called_once_with(fakes.DIGEST)

    def test_the_image_is_no_longer_to_be_had(self):
        self.domain.destroy()
        self.images.ensure.side_effect = exception.ImageError('[dmore] image')
        self.images.current.return_value = 'cd' * 32
        self.assertTrue(self.pairs.rebuild(fakes.UUID))
        self.assertEqual('cd' * 32, self.pairs.get(fakes.UUID).digest)
        self.assertIn(f'/images/{"cd" * 32}/vmlinuz',
                      self.libvirt.domains[self.domr].xml)

    def test_there_is_no_image_at_all(self):
        self.domain.destroy()
        self.images.ensure.side_effect = exception.ImageError('another')
        self.images.current.side_effect = exception.ImageError('none')
        self.assertRaises(exception.ImageError, self.pairs.rebuild,
                          fakes.UUID)
        self.assertEqual(self.record, self.pairs.get(fakes.UUID))

    def test_it_fails_and_is_tried_again(self):
        self.domain.destroy()
        self.libvirt.refuse = fake_host.libvirt_error()
        self.assertRaises(exception.PairError, self.pairs.rebuild, fakes.UUID)
        self.assertEqual(self.record, self.pairs.get(fakes.UUID))
        self.assertEqual(1, len(self.neutron.ports))
        self.assertEqual((True, False), self.pairs.is_alive(fakes.UUID))
        self.libvirt.refuse = None
        self.assertTrue(self.pairs.rebuild(fakes.UUID))
        self.assertEqual((True, True), self.pairs.is_alive(fakes.UUID))

    def test_waits_for_another_thread(self):
        entered, done = threading.Event(), threading.Event()

        def rebuild():
            entered.set()
            self.pairs.rebuild(fakes.UUID)
            done.set()

        self.domain.destroy()
        with self.pairs.locked(fakes.UUID):
            thread = threading.Thread(target=rebuild)
            thread.start()
            fake_host.wait(entered)
            self.assertFalse(done.wait(0.05))
            self.assertEqual({}, self.libvirt.domains)
        fake_host.wait(done)
        thread.join()
        self.assertIn(self.domr, self.libvirt.domains)


class RemoveTest(fake_host.HostTestCase):

    def setUp(self):
        super().setUp()
        self.pairs.ensure(fakes.make_instance())

    def _remove_while_it_is_changed(self, delete_address):
        """What is asked of a thread while another one has the lock; that
        thread, and an event when it is done."""
        done = threading.Event()

        def remove():
            self.pairs.remove(fakes.UUID, delete_address=delete_address)
            done.set()

        thread = threading.Thread(target=remove)
        thread.start()
        self.addCleanup(thread.join)
        return done

    def test_a_deletion_does_not_wait(self):
        changes = []
        self.pairs.on_change = changes.append
        with self.pairs.locked(fakes.UUID):
            with self.pairs.locked(fakes.UUID):
                fake_host.wait(self._remove_while_it_is_changed(True))
            self.assertIn(self.domr, self.libvirt.domains)
            self.assertEqual([], changes)
        self.assert_nothing_left()
        self.assertEqual([fakes.UUID], changes)

    def test_a_deletion_that_was_left_to_another_thread_fails(self):
        log = self.useFixture(fixtures.FakeLogger())
        self.shadow.refuse['shutdown'] = exception.HostServiceError('no')
        with self.pairs.locked(fakes.UUID):
            fake_host.wait(self._remove_while_it_is_changed(True))
        self.assertIn('Left over of a pair', log.output)
        # So the watch tries again.
        self.assertIsNotNone(self.pairs.get(fakes.UUID))
        del self.shadow.refuse['shutdown']
        self.pairs.remove(fakes.UUID, delete_address=True)
        self.assert_nothing_left()

    def test_whoever_needs_the_address_again_waits(self):
        with self.pairs.locked(fakes.UUID):
            done = self._remove_while_it_is_changed(False)
            self.assertFalse(done.wait(0.05))
            self.assertIn(self.domr, self.libvirt.domains)
        fake_host.wait(done)
        self.assertEqual({}, self.libvirt.domains)
        self.assertEqual([fakes.PORT], list(self.neutron.ports))

    def test_everything(self):
        self.pairs.remove(fakes.UUID, delete_address=True)
        self.assert_nothing_left()

    def test_the_address_moved_on(self):
        self.pairs.remove(fakes.UUID, delete_address=False)
        self.assertEqual([fakes.PORT], list(self.neutron.ports))
        self.neutron.ports.clear()
        self.assert_nothing_left()

    def test_twice(self):
        self.pairs.remove(fakes.UUID, delete_address=True)
        self.pairs.remove(fakes.UUID, delete_address=True)
        self.assert_nothing_left()

    def test_dead_already(self):
        self.shadow.kill(fakes.UUID)
        self.libvirt.domains.clear()
        self.pairs.remove(fakes.UUID, delete_address=True)
        self.assert_nothing_left()

    def test_a_step_that_fails_stops_no_other(self):
        self.shadow.refuse['shutdown'] = exception.HostServiceError('no')
        self.assertRaises(
            exception.HostServiceError, self.pairs.remove, fakes.UUID,
            delete_address=True)
        # The address is not another instance's while something may use it.
        self.assertEqual([fakes.PORT], list(self.neutron.ports))
        self.assertNotIn(self.domr, self.libvirt.domains)
        self.shadow.refuse.clear()
        self.pairs.remove(fakes.UUID, delete_address=True)
        self.assert_nothing_left()

    def test_a_process_that_does_not_listen(self):
        self.shadow.refuse['shutdown'] = exception.ShadowAnswerError('no')
        self.pairs.remove(fakes.UUID, delete_address=True)
        self.assertIn('end', self.shadow.log)
        self.assert_nothing_left()

    def test_libvirt_refuses(self):
        domain = self.libvirt.domains[self.domr]
        domain.destroy = mock.Mock(
            side_effect=fake_host.libvirt_error(text='busy'))
        error = self.assertRaises(
            exception.PairError, self.pairs.remove, fakes.UUID,
            delete_address=True)
        self.assertIn('busy', str(error))
        self.assertIsNotNone(self.pairs.get(fakes.UUID))
        self.libvirt.domains.clear()
        self.pairs.remove(fakes.UUID, delete_address=True)
        self.assert_nothing_left()
