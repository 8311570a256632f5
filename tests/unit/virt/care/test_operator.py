# SPDX-License-Identifier: Apache-2.0

from nova_dmore import exception
from nova_dmore.virt.care import operator
from tests.unit.virt.care import test_domain_r_renewal
from tests.unit.virt import fakes


class OperatorRoleTest(test_domain_r_renewal.RenewalsTestCase):

    def setUp(self):
        super().setUp()
        self.role = operator.OperatorRole(
            self.conf, self.pairs, self.renewals)

    def test_pairs_among(self):
        self.assertEqual([fakes.UUID], self.role.pairs_among(
            [test_domain_r_renewal.OTHER_UUID, fakes.UUID]))
        # A part of one is one.
        self.pairs.records.forget(fakes.UUID)
        self.assertEqual([fakes.UUID], self.role.pairs_among([fakes.UUID]))
        self.shadow.kill(fakes.UUID)
        self.assertEqual([fakes.UUID], self.role.pairs_among([fakes.UUID]))
        self.libvirt.domains.clear()
        self.assertEqual([], self.role.pairs_among([fakes.UUID]))

    def test_what_a_later_release_asks(self):
        self.assertRaises(exception.PairError, self.role.renew, None,
                          'at-full-moon')

    def test_the_rest_is_done_by_others(self):
        (row,) = self.role.renew([fakes.UUID], 'migration')
        self.assertEqual('migration', row['when'])
        self.assertEqual([row], self.role.renewals())
        self.assertEqual(test_domain_r_renewal.NEWER,
                         self.role.describe()['image'])
