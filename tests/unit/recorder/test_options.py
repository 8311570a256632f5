# SPDX-License-Identifier: Apache-2.0
"""The options of the recorder."""

import pathlib
import tempfile

from oslotest import base

from nova_dmore import exception
from nova_dmore.recorder import options
from nova_dmore.recorder import recorder


class OptionsTest(base.BaseTestCase):

    def _read(self, *lines):
        with tempfile.NamedTemporaryFile('w', suffix='.conf') as config:
            config.write('\n'.join(['[recorder]', *lines, '']))
            config.flush()
            return options.read(['--config-file', config.name])

    def test_units(self):
        self.assertEqual(
            recorder.Options('/r', pathlib.Path('/d'), 3 << 20, 172800.0),
            self._read('run_dir = /r', 'directory = /d', 'max_mib = 3',
                       'keep_days = 2'))

    def test_what_cannot_be(self):
        for line in ('max_mib = 0', 'keep_days = -1', 'max_mib = x'):
            self.assertRaises(exception.ConfigurationError, self._read, line)

    def test_generator_sees_every_option(self):
        ((group, found),) = options.list_opts()
        self.assertEqual('recorder', group.name)
        self.assertIs(options.OPTIONS, found)
