# SPDX-License-Identifier: Apache-2.0
"""Nova starts an instance, through the driver."""

from unittest import mock

import fixtures
from neutronclient.common import exceptions as neutron_exceptions
from nova.compute import task_states
from nova.compute import vm_states
from nova.console import serial as serial_console
from nova import exception as nova_exception
from nova.virt.libvirt import driver as libvirt_driver

from nova_dmore import exception
from nova_dmore.virt.pair import announcement
from tests.unit.virt import driver_case
from tests.unit.virt import fake_host
from tests.unit.virt import fakes

XML = driver_case.XML


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

    def test_with_its_host(self):
        """Nova has read it when nova-compute began: it is told of the pair
        by who reads it anew."""
        self.instance.task_state = None
        self._create()
        self.saved.assert_not_called()
        self.assertEqual({}, self.instance.system_metadata)
        self.assertEqual({fakes.UUID}, self.pairs.unnoted)

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

    def test_a_mediated_device_is_not_to_be_had_at_once(self):
        """Nova would start the instance once more, and so it keeps its
        pair; a pair that it had keeps its sessions."""
        busy = fake_host.libvirt_error(
            text='internal error: qemu unexpectedly closed the monitor: '
            'error getting device from group 0: Input/output error')
        for is_new in (True, False):
            self.create.reset_mock()
            self.create.side_effect = (busy, 'guest')
            self.assertEqual('guest', self.driver._create_guest(
                'context', XML, self.instance))
            for call in self.create.call_args_list:
                self.assertIn('/serial0"', call.args[2])
            self.assertEqual((True, True), self.pairs.is_alive(fakes.UUID))
        self.assertEqual(1, self.shadow.log.count('start'))
        # Nor is it started without the consoles of a pair that comes later.
        self.pairs.ensure = mock.Mock(
            side_effect=exception.NeutronAwayError('refused'))
        self.create.side_effect = (busy, 'guest')
        self.driver._create_guest('context', XML, self.instance)
        self.assertIn('/serial0"', self.create.call_args.args[2])
        self.pairs.report_stock.assert_not_called()

    def test_a_mediated_device_is_not_to_be_had(self):
        busy = fake_host.libvirt_error(
            text='error getting device from group 0: Input/output error')
        self.create.side_effect = busy
        self.assertIs(busy, self.assertRaises(
            type(busy), self.driver._create_guest, 'context', XML,
            self.instance))
        self.assert_nothing_left()

    def test_qemu_refuses_what_is_required(self):
        self.create.side_effect = self._refuse_pairs
        self.config.config(required=True, group='dmore')
        raised = self.assertRaises(
            nova_exception.BuildAbortException, self._create)
        self.assertIn('no such chardev', str(raised))
        self.assert_nothing_left()

    def test_what_is_required_keeps_no_tcp_port(self):
        """Nova would never release those of a domain that it has not."""
        self.config.config(required=True, group='dmore')
        self.addCleanup(serial_console.ALLOCATED_PORTS.clear)
        with_ports = XML.replace('<serial type="pty">', """
            <serial type="tcp"><source host="127.0.0.1" service="10001"/>
            <target port="1"/></serial><serial type="tcp">
            <source host="127.0.0.1" service="10000"/>""")
        self.create.side_effect = self._refuse_pairs
        for error in (exception.ImageError('no image'), None):
            self.images.current.side_effect = error
            serial_console.ALLOCATED_PORTS.update(
                {('127.0.0.1', 10000), ('127.0.0.1', 10001)})
            self.assertRaises(
                nova_exception.BuildAbortException, self.driver._create_guest,
                'context', with_ports, self.instance)
            self.assertEqual(set(), serial_console.ALLOCATED_PORTS)
        self.create.assert_called_once()

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
            neutron_exceptions.ConnectionFailed(reason='refused'))
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
            neutron_exceptions.ConnectionFailed(reason='refused'))
        self.shadow.refuse_start = exception.HostServiceError('no hostd')
        self.assertEqual(XML, self._create())
        self.assertEqual(set(), self.shadow.alive)

    def test_before_neutron_answers_and_qemu_refuses_it(self):
        self.neutron.client.list_ports.side_effect = (
            neutron_exceptions.ConnectionFailed(reason='refused'))
        self.create.side_effect = self._refuse_pairs
        self.assertEqual('guest', self.driver._create_guest(
            'context', XML, self.instance))
        self.assertEqual(XML, self.create.call_args.args[2])
        self.pairs.report_stock.assert_called_once_with(
            fakes.UUID, mock.ANY)

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

    def test_restoring_it_fails(self):
        """It is not deleted any more: its address is its own."""
        self.pairs.addresses.ensure(fakes.UUID, fakes.HOST)
        self.instance.vm_state = vm_states.SOFT_DELETED
        self.instance.task_state = task_states.RESTORING
        self.create.side_effect = libvirt_driver.libvirt.libvirtError('disk')
        self.assertRaises(libvirt_driver.libvirt.libvirtError, self._create)
        self.assertIsNone(self.pairs.get(fakes.UUID))
        self.assertEqual([fakes.PORT], list(self.neutron.ports))


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

    def test_opted_out_before_a_resize_that_is_reverted(self):
        """Its flavor stays what it is now; the port is of no use."""
        self.instance.flavor.extra_specs['dmore:domain_r'] = 'disabled'
        self.instance.old_flavor = self.instance.flavor
        self.instance.task_state = task_states.RESIZE_REVERTING
        for was_here in (True, False):
            if not was_here:
                self.pairs.addresses.ensure(fakes.UUID, fakes.OTHER_HOST)
            self.instance.system_metadata[announcement.NOTE] = 'ssh://x'
            self._create(XML)
            self.assertEqual({}, self.instance.system_metadata)
            self.assert_nothing_left()

    def test_switched_off_before_a_resize_is_reverted(self):
        """It may have a Domain R again, at the same address."""
        self.pairs.remove(fakes.UUID, delete_address=False)
        self.config.config(enabled=False, group='dmore')
        self.instance.task_state = task_states.RESIZE_REVERTING
        self._create(XML)
        self.assertEqual([fakes.PORT], list(self.neutron.ports))
