# SPDX-License-Identifier: Apache-2.0

from nova_dmore.virt.migration import arrival
from tests.unit.virt import fakes


class ArrivalTest(fakes.TestCase):

    def test_there_and_back(self):
        for said in (arrival.Arrival(), arrival.Arrival('3', True),
                     arrival.Arrival('0-3,8,12-15', False)):
            self.assertEqual(said, arrival.from_wire(arrival.to_wire(said)))

    def test_of_another_release(self):
        self.assertEqual(arrival.Arrival(), arrival.from_wire({}))
        self.assertEqual(
            arrival.Arrival('1', True), arrival.from_wire(
                {'cpus': '1', 'wired': True, 'later': {'x': 1}}))

    def test_what_no_release_sends(self):
        for answer in (
                None, True, 3, [], '{}', {'wired': 1}, {'wired': None},
                *({'cpus': cpus} for cpus in (
                    '', '1-', '-1', '1,,2', ' 1', '1\n', '1"/><x a="', 'all',
                    '0-999999', '\u0661', 7, ['1'], ','.join(['1'] * 9999)))):
            self.assertRaises(ValueError, arrival.from_wire, answer)
