# SPDX-License-Identifier: Apache-2.0

import http.server
import json
import threading
import unittest
from unittest import mock

import openstack

# For the path that it sets.
from tests.unit import tools  # noqa: F401
from laboratory.cloud import api
from laboratory.progress import Failure

#: Of Nova's API. With an older one than the second it looks at both hosts
#: before it answers a request for a live migration.
_NEWEST, _AT_ONCE = '2.100', (2, 34)


class _Nova(http.server.BaseHTTPRequestHandler):
    """Tells its versions, and answers a request for an action."""

    status = 202
    asked: list[tuple[str, str, dict]] = []

    def do_GET(self) -> None:
        host = self.headers['Host']
        self._answer(200, {'version': {
            'id': 'v2.1', 'status': 'CURRENT', 'version': _NEWEST,
            'min_version': '2.1', 'links': [
                {'rel': 'self', 'href': f'http://{host}/v2.1/'}]}})

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers['Content-Length']))
        self.asked.append((self.path, self.headers['OpenStack-API-Version'],
                           json.loads(body)))
        self._answer(self.status, {})

    def _answer(self, status: int, body: object) -> None:
        data = json.dumps(body).encode()
        self.send_response(status)
        self.send_header('Content-Type', 'application/json')
        self.send_header('Content-Length', str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    def log_message(self, *_arguments: object) -> None:
        """Nothing is printed."""


class MigrationTest(unittest.TestCase):

    def setUp(self):
        super().setUp()

        class Nova(_Nova):
            asked = []

        self.nova = Nova
        server = http.server.ThreadingHTTPServer(('127.0.0.1', 0), Nova)
        self.addCleanup(server.server_close)
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        self.addCleanup(thread.join)
        self.addCleanup(server.shutdown)
        url = f'http://127.0.0.1:{server.server_port}/v2.1'
        sdk = openstack.connection.Connection(
            auth_type='none', auth={'endpoint': url},
            compute_endpoint_override=url)
        self.addCleanup(sdk.close)
        with mock.patch.object(openstack, 'connect', return_value=sdk):
            self.cloud = api.Cloud(mock.Mock())

    def test_nova_answers_at_once(self):
        self.cloud.ask_to_migrate('step', 'server', 'c2')
        (path, version, body), = self.nova.asked
        self.assertEqual('/v2.1/servers/server/action', path)
        kind, number = version.split()
        self.assertEqual('compute', kind)
        self.assertGreaterEqual(tuple(map(int, number.split('.'))), _AT_ONCE)
        self.assertEqual({'os-migrateLive': {
            'host': 'c2', 'block_migration': 'auto'}}, body)

    def test_nova_refuses(self):
        self.nova.status = 409
        with self.assertRaisesRegex(Failure, '^step: .*409'):
            self.cloud.ask_to_migrate('step', 'server', 'c2')
