# SPDX-License-Identifier: Apache-2.0
"""The command as sshd runs it."""

import contextlib
import dataclasses
import io
import os
import pathlib
import shutil
import subprocess
import sys
import tempfile
import time
from unittest import mock

from oslotest import base

import nova_dmore
from nova_dmore.gateway import cli
from nova_dmore.gateway import consoles
from nova_dmore.gateway import hosts
from nova_dmore.gateway import index
from nova_dmore.gateway import store
from tests.unit.gateway import fake_cloud
from tests.unit.gateway import fakes

KEY, OTHER = fakes.key(1), fakes.key(2)


class CommandTest(base.BaseTestCase):

    def setUp(self):
        super().setUp()
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.folder = pathlib.Path(folder.name)
        self.there = fake_cloud.state()
        self.there['servers'] = [
            fake_cloud.server(fakes.WEB, 'ann', 'laptop'),
            fake_cloud.server(fakes.OTHERS, 'bob', 'laptop')]
        self.there['ports'] = [fake_cloud.port(fakes.WEB, '192.0.2.5'),
                               fake_cloud.port(fakes.OTHERS, '192.0.2.6')]
        self.there['keypairs'] = {'ann': {'laptop': KEY},
                                  'bob': {'laptop': OTHER}}
        self.fake = fake_cloud.FakeCloud(lambda: self.there)
        self.addCleanup(self.fake.close)
        (self.folder / 'hosts').touch()
        self.store = store.Store(self.folder)
        for patch in (
                mock.patch.object(store.Store.__init__, '__defaults__',
                                  (self.folder,)),
                mock.patch.object(hosts.tell, '__defaults__',
                                  (self.folder / 'hosts',)),
                mock.patch.object(cli.syslog, 'syslog')):
            patch.start()
            self.addCleanup(patch.stop)
        self.config = self.folder / 'gateway.conf'
        self.config.write_text(f"""[gateway]
            auth_type = password
            auth_url = {self.fake.url}/v3
            username = u
            password = {fake_cloud.PASSWORD}
            project_name = p
            user_domain_id = d
            project_domain_id = d
            management_network = consoles
            ssh_port = 2222
            """.replace(' ' * 12, ''))

    def _run(self, *arguments):
        """Status, output, errors."""
        output, errors = io.StringIO(), io.StringIO()
        with contextlib.redirect_stdout(output), \
                contextlib.redirect_stderr(errors):
            status = cli.main(['--config-file', str(self.config),
                               *arguments])
        return status, output.getvalue(), errors.getvalue()

    def _keys(self, key):
        return self._run('keys', *key.split())

    def test_each_key_has_its_own_consoles(self):
        for _ in range(2):
            for key, where in ((KEY, {fakes.WEB: '192.0.2.5'}),
                               (OTHER, {fakes.OTHERS: '192.0.2.6'})):
                self.assertEqual(
                    (0, consoles.authorized_keys_line(key, where, 2222)
                     + '\n'), self._keys(key)[:2])
        self.assertEqual(
            [['192.0.2.5', fakes.WEB], ['192.0.2.6', fakes.OTHERS]],
            [line.split()[:2] for line in
             (self.folder / 'hosts').read_text().splitlines()])

    def test_others_have_none(self):
        for asked in (fakes.key(3).split(), ('ssh-rsa', '"; id')):
            self.assertEqual((0, ''), self._run('keys', *asked)[:2])

    def test_nova_is_asked_once_for_all_of_them(self):
        self._keys(KEY)
        asked = len(self.fake.requests)
        for number in range(5):
            self._keys(fakes.key(number))
        self.assertEqual(asked, len(self.fake.requests))

    def test_what_users_write_into_their_instances_is_not_believed(self):
        self.there['servers'][1]['metadata'] = {
            'dmore:console_ssh': 'ssh://console@192.0.2.5:22'}
        self.there['servers'][1]['name'] = f'x" {KEY}\nrestrict {OTHER}'
        self.assertEqual(
            consoles.authorized_keys_line(
                OTHER, {fakes.OTHERS: '192.0.2.6'}, 2222) + '\n',
            self._keys(OTHER)[1])

    def test_nova_fails_before_anything_is_known(self):
        self.there['down'] = True
        status, output, errors = self._keys(KEY)
        self.assertEqual((1, ''), (status, output))
        self.assertIn('503', errors)

    def test_it_was_not_set_up(self):
        shutil.rmtree(self.folder)
        status, output, errors = self._run('refresh')
        self.assertEqual((1, ''), (status, output))
        self.assertIn(str(self.folder), errors)
        self.assertIn('nova-dmore-gateway setup', errors)

    def test_nova_fails_later(self):
        self._keys(KEY)
        self.there['down'] = True
        self.store.expire_in(0)
        status, output, errors = self._keys(KEY)
        self.assertEqual(0, status)
        self.assertIn('192.0.2.5', output)
        self.assertIn('503', errors)
        # An operator who asks for it wants what is true.
        self.assertEqual(1, self._run('refresh')[0])

    def test_refresh(self):
        self.assertEqual((0, '2 consoles of 2 instances\n'),
                         self._run('refresh')[:2])
        self.there['ports'].pop()
        self.assertEqual((0, '1 consoles of 2 instances\n'),
                         self._run('refresh')[:2])

    def test_a_large_cloud_a_day_later(self):
        self._keys(KEY)
        now = time.time()
        self.store.save(dataclasses.replace(
            self.store.load(), read_at=now - 7200,
            begun_at=now - index.WHOLE_S - 10))
        self.store.expire_in(0)
        self.there['too_large'] = True
        self.there['servers'].append(
            fake_cloud.server(fakes.MAIL, 'ann', 'laptop'))
        self.there['ports'].append(fake_cloud.port(fakes.MAIL, '192.0.2.7'))
        wanted = (0, consoles.authorized_keys_line(
            KEY, {fakes.WEB: '192.0.2.5', fakes.MAIL: '192.0.2.7'}, 2222)
            + '\n')
        self.assertEqual(wanted, self._keys(KEY)[:2])
        # It is not tried again by each log-in.
        self.store.expire_in(0)
        asked = len(self.fake.requests)
        self.assertEqual(wanted, self._keys(KEY)[:2])
        self.assertIn('changes-since', [
            query for path, query, _version in self.fake.requests[asked:]
            if path.endswith('/detail')][0])

    def test_a_large_cloud_of_which_nothing_is_known(self):
        self.there['too_large'] = True
        self.assertEqual((1, ''), self._keys(KEY)[:2])

    def test_refresh_reads_all_anew(self):
        """Also what changed while its cell did not answer."""
        self._keys(KEY)
        kept = self.store.load()
        self.store.save(dataclasses.replace(kept, servers={
            fakes.WEB: kept.servers[fakes.WEB]}))
        self.assertEqual('2 consoles of 2 instances\n',
                         self._run('refresh')[1])
        self.assertNotIn('changes-since', [
            query for path, query, _version in self.fake.requests
            if path.endswith('/detail')][-1])

    def test_without_the_hosts_file_addresses_still_lead_there(self):
        (self.folder / 'hosts').unlink()
        status, output, errors = self._keys(KEY)
        self.assertEqual(0, status)
        self.assertIn('permitopen="192.0.2.5:2222"', output)
        self.assertIn('only addresses', errors)

    def test_it_is_a_shell(self):
        with mock.patch.dict(os.environ):
            os.environ.pop('SSH_ORIGINAL_COMMAND', None)
            output = io.StringIO()
            with contextlib.redirect_stdout(output):
                self.assertEqual(0, cli.main(
                    ['-c', f'22 {fakes.WEB}=192.0.2.5']))
            self.assertEqual(f'{fakes.WEB} 192.0.2.5\n', output.getvalue())
            with contextlib.redirect_stderr(output):
                self.assertEqual(1, cli.main(['-c', 'id']))

    def test_it_is_quick(self):
        """What only some of its processes need is not loaded by all."""
        loaded = subprocess.run(
            [sys.executable, '-c', 'import sys; '
             'from nova_dmore.gateway import cli; print(*sys.modules)'],
            check=True, capture_output=True, text=True,
            cwd=pathlib.Path(nova_dmore.__path__[0]).parent).stdout.split()
        for module in ('keystoneauth1', 'oslo_config', 'requests'):
            self.assertNotIn(module, loaded)
