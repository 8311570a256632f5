# Licensed under the Apache License, Version 2.0 (the "License"); you may
# not use this file except in compliance with the License. You may obtain
# a copy of the License at
#
#      http://www.apache.org/licenses/LICENSE-2.0
#
# Unless required by applicable law or agreed to in writing, software
# distributed under the License is distributed on an "AS IS" BASIS, WITHOUT
# WARRANTIES OR CONDITIONS OF ANY KIND, either express or implied. See the
# License for the specific language governing permissions and limitations
# under the License.

import asyncio
import json
import socket
import unittest
from unittest import mock

from nova_dmore.shadow import request_handler
from nova_dmore.shadow import requests
from nova_dmore import wire


class RequestsTest(unittest.IsolatedAsyncioTestCase):

    async def _answer(self, line, handle=None):
        async def default(method, params):
            return {}
        ours, peer = socket.socketpair()
        serving = asyncio.create_task(requests.serve(ours, handle or default))
        reader, writer = await asyncio.open_unix_connection(sock=peer)
        writer.write(line + b'\n')
        answer = json.loads(await asyncio.wait_for(reader.readline(), 5))
        writer.close()
        await serving
        return answer

    async def test_what_is_no_request(self):
        for line in (b'', b'[]', b'{', b'{"id":1,"method":"no"}', b'\xff',
                     b'{"id":1,"method":"status","params":3}',
                     b'[' * 50000):
            answer = await self._answer(line)
            self.assertIn('bad request', answer['error'])

    async def test_times_that_are_none(self):
        handler = request_handler.RequestHandler(mock.MagicMock())
        for timeout in ('-1', 'NaN', 'Infinity', '1e300', '1' + 400 * '0',
                        'true', '"1"', 'null'):
            for method in (wire.Request.LIVE, wire.Request.FROZEN,
                           wire.Request.HAND_OVER):
                answer = await self._answer(
                    f'{{"id":1,"method":"{method.value}",'
                    f'"params":{{"timeout_ms":{timeout}}}}}'.encode(),
                    handler.handle)
                self.assertIn('timeout_ms is not', answer['error'])
