# SPDX-License-Identifier: Apache-2.0

import threading
from unittest import mock

import fixtures
from nova.console import type as console_type
from nova import exception as nova_exception
from nova.virt import event
from nova.virt.libvirt import driver as libvirt_driver
from nova.virt.libvirt import host as libvirt_host

from nova_dmore import exception
from nova_dmore.virt.care import watch
from nova_dmore.virt import consoles
from nova_dmore.virt.pair import announcement
from nova_dmore.virt.pair import domain_r
from tests.unit.virt import driver_case
from tests.unit.virt import fake_host
from tests.unit.virt import fakes

XML = driver_case.XML


class EventTest(driver_case.DriverTestCase):

    def setUp(self):
        super().setUp()
        self.emit = self.stock('emit_event')
        self.driver._watch = mock.create_autospec(
            watch.Watch, instance=True)
        self.pairs.ensure(self.instance)

    def test_of_a_domain_r(self):
        self.driver.emit_event(event.LifecycleEvent(
            domain_r.uuid_of(fakes.UUID), event.EVENT_LIFECYCLE_STOPPED))
        self.driver._watch.changed.assert_called_once_with(fakes.UUID)
        self.emit.assert_not_called()

    def test_of_others(self):
        for each in (event.LifecycleEvent(fakes.UUID,
                                          event.EVENT_LIFECYCLE_STOPPED),
                     event.Event()):
            self.driver.emit_event(each)
            self.emit.assert_called_with(self.driver, each)
        self.driver._watch.changed.assert_not_called()


