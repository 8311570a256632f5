# SPDX-License-Identifier: Apache-2.0

import os
import tempfile
from unittest import mock

from oslotest import base

from nova_dmore.virt.care import shutdown


class IsUnderWayTest(base.BaseTestCase):

    def answers(self, script):
        """What is made of a ``systemctl``, given as a shell script."""
        with tempfile.TemporaryDirectory() as folder:
            path = os.path.join(folder, 'systemctl')
            with open(path, 'w') as stream:
                stream.write(f'#!/bin/sh\n{script}\n')
            os.chmod(path, 0o755)
            with mock.patch.dict(os.environ,
                                 PATH=f'{folder}:{os.environ["PATH"]}'):
                return shutdown.is_under_way()

    def test_it_is(self):
        self.assertTrue(self.answers('echo stopping; exit 1'))

    def test_it_is_not(self):
        for state in ('running', 'degraded', 'starting', 'offline', ''):
            self.assertFalse(self.answers(f'echo {state}'))

    def test_nobody_can_be_asked(self):
        with mock.patch.dict(os.environ, PATH='/nonexistent'):
            self.assertFalse(shutdown.is_under_way())
        with mock.patch.object(shutdown, '_ANSWER_S', 0.1):
            self.assertFalse(self.answers('exec sleep 5'))
