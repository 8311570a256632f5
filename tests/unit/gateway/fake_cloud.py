# SPDX-License-Identifier: Apache-2.0
"""Keystone, Nova and Neutron, as the gateway sees them: over HTTP.

Also a program: it serves what a file says, and reads it anew each time.
"""

import http.server
import json
import pathlib
import sys
import threading
import urllib.parse
from collections.abc import Callable

TOKEN = 'a-token'
PASSWORD = 'the-password'
NETWORK = '11111111-1111-4111-8111-111111111111'
#: So many are on a page, whatever is asked for, if the state has no other.
PAGE = 2


def state():
    """What there is: nothing but the management network.

    Key pairs are by user and name. With ``too_large`` a list of all instances
    takes too long.
    """
    return {'networks': [{'id': NETWORK, 'name': 'consoles'}], 'ports': [],
            'servers': [], 'keypairs': {}, 'down': False,
            'too_large': False}


def server(uuid, user, key_name, **others):
    return {'id': uuid, 'user_id': user, 'key_name': key_name,
            'status': 'ACTIVE', 'metadata': {}, 'name': 'x', **others}


def port(uuid, address, network=NETWORK, project='p'):
    return {'id': f'port-{uuid}', 'network_id': network,
            'project_id': project,
            'device_owner': 'compute:dmore', 'device_id': f'domr-{uuid}',
            'fixed_ips': [{'ip_address': address}]}


class FakeCloud:
    """Answers until it is closed.

    :param read: gives what there is
    :ivar url: of Keystone
    :ivar requests: path, query and micro-version of each to another service
    """

    def __init__(self, read: Callable[[], dict], where=('127.0.0.1', 0)):
        self.read, self.requests = read, []
        cloud = self

        class Handler(http.server.BaseHTTPRequestHandler):

            def do_GET(self):
                cloud.answer(self, None)

            def do_POST(self):
                cloud.answer(self, json.loads(self.rfile.read(
                    int(self.headers['Content-Length']))))

            def log_message(self, *arguments):
                pass

        self._server = http.server.ThreadingHTTPServer(where, Handler)
        self.url = 'http://{}:{}'.format(*self._server.server_address)
        threading.Thread(target=self._server.serve_forever, args=(0.05,),
                         daemon=True).start()

    def close(self):
        self._server.shutdown()
        self._server.server_close()

    def answer(self, request, body):
        there = self.read()
        url = urllib.parse.urlsplit(request.path)
        query = urllib.parse.parse_qs(url.query)
        status, headers, told = 200, {}, {}
        if url.path.startswith('/v3/auth'):
            status, headers, told = self._token(body)
        elif url.path.strip('/') in ('', 'v3', 'compute', 'network'):
            told = self._versions(url.path)
        elif request.headers.get('X-Auth-Token') != TOKEN:
            status = 401
        elif there['down']:
            status = 503
        elif there.get('too_large') and url.path.endswith('/detail') and (
                'changes-since' not in query):
            status = 504
        else:
            uuid = url.path.rpartition('/compute/servers/')[2]
            one = [each for each in there['servers'] if each['id'] == uuid]
            self.requests.append((
                url.path, query,
                request.headers.get('OpenStack-API-Version')))
            told = {'server': one[0]} if one else self._list(
                url.path.rpartition('/')[2], query, there, url.path)
        data = json.dumps(told).encode()
        request.send_response(status)
        for name, value in {**headers, 'Content-Type': 'application/json',
                            'Content-Length': len(data)}.items():
            request.send_header(name, str(value))
        request.end_headers()
        request.wfile.write(data)

    def _versions(self, path):
        kind = path.strip('/')
        if kind == 'network':
            return {'versions': [{'id': 'v2.0', 'status': 'CURRENT', 'links': [
                {'rel': 'self', 'href': f'{self.url}/network/v2.0/'}]}]}
        if kind == 'compute':
            return {'version': {
                'id': 'v2.1', 'status': 'CURRENT', 'min_version': '2.1',
                'version': '2.100', 'links': [
                    {'rel': 'self', 'href': f'{self.url}/compute'}]}}
        return {'version': {'id': 'v3.14', 'status': 'stable', 'links': [
            {'rel': 'self', 'href': f'{self.url}/v3'}]}}

    def _token(self, body):
        password = body['auth']['identity']['password']['user']['password']
        if password != PASSWORD:
            return 401, {}, {'error': {'code': 401, 'message': 'no'}}
        return 201, {'X-Subject-Token': TOKEN}, {'token': {
            'expires_at': '2099-01-01T00:00:00.000000Z',
            'issued_at': '2026-01-01T00:00:00.000000Z',
            'methods': ['password'], 'user': {
                'id': 'u', 'name': 'u', 'domain': {'id': 'd', 'name': 'd'}},
            'project': {'id': 'p', 'name': 'p',
                        'domain': {'id': 'd', 'name': 'd'}},
            'roles': [], 'catalog': [
                {'type': kind, 'name': kind, 'id': kind, 'endpoints': [
                    {'interface': 'internal', 'region': 'R', 'region_id': 'R',
                     'id': kind, 'url': f'{self.url}/{kind}'}]}
                for kind in ('compute', 'network')]}}

    def _list(self, kind, query, there, path):
        if kind == 'detail':
            kind = 'servers'
            found = [each for each in there['servers']
                     if 'changes-since' in query or
                     each['status'] != 'DELETED']
            assert query['all_tenants'] == ['1']
        elif kind == 'os-keypairs':
            kind = 'keypairs'
            found = [{'keypair': {'name': name, 'public_key': key}}
                     for name, key in there['keypairs'].get(
                         query['user_id'][0], {}).items()]
        else:
            found = [each for each in there[kind] if all(
                each.get(name) == values[0] for name, values in query.items()
                if name not in ('limit', 'marker'))]
        names = [each.get('id') or each['keypair']['name'] for each in found]
        begin, size = 0, there.get('page', PAGE)
        if 'marker' in query:
            begin = names.index(query['marker'][0]) + 1
        page = {kind: found[begin:begin + size]}
        if begin + size < len(found):
            page[f'{kind}_links'] = [{'rel': 'next',
                                      'href': f'{self.url}{path}'}]
        return page


def main():
    """FILE PORT"""
    path = pathlib.Path(sys.argv[1])
    cloud = FakeCloud(lambda: json.loads(path.read_text()),
                      ('127.0.0.1', int(sys.argv[2])))
    print(cloud.url, flush=True)
    threading.Event().wait()


if __name__ == '__main__':
    main()