class CreateTest(driver_case.DriverTestCase):
    """The instance comes first."""

    def setUp(self):
        super().setUp()
        self.create = self.stock('_create_guest', return_value='guest')
        self.pairs.report_stock = mock.Mock()

    def _create(self):
        guest = self.driver._create_guest(
            'context', XML, self.instance, power_on=False)
        self.assertEqual('guest', guest)
        (call,) = self.create.call_args_list
        self.assertEqual({'power_on': False, 'pause': False,
                          'post_xml_callback': None}, call.kwargs)
        return call.args[2]

    def _assert_stock(self):
        self.assertEqual(XML, self._create())
        self.assert_nothing_left()
        self.assertIn('stock consoles', self.log.output)
        self.pairs.report_stock.assert_called_once_with(
            fakes.UUID, mock.ANY)

    def test_with_a_pair(self):
        self.assertIn('/serial0"', self._create())
        self.pairs.report_stock.assert_not_called()
        self.assertIn(self.domr, self.libvirt.domains)
        self.assertIn(announcement.NOTE, self.instance.system_metadata)
        self.assertEqual({}, self.instance.metadata)

    def test_what_can_be_foreseen(self):
        self.images.current.side_effect = exception.ImageError('no image')
        self._assert_stock()
        self.assertIn('no image', self.log.output)
        self.assertNotIn('Traceback', self.log.output)

    def test_what_was_not_foreseen(self):
        self.images.current.side_effect = TypeError('a bug')
        self._assert_stock()
        self.assertIn('Traceback', self.log.output)

    def test_a_bug_before_the_pair_is_made(self):
        self.useFixture(fixtures.MockPatch(
            'nova_dmore.virt.pair.xml.with_shadow_devices',
            side_effect=KeyError('a bug')))
        self._assert_stock()

    def test_required(self):
        self.config.config(required=True, group='dmore')
        for error, text in ((exception.ImageError('no image'), 'no image'),
                            (TypeError('a bug'), 'a bug'),
                            (AssertionError(), 'AssertionError')):
            self.images.current.side_effect = error
            raised = self.assertRaises(
                nova_exception.BuildAbortException, self._create)
            self.assertIn(text, str(raised))
            self.assert_nothing_left()
        self.create.assert_not_called()

    def test_a_host_that_can_have_none(self):
        self.pairs.impossible = 'device not available: it'
        self.assertEqual(XML, self._create())
        self.assert_nothing_left()
        # It was said when nova-compute started.
        self.assertNotIn('device', self.log.output)
        self.pairs.report_stock.assert_called_once_with(
            fakes.UUID, 'device not available: it')

    def test_a_host_that_can_have_none_where_one_is_required(self):
        self.pairs.impossible = 'device not available: it'
        self.config.config(required=True, group='dmore')
        raised = self.assertRaises(
            nova_exception.BuildAbortException, self._create)
        self.assertIn('device not available: it', str(raised))
        self.assert_nothing_left()
        self.create.assert_not_called()

    def _refuse_pairs(self, *arguments, **keywords):
        if 'serial0' in arguments[2]:
            raise libvirt_driver.libvirt.libvirtError('no such chardev')
        return 'guest'

    def test_qemu_refuses_what_a_pair_needs(self):
        self.create.side_effect = self._refuse_pairs
        self.driver._create_guest('context', XML, self.instance)
        refused, started = [call.args[2]
                            for call in self.create.call_args_list]
        self.assertIn('/serial0"', refused)
        self.assertEqual(XML, started)
        self.assert_nothing_left()
        self.assertEqual({}, self.instance.metadata)
        self.assertIn('no such chardev', self.log.output)

    def test_qemu_refuses_what_is_required(self):
        self.create.side_effect = self._refuse_pairs
        self.config.config(required=True, group='dmore')
        raised = self.assertRaises(
            nova_exception.BuildAbortException, self._create)
        self.assertIn('no such chardev', str(raised))
        self.assert_nothing_left()

    def test_it_starts_in_neither_form(self):
        """The pair has nothing to do with that."""
        self._create()
        self.create.side_effect = error = (
            libvirt_driver.libvirt.libvirtError('no disk'))
        self.assertIs(error, self.assertRaises(
            libvirt_driver.libvirt.libvirtError,
            self.driver._create_guest, 'context', XML, self.instance))
        self.assertEqual((True, True), self.pairs.is_alive(fakes.UUID))
        self.assertIsNotNone(self.pairs.get(fakes.UUID))
        self.assertIn(announcement.NOTE, self.instance.system_metadata)
        self.pairs.report_stock.assert_not_called()
        self.assertNotIn('stock consoles', self.log.output)

    def test_before_neutron_answers(self):
        self.neutron.client.list_ports.side_effect = (
            fakes.neutron_exceptions.ConnectionFailed(reason='refused'))
        self.assertIn('/serial0"', self._create())
        # What it prints is taken, and nobody is told of a console.
        self.assertEqual({self.pairs.records.directory(fakes.UUID)},
                         self.shadow.alive)
        self.assertIsNone(self.pairs.get(fakes.UUID))
        self.assertEqual({}, self.instance.metadata)

    def test_before_what_is_required(self):
        self.config.config(required=True, group='dmore')
        for error in (exception.NeutronAwayError('refused'),
                      exception.GlanceAwayError('refused'),
                      exception.PlacementAwayError('refused')):
            self.pairs.ensure = mock.Mock(side_effect=error)
            # One that never had a pair does not start.
            self.instance.system_metadata.pop(announcement.NOTE, None)
            self.assertRaises(
                nova_exception.BuildAbortException, self._create)
            self.create.assert_not_called()
            self.assertEqual(set(), self.shadow.alive)
            # Nova may have destroyed one that had.
            self.instance.system_metadata[announcement.NOTE] = 'ssh://x'
            self.assertIn('/serial0"', self._create())
            self.assertIn(announcement.NOTE, self.instance.system_metadata)
            self.assertEqual({self.pairs.records.directory(fakes.UUID)},
                             self.shadow.alive)
            self.shadow.alive.clear()
            self.create.reset_mock()
        # It starts in no other form.
        self.shadow.refuse_start = exception.HostServiceError('no hostd')
        self.assertRaises(nova_exception.BuildAbortException, self._create)
        self.create.assert_not_called()

    def test_before_neutron_answers_and_there_is_no_host_service(self):
        self.neutron.client.list_ports.side_effect = (
            fakes.neutron_exceptions.ConnectionFailed(reason='refused'))
        self.shadow.refuse_start = exception.HostServiceError('no hostd')
        self.assertEqual(XML, self._create())
        self.assertEqual(set(), self.shadow.alive)

    def test_announcing_it_fails(self):
        self.saved.side_effect = RuntimeError('no conductor')
        self._create()
        self.assertIn(self.domr, self.libvirt.domains)

    def test_novas_error_passes_through(self):
        error = RuntimeError('no memory')
        self.create.side_effect = error
        # Also when the way back fails; then the watch tries again.
        for refuse, left in (({}, 0), ({'shutdown': TypeError('a bug')}, 1)):
            self.shadow.refuse = refuse
            self.assertIs(error, self.assertRaises(
                RuntimeError, self._create))
            self.create.reset_mock()
            self.assertEqual(left, len(self.pairs.records.all()))


