# SPDX-License-Identifier: Apache-2.0
"""What a program says of its configuration file."""

import pathlib
import tempfile
from unittest import mock

from oslo_config import cfg
from oslotest import base

from nova_dmore import conf_file
from nova_dmore import exception

_GROUP = cfg.OptGroup('pen')
_OPTIONS = [
    cfg.Opt('drawer', type=conf_file.AbsolutePath(), default='/drawer'),
    cfg.Opt('box', type=conf_file.AbsolutePath(may_be_empty=True),
            default='/box'),
    cfg.PortOpt('port', default=22, min=1)]


class ReadTest(base.BaseTestCase):

    def setUp(self):
        super().setUp()
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.path = pathlib.Path(folder.name, 'pen.conf')

    def _read(self, *lines):
        self.path.write_text('\n'.join(('[pen]', *lines, '')))
        return self._read_file()

    def _read_file(self):
        return conf_file.read(_GROUP, _OPTIONS,
                              ['--config-file', str(self.path)])

    def _error(self, function, *arguments):
        return str(self.assertRaises(exception.ConfigurationError, function,
                                     *arguments))

    def test_values(self):
        self.assertEqual(
            {'drawer': '/d', 'box': '', 'port': 22},
            vars(self._read('drawer = /d', 'box =')))

    def test_a_value_that_cannot_be(self):
        for line, why in (
                ('port = 99999', 'Should be less than or equal to 65535'),
                ('drawer =', "'' is no absolute path"),
                ('drawer = here', "'here' is no absolute path"),
                ('box = ./here', "'./here' is no absolute path")):
            self.assertEqual(
                f'[pen] {line.split(" =")[0]}: {why} (in {self.path})',
                self._error(self._read, line))

    def test_a_file_that_is_none_of_configuration(self):
        self.assertIn(str(self.path), self._error(self._read_file))
        self.path.write_bytes(b'[pen]\nport = \xff\n')
        self.assertIn(f'{self.path} is no file of configuration',
                      self._error(self._read_file))
        # What it does for any user but root.
        with mock.patch('oslo_config.cfg.open', create=True,
                        side_effect=PermissionError(13, 'no')):
            self.assertRegex(self._error(self._read_file),
                             f'{self.path}; run it as a user who may read')
        self.path.write_text('a word\n')
        self.assertIn(str(self.path), self._error(self._read_file))
        self.path.unlink()
        self.path.mkdir()
        self.assertIn(str(self.path), self._error(self._read_file))
