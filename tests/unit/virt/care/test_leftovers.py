# SPDX-License-Identifier: Apache-2.0

from nova_dmore.cmd.manage import host
from nova_dmore.cmd.manage import output
from nova_dmore import exception
from nova_dmore.virt.care import leftovers
from nova_dmore.virt.checks import accelerator
from nova_dmore.virt.pair import domain_r
from tests.unit.virt import fake_host
from tests.unit.virt import fakes

OTHER_UUID = '7c3f0b1e-52c1-4d0b-9f44-1c2d3e4f5a6b'


def _clean(left):
    """What ``host clean`` says of each instance."""
    return [(row['instance_uuid'], row['outcome'])
            for row in host.cleaned(left).rows]


class LeftoversTest(fake_host.HostTestCase):

    def setUp(self):
        super().setUp()
        self.pairs.ensure(fakes.make_instance())
        self.left = leftovers.Leftovers(self.pairs, self.libvirt)

    def _assert_removed(self):
        self.assertEqual([(fakes.UUID, 'removed')], _clean(self.left))
        # But for the address, which the instance may have again.
        self.assertEqual([fakes.PORT], list(self.neutron.ports))
        self.neutron.ports.clear()
        self.libvirt.domains.pop('instance-00000001', None)
        self.assert_nothing_left()
        self.assertEqual([], _clean(self.left))

    def test_the_instance_has_left(self):
        self._assert_removed()

    def test_the_instance_was_started_anew(self):
        self.libvirt.add_instance(xml='<domain/>')
        self._assert_removed()

    def test_suspended_as_a_stock_instance(self):
        self.libvirt.add_instance().saved_xml = '<domain/>'
        self._assert_removed()

    def test_the_instance_uses_it(self):
        for saved in (None, fake_host.SHADOWED):
            self.libvirt.add_instance().saved_xml = saved
            ((_uuid, outcome),) = _clean(self.left)
            self.assertIn('used by its instance', outcome)
            self.assertEqual(output.Status.INCOMPLETE,
                             host.cleaned(self.left).status)
            self.assertEqual((True, True), self.pairs.is_alive(fakes.UUID))

    def test_shut_off_it_needs_none(self):
        domain = self.libvirt.add_instance()
        domain.isActive = lambda: 0
        self._assert_removed()

    def test_parts_without_a_record(self):
        self.pairs.records.forget(fakes.UUID)
        name = domain_r.name_of(OTHER_UUID)
        self.libvirt.domains[name] = fake_host.Domain(self.libvirt, name)
        self.assertEqual(sorted([fakes.UUID, OTHER_UUID]),
                         self.left.instances())
        self.assertEqual(2, len(_clean(self.left)))
        self.assertEqual({}, self.libvirt.domains)
        self.assertEqual(set(), self.shadow.alive)

    def test_the_guest_of_a_check_is_none(self):
        self.libvirt.domains[accelerator.NAME] = fake_host.Domain(
            self.libvirt, accelerator.NAME)
        self.assertEqual([fakes.UUID], self.left.instances())

    def test_one_that_cannot_be_removed(self):
        self.shadow.refuse['shutdown'] = exception.HostServiceError('no')
        ((_uuid, outcome),) = _clean(self.left)
        self.assertEqual('not removed: no', outcome)
        self.assertEqual(output.Status.INCOMPLETE,
                         host.cleaned(self.left).status)

    def test_the_host_service_is_away(self):
        self.shadow.service_away = True
        self.assertRaises(exception.HostServiceError, _clean, self.left)
