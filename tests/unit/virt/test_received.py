# SPDX-License-Identifier: Apache-2.0

from nova_dmore.virt import received
from tests.unit.virt import fakes


class ReceivedTest(fakes.TestCase):

    def _good(self, check, values, *arguments):
        for value in values:
            self.assertEqual(value, check('thing', value, *arguments))

    def _bad(self, check, values, *arguments):
        for value in values:
            error = self.assertRaises(
                ValueError, check, 'thing', value, *arguments)
            self.assertIn('thing', str(error))
            self.assertLess(len(str(error)), 200)
            # It goes to a log.
            self.assertTrue(str(error).isprintable())
            self.assertTrue(str(error).isascii())

    def test_text(self):
        self._good(received.text, ['', 'x', 'x' * 9, '\u00e4\n'], 9)
        self._bad(received.text, ['x' * 10, b'x', None, 1, '\u009b\n' * 9], 9)

    def test_what_is_nested_too_deeply(self):
        deep = []
        for _ in range(20000):
            deep = [deep]
        self._bad(received.uuid, [deep, {'x': deep}])

    def test_uuid(self):
        self._good(received.uuid, [fakes.UUID])
        self._bad(received.uuid, [
            fakes.UUID.upper(), fakes.UUID[1:], f'{fakes.UUID}\n',
            f' {fakes.UUID}', f'urn:uuid:{fakes.UUID}', '\u0663' * 8 +
            fakes.UUID[8:], '../' * 12])

    def test_identifier(self):
        self._good(received.identifier, ['m1', fakes.UUID, 'x' * 64])
        self._bad(received.identifier, [
            '', '-x', '.', '..', 'a/b', 'x' * 65, 'a\x1b[2J', '\u00e4'])

    def test_digest(self):
        self._good(received.digest, ['', 'ab' * 32])
        self._bad(received.digest, ['ab' * 31, 'AB' * 32, None, 0, b''])

    def test_boolean(self):
        self._good(received.boolean, [True, False])
        self._bad(received.boolean, [0, 1, None, 'true'])

    def test_numbers(self):
        self._good(received.number, [0, 0.5, 1], 0, 1)
        self._bad(received.number, [
            -1, 2, True, float('nan'), float('inf'), '1', None, 10 ** 400],
            0, 1)
        self._good(received.integer, [0, 5], 0, 5)
        self._bad(received.integer, [-1, 6, 1.0, True, '1', None], 0, 5)

    def test_addresses(self):
        self._good(received.mac, ['fa:16:3e:00:00:01', 'FA:16:3E:00:00:01'])
        self._bad(received.mac, ['', 'fa163e000001', 'fa:16:3e:00:00:0g'])
        self._good(received.interface, ['10.0.0.5/24', 'fd00::5/64'])
        self._bad(received.interface, ['10.0.0.5', 'x/1', '10.0.0.5/x', 7])
        self._good(received.ip, ['10.0.0.5', 'fd00::5'])
        self._bad(received.ip, ['', 'x', '10.0.0.5/24', 'fe80::1%x', 7])