class WithdrawTest(driver_case.DriverTestCase):
    """An instance that had a Domain R starts with the stock consoles."""

    def setUp(self):
        super().setUp()
        self.create = self.stock('_create_guest')
        self._create(XML)
        self.shadowed = self.create.call_args.args[2]
        self.create.reset_mock()
        self.images.current.side_effect = exception.ImageError('no image')
        self.images.ensure.side_effect = exception.ImageError('no image')
        self.libvirt.domains.clear()

    def _create(self, xml):
        self.driver._create_guest('context', xml, self.instance)

    def test_nothing_leads_to_domain_r(self):
        self.saved.reset_mock()
        self._create(XML)
        self.assertEqual(XML, self.create.call_args.args[2])
        self.assertEqual({}, self.instance.metadata)
        self.saved.assert_called_once_with(self.instance)
        self.assertIsNone(self.pairs.get(fakes.UUID))
        # It is still the instance's.
        self.assertEqual([fakes.PORT], list(self.neutron.ports))
        self.neutron.ports.clear()
        self.assert_nothing_left()

    def test_resumed(self):
        # It is as it was suspended, and its QEMU makes sockets there.
        for pair_is_gone in (False, True):
            if pair_is_gone:
                self.pairs.records.forget(fakes.UUID)
            self._create(self.shadowed)
            self.assertEqual(self.shadowed, self.create.call_args.args[2])
            self.assertEqual({self.pairs.records.directory(fakes.UUID)},
                             self.shadow.alive)

    def test_opted_out(self):
        self.instance.flavor.extra_specs['dmore:domain_r'] = 'disabled'
        self._create(XML)
        self.assertEqual(XML, self.create.call_args.args[2])
        self.assertEqual({}, self.instance.metadata)
        self.assert_nothing_left()

    def test_opted_out_by_a_resize(self):
        """Which may be reverted: then it has its address again."""
        self.instance.flavor.extra_specs['dmore:domain_r'] = 'disabled'
        self.instance.old_flavor = self.instance.flavor
        self.instance.system_metadata[announcement.NOTE] = 'ssh://x'
        self._create(XML)
        self.assertIsNone(self.pairs.get(fakes.UUID))
        self.assertEqual([fakes.PORT], list(self.neutron.ports))
        self.assertEqual({}, self.instance.system_metadata)


class ResumeTest(driver_case.DriverTestCase):
    """libvirt starts a suspended instance as it was saved."""

    def setUp(self):
        super().setUp()
        self.resume = self.stock('resume')
        self.cleanup = self.stock('_cleanup')
        self.create = self.stock('_create_guest')
        self.domain = self.libvirt.add_instance(xml=XML)

    def _resume(self):
        self.driver.resume('context', self.instance, 'networks')
        self.resume.assert_called_once_with(
            self.driver, 'context', self.instance, 'networks', None, None)

    def _fail(self, *arguments):
        # As Nova does.
        self.driver._cleanup('context', self.instance, 'networks')
        raise RuntimeError('no memory')

    def test_it_stays_suspended(self):
        self.domain.saved_xml = fake_host.SHADOWED
        self.resume.side_effect = self._fail
        raised = self.assertRaises(
            nova_exception.InstanceFaultRollback, self._resume)
        self.assertEqual('no memory', str(raised.inner_exception))
        self.cleanup.assert_not_called()
        # Until the next time.
        self.resume.side_effect = None
        self.resume.reset_mock()
        self._resume()
        self.driver._cleanup('context', self.instance, 'networks')
        self.cleanup.assert_called_once()

    def test_it_is_deleted_meanwhile(self):
        """Nova resumes it without a lock."""
        self.domain.saved_xml = fake_host.SHADOWED

        def resume(*arguments):
            deletes = threading.Thread(
                target=self.driver._cleanup,
                args=('context', self.instance, 'networks'))
            deletes.start()
            deletes.join()
        self.resume.side_effect = resume
        self._resume()
        self.cleanup.assert_called_once()

    def test_it_runs_and_nova_fails_later(self):
        self.domain.saved_xml = fake_host.SHADOWED

        def fail(*arguments):
            self.domain.saved_xml = None
            raise RuntimeError('no PCI device')
        self.resume.side_effect = fail
        self.assertRaises(RuntimeError, self._resume)

    def test_without_a_pair_it_is_novas_matter(self):
        for saved in (None, XML):
            self.domain.saved_xml = saved
            self.resume.side_effect = self._fail
            self.assertRaises(RuntimeError, self._resume)
        self.assertEqual(2, self.cleanup.call_count)

    def test_suspended_with_the_stock_consoles(self):
        self.domain.saved_xml = XML
        released = self.useFixture(fixtures.MockPatch(
            'nova.console.serial.release_port')).mock
        self.driver._create_guest('context', XML, self.instance)
        self.assertEqual(XML, self.create.call_args.args[2])
        self.assertEqual([], self.pairs.records.all())
        self.assertEqual(set(), self.shadow.alive)
        # QEMU has them.
        released.assert_not_called()

    def test_suspended_with_a_pair_of_which_nothing_is_left(self):
        self.domain.saved_xml = fake_host.SHADOWED
        self.driver._create_guest('context', XML, self.instance)
        self.assertEqual((True, True), self.pairs.is_alive(fakes.UUID))

    def test_qemu_does_not_start(self):
        # In no other form either, so the pair is not taken from it.
        self.domain.saved_xml = fake_host.SHADOWED
        self.pairs.ensure(self.instance)
        self.create.side_effect = libvirt_driver.libvirt.libvirtError('no')
        self.assertRaises(libvirt_driver.libvirt.libvirtError,
                          self.driver._create_guest, 'context', XML,
                          self.instance)
        self.assertEqual((True, True), self.pairs.is_alive(fakes.UUID))

    def test_the_image_cannot_be_looked_at(self):
        self.domain.hasManagedSaveImage = mock.Mock(
            side_effect=fake_host.libvirt_error())
        self._resume()


