# SPDX-License-Identifier: Apache-2.0
"""A worker that is confined does all that a worker does."""

import os
import tempfile

import fixtures
from oslotest import base

from nova_dmore import wire
from tests.unit import hostd_process
from tests.unit.worker import fakes

_WATCH_IMPORTS = """
import os
import sys


class Watch:

    @staticmethod
    def find_spec(name, path=None, target=None):
        if list(os.environ) == ['TZ']:
            os.write(2, f'imported when confined: {name}\\n'.encode())


if any('hostd' in each for each in sys.orig_argv):
    os.write(2, b'imports are watched\\n')
    sys.meta_path.insert(0, Watch)
"""


class TestLife(base.BaseTestCase):
    """A worker with all that it does: it has what it needs."""

    def setUp(self):
        super().setUp()
        temporary = tempfile.TemporaryDirectory(prefix='dmore')
        self.addCleanup(temporary.cleanup)
        with open(os.path.join(temporary.name, 'sitecustomize.py'),
                  'w') as file:
            file.write(_WATCH_IMPORTS)
        self.useFixture(fixtures.EnvironmentVariable('PYTHONPATH', ':'.join(
            [temporary.name, *filter(None, [os.environ.get('PYTHONPATH')])])))
        hostd = hostd_process.Hostd(temporary.name)
        hostd.start()
        self.addCleanup(hostd.end)
        self.pair = fakes.Pair(self, hostd)

    def test_no_import_and_no_end(self):
        client, wait_for = self.pair.client, fakes.wait_for
        client.configure({'ssh_port': 1})
        instance, domain_r = self.pair.instance(), self.pair.domain_r()
        self.pair.live()
        instance.prints(b'login: ')
        wait_for(lambda: domain_r.output == b'login: ')
        domain_r.types(b'root')
        domain_r.says({'type': wire.BREAK, 'stream': 'serial0_in', 'at': 4})
        self.assertEqual(b'root', instance.reads(4))
        domain_r.says({'type': wire.LOG, 'level': 'info',
                       'text': 'a\n\x1b\N{SNOWMAN}'})
        domain_r.says({'type': 'nonsense', 'text': [1]})
        with self.pair.hostd.service.open(self.pair.uuid) as sock:
            sock.settimeout(30)
            for line in (b'\xff\n', b'nonsense\n', b'{"id": 1}\n'):
                sock.sendall(line)
                self.assertIn(b'"error"', sock.recv(1000))
        client.arm('m', wire.Role.SOURCE)
        instance.prints(b'last')
        instance.leaves()
        self.assertTrue(client.frozen(5000).acknowledged)
        self.assertTrue(client.hand_over(5000))
        instance.resume()
        self.pair.live()
        domain_r.close()
        wait_for(lambda: client.status().state is wire.PairState.STARTING)
        self.assertEqual(1, client.status().worker_starts)
        text = self.pair.hostd.read_log()
        self.assertEqual(1, text.count('imports are watched'))
        self.assertNotIn('imported when confined', text)
        self.assertNotIn('Traceback', text)
        self.assertIn(r'a\n\x1b\u2603', text)
