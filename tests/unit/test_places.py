# SPDX-License-Identifier: Apache-2.0
"""Where the files of a pair lie."""

import os
import unittest

from nova_dmore import places
from nova_dmore import wire

UUID = '11111111-2222-3333-4444-555555555555'
#: As every release has it: a host finds the Domain R that another one made.
DOMAIN_R_UUID = '581e3c07-bb77-5800-8d60-39bf571e2f8a'


class PlacesTest(unittest.TestCase):

    def test_each_domain_has_its_own(self):
        where = places.of_pair(f'/run/x/{UUID}')
        self.assertEqual(f'/run/x/{UUID}', where.own)
        self.assertEqual(f'/run/x/libvirt-{UUID}', where.instance)
        self.assertEqual(f'/run/x/libvirt-{DOMAIN_R_UUID}', where.domain_r)

    def test_from_a_path_of_any_layout(self):
        where = places.of_pair(f'/run/x/{UUID}')
        for directory in (where.own, where.instance):
            self.assertEqual(where, places.of_instance_path(
                os.path.join(directory, wire.SERIAL0_PIPE)))
