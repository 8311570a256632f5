# SPDX-License-Identifier: Apache-2.0

from oslotest import base

from nova_dmore.virt.network import key_mark

MARK = key_mark.of('a key')


class KeyMarkTest(base.BaseTestCase):

    def test_of(self):
        self.assertEqual(64, len(MARK.removeprefix(key_mark.PREFIX)))
        self.assertNotEqual(MARK, key_mark.of('another'))
        self.assertEqual(['', ''], [key_mark.of(''), key_mark.of(None)])

    def test_what_an_operator_wrote_stays(self):
        other = key_mark.of('another')
        for before, after in (
                (None, MARK), ('', MARK), (other, MARK), (MARK, MARK),
                ('ask Bob', f'ask Bob {MARK}'),
                (f'ask Bob {other}', f'ask Bob {MARK}'),
                ('b' * 250, 'b' * 250)):
            self.assertEqual(after, key_mark.description(before, MARK))
        self.assertEqual('ask Bob', key_mark.description(
            f'ask Bob {MARK}', ''))
