# SPDX-License-Identifier: Apache-2.0

import pathlib
from unittest import mock

from nova_dmore import exception
from nova_dmore.virt import cpus
from tests.unit.virt import fakes


class CpusTest(fakes.TestCase):

    def _of(self, own=None, shared=None, dedicated=None, online='0-7'):
        self.config.config(cpu_set=own, group='dmore')
        self.config.config(cpu_shared_set=shared, cpu_dedicated_set=dedicated,
                           group='compute')
        with mock.patch.object(pathlib.Path, 'read_text',
                               return_value=f'{online}\n'):
            return cpus.as_text(cpus.of_domain_r(self.conf))

    def test_any(self):
        self.assertIsNone(self._of())

    def test_those_that_instances_share(self):
        self.assertEqual('0-1', self._of(shared='0-1', dedicated='2-7'))

    def test_its_own(self):
        self.assertEqual('0-1,4', self._of('0-1,4', shared='2-3'))

    def test_what_dedicated_ones_leave(self):
        self.assertEqual('0,7', self._of(dedicated='1-6'))

    def _assert_refused(self, text, **sets):
        error = self.assertRaises(
            exception.ConfigurationError, self._of, **sets)
        self.assertIn(text, str(error))

    def test_never_a_dedicated_one(self):
        self._assert_refused('[dmore] cpu_set: 2 are in', own='1-2',
                             dedicated='2-7')

    def test_none_is_left(self):
        self._assert_refused('leaves no processor', dedicated='0-7')

    def test_not_a_set(self):
        self._assert_refused('[dmore] cpu_set: ', own='first')