class ConsoleTest(driver_case.DriverTestCase):
    """Where the console proxies are sent."""

    def setUp(self):
        super().setUp()
        self.driver._host = mock.create_autospec(
            libvirt_host.Host, instance=True)
        self.driver._host.get_connection.return_value = self.libvirt
        self.vnc = self.stock('get_vnc_console', return_value='vnc')
        self.serial = self.stock('get_serial_console', return_value='serial')

    def _consoles(self):
        return [get('context', self.instance)
                for get in (self.driver.get_vnc_console,
                            self.driver.get_serial_console)]

    def _assert_stock(self, *kinds):
        found = self._consoles()
        for kind in kinds:
            self.assertIn(kind, found)
            getattr(self, kind).assert_called_once_with(
                self.driver, 'context', self.instance)

    def test_domain_r(self):
        self.pairs.ensure(self.instance, display=True)
        self.config.config(vnc_port=5911, serial_port=7000, group='dmore')
        vnc, serial = self._consoles()
        self.assertIs(console_type.ConsoleVNC, type(vnc))
        self.assertEqual(('10.0.0.5', 5911), (vnc.host, vnc.port))
        self.assertIs(console_type.ConsoleSerial, type(serial))
        self.assertEqual(('10.0.0.5', 7000), (serial.host, serial.port))
        self.vnc.assert_not_called()
        self.serial.assert_not_called()

    def test_no_pair(self):
        self._assert_stock('vnc', 'serial')

    def test_it_was_started_while_it_could_have_no_pair(self):
        self.pairs.ensure(self.instance, display=True)
        self.libvirt.add_instance(xml=driver_case.XML)
        self._assert_stock('vnc', 'serial')

    def test_no_display(self):
        self.pairs.ensure(self.instance, display=False)
        self._assert_stock('vnc')
        self.serial.assert_not_called()

    def test_its_domain_r_cannot_be_had(self):
        self.pairs.ensure(self.instance, display=True)
        self.pairs.trouble[fakes.UUID] = consoles.why(
            exception.AddressError('port x cannot be bound on host c1'))
        for get in (self.driver.get_vnc_console,
                    self.driver.get_serial_console):
            error = self.assertRaises(
                nova_exception.ConsoleTypeUnavailable, get, 'context',
                self.instance)
            self.assertIn('has no network now', str(error))
            self.assertNotIn('c1', str(error))

    def test_no_guest(self):
        # It is being started anew.
        self.pairs.ensure(self.instance, display=True)
        self.driver._host.get_guest.side_effect = (
            nova_exception.InstanceNotFound(instance_id=fakes.UUID))
        for get in (self.driver.get_vnc_console,
                    self.driver.get_serial_console):
            self.assertRaises(nova_exception.InstanceNotFound, get,
                              'context', self.instance)
