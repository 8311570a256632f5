# SPDX-License-Identifier: Apache-2.0
"""The metrics of a host, and who names them."""

import contextlib
import io
import itertools
import json
import os
import pathlib
import re
import subprocess
import sys
import types
from unittest import mock

import fixtures
from oslotest import base
from prometheus_client import parser
import yaml

from nova_dmore.channel import session
from nova_dmore.client import host_service
from nova_dmore.cmd import exporter as command
from nova_dmore import exception
from nova_dmore.metrics import exporter
from nova_dmore.metrics import families
from nova_dmore.metrics import figures
from tests.unit.virt import fake_shadow
from tests.unit.worker import fakes

_UUID = '9b0b0c52-59c1-4b0e-8f58-0a5a4c3d2b10'
_ETC = pathlib.Path(__file__).parents[3] / 'etc'
_OURS = re.compile(r'\bnova_dmore_\w+')


def _samples(metrics):
    """Name and labels of each sample -> its value."""
    return {(sample.name, *sorted(sample.labels.items())): sample.value
            for family in metrics for sample in family.samples}


class FamiliesTest(base.BaseTestCase):

    def test_figures(self):
        path = self.useFixture(fixtures.TempDir()).join('figures.json')
        counted = figures.Figures(path)
        counted.count('gaps', 'serial0_out', 'exact')
        counted.count('gaps', 'serial0_out', 'exact')
        for seconds in (0.05, 0.06, 30.0):
            counted.observe('migration_stop_seconds', seconds)
        counted.set('ports_used', 3)
        found = _samples(families.of_figures(figures.Figures(path)))
        self.assertEqual(3, found['nova_dmore_ports_used',])
        self.assertNotIn(('nova_dmore_ports_allowed',), found)
        self.assertEqual(2, found[
            'nova_dmore_gaps_total', ('kind', 'exact'),
            ('stream', 'serial0_out')])
        self.assertEqual(0, found['nova_dmore_rebuilds_total',])
        name = 'nova_dmore_migration_stop_seconds'
        self.assertEqual([0, 1, 2, 2, 3], [
            found[f'{name}_bucket', ('le', limit)]
            for limit in ('0.025', '0.05', '0.1', '5.0', '+Inf')])
        self.assertEqual(3, found[f'{name}_count',])
        self.assertAlmostEqual(30.11, found[f'{name}_sum',])

    def test_what_was_not_counted_yet(self):
        """A series that begins at 1 would not increase for Prometheus."""
        path = self.useFixture(fixtures.TempDir()).join('figures.json')
        counted = figures.Figures(path)
        # A later release knows more.
        counted.count('migrations', 'lifted')
        found = _samples(families.of_figures(figures.Figures(path)))
        for name, label, values in (
                ('migrations', 'outcome',
                 ('moved', 'rebuilt', 'stock', 'rolled back')),
                ('sessions_begun', 'server', ('ssh', 'serial', 'vnc'))):
            for value in values:
                self.assertEqual(
                    0, found[f'nova_dmore_{name}_total', (label, value)])
        for name, stream, kind in itertools.product(
                ('gaps', 'gap_bytes'),
                ('serial0_out', 'serial0_in', 'input0_in'),
                ('exact', 'ambiguous', 'unknown')):
            self.assertEqual(0, found[f'nova_dmore_{name}_total',
                                      ('kind', kind), ('stream', stream)])
        self.assertEqual(1, found['nova_dmore_migrations_total',
                                  ('outcome', 'lifted')])

    def test_pairs(self):
        one = session.Session('vnc', 1, 5.0, '::1', 4000, None, False)
        found = _samples(families.of_pairs({_UUID: fake_shadow.status(
            streams={'serial0_out': {'position': 90, 'base': 80},
                     'input0_in': {'position': 32, 'base': 0}},
            devices={'input': {'dropped': 3}}, sessions=(one, one),
            session_events_untold=4, worker_starts=2), 'other': None}))
        uuid = ('instance_uuid', _UUID)
        for expected, *name in (
                (1, 'pairs', ('state', 'live')),
                (1, 'pairs', ('state', 'unanswered')),
                (0, 'pairs', ('state', 'frozen')),
                (2, 'sessions', uuid, ('server', 'vnc')),
                (0, 'sessions', uuid, ('server', 'ssh')),
                (90, 'stream_bytes_total', uuid, ('stream', 'serial0_out')),
                (0, 'stream_bytes_total', uuid, ('stream', 'serial0_in')),
                (4, 'input_events_total', uuid),
                (3, 'limit_hits_total', uuid, ('limit', 'input_events')),
                (4, 'limit_hits_total', uuid, ('limit', 'session_events')),
                (0, 'unreported_gaps', uuid),
                (2, 'worker_starts_total', uuid)):
            self.assertEqual(expected, found[
                (f'nova_dmore_{name[0]}', *name[1:])], name)

    def test_a_worker_that_lies(self):
        for streams, devices, serving in (
                ([], [], []), ({'serial0_out': 5}, {'input': None}, 'x'),
                ({'serial0_out': {'position': -1}},
                 {'input': {'dropped': '\n5'}}, {'ssh': float('inf')}),
                ({'serial0_out': {'position': True}},
                 {'input': {'dropped': 1 << 90}}, {'ssh': [1]})):
            found = _samples(families.of_pairs({_UUID: fake_shadow.status(
                streams=streams, devices=devices, serving=serving,
                worker_starts='x')}))
            self.assertEqual({0}, {
                value for key, value in found.items()
                if ('instance_uuid', _UUID) in key})

    def test_a_worker_of_an_earlier_release(self):
        found = _samples(families.of_pairs({_UUID: fake_shadow.status(
            serving={'ssh': 3, 'vnc': 1})}))
        self.assertEqual([3, 0, 1], [
            found['nova_dmore_sessions', ('instance_uuid', _UUID),
                  ('server', server)] for server in ('ssh', 'serial', 'vnc')])


class CommandTest(base.BaseTestCase):
    """With real processes."""

    def setUp(self):
        super().setUp()
        self.pair = fakes.Pair(self)
        self.folder = self.useFixture(fixtures.TempDir())
        self.output = self.folder.join('nova-dmore.prom')
        self.run_dir = self.pair.hostd.run_dir

    def _run(self):
        conf = self.folder.join('nova.conf')
        with open(conf, 'w') as file:
            file.write(f'[dmore]\nrun_dir = {self.run_dir}\n'
                       f'record_dir = {self.folder.path}\n')
        errors = io.StringIO()
        with contextlib.redirect_stderr(errors):
            status = command.main(['--config-file', conf, '--output',
                                   self.output, '--interval', '0'])
        return status, errors.getvalue()

    def test_a_wrong_command_line(self):
        for given, named in (
                (('--interval', '-1'), '--interval'),
                (('--interval', 'nan'), '--interval'),
                (('--interval', 'inf'), '--interval'),
                (('--output', self.folder.join('it.txt')), 'it.txt')):
            errors = io.StringIO()
            with contextlib.redirect_stderr(errors):
                ended = self.assertRaises(
                    SystemExit, command.main,
                    ['--output', self.output, *given])
            self.assertEqual(2, ended.code)
            self.assertIn(named, errors.getvalue())
            self.assertEqual([], os.listdir(self.folder.path))

    def _written(self):
        with open(self.output) as file:
            return _samples(parser.text_fd_to_metric_families(file))

    def test_it(self):
        figures.Figures(figures.path_in(self.folder.path)).count('rebuilds')
        domain_r = self.pair.domain_r()
        self.pair.instance().prints(b'login: ')
        fakes.wait_for(lambda: domain_r.output == b'login: ')
        self.assertEqual((0, ''), self._run())
        found = self._written()
        self.assertEqual(1, found['nova_dmore_host_service_up',])
        self.assertEqual(1, found['nova_dmore_rebuilds_total',])
        self.assertEqual(7, found[
            'nova_dmore_stream_bytes_total',
            ('instance_uuid', self.pair.uuid), ('stream', 'serial0_out')])

    def test_a_host_service_that_is_away(self):
        self.run_dir = self.folder.path
        self.useFixture(fixtures.MonkeyPatch(
            'nova_dmore.client.host_service.TIMEOUT_S', 0.1))
        with mock.patch.object(
                host_service.HostService, 'instances',
                side_effect=exception.HostServiceError('away')):
            self.assertEqual((0, ''), self._run())
        found = self._written()
        self.assertEqual(0, found['nova_dmore_host_service_up',])
        self.assertIn(('nova_dmore_rebuilds_total',), found)

    def test_it_cannot_be_written(self):
        self.output = '/proc/nova-dmore.prom'
        status, errors = self._run()
        self.assertEqual(1, status)
        self.assertIn('--output: /proc/nova-dmore.prom cannot be written '
                      '(No such file or directory)', errors)

    def test_figures_of_no_use(self):
        service = mock.Mock()
        service.instances.return_value = []
        path = self.folder.join('figures.json')
        figures.Figures(path).count('rebuilds')
        with open(path) as file:
            good = file.read()
        this = exporter.Exporter(service, path)
        log = self.useFixture(fixtures.FakeLogger())
        for content, rebuilds, said in (
                ('[]', 0, 1), ('[]', 0, 1), (good, 1, 1), ('[]', 0, 2)):
            with open(path, 'w') as file:
                file.write(content)
            self.assertEqual(
                rebuilds, _samples(this.collect())['nova_dmore_rebuilds_total',
                                                   ])
            self.assertEqual(said, log.output.count('is of no use'))

    def test_a_pair_that_is_gone(self):
        service = mock.Mock()
        service.instances.return_value = [_UUID]
        this = exporter.Exporter(service, self.folder.join('figures'))
        with mock.patch('nova_dmore.client.shadow_client.ShadowClient') as (
                client):
            client.return_value.status.side_effect = (
                exception.ShadowAnswerError('no'))
            found = _samples(this.collect())
            self.assertEqual(1, found['nova_dmore_pairs',
                                      ('state', 'unanswered')])
            service.instances.return_value = []
            found = _samples(this.collect())
        self.assertEqual(0, found['nova_dmore_pairs',
                                  ('state', 'unanswered')])
        client.return_value.close.assert_called_once_with()

    def test_pairs_that_do_not_answer_keep_no_others_from_being_asked(self):
        now = [0.0]
        self.useFixture(fixtures.MonkeyPatch(
            'nova_dmore.metrics.exporter.time',
            types.SimpleNamespace(monotonic=lambda: now[0])))
        instances = [f'{number:03}' for number in range(200)]
        service = mock.Mock()
        service.instances.return_value = instances
        this = exporter.Exporter(service, self.folder.join('figures'))

        def client(_service, instance, timeout):
            def status():
                if int(instance) < 20:
                    now[0] += timeout
                    raise exception.ShadowAnswerError('no')
                return fake_shadow.status()
            return mock.Mock(status=status)
        self.useFixture(fixtures.MonkeyPatch(
            'nova_dmore.client.shadow_client.ShadowClient', client))
        for unanswered in (200, 200, 20, 20):
            began = now[0]
            found = _samples(this.collect())
            self.assertEqual(unanswered, found[
                'nova_dmore_pairs', ('state', 'unanswered')])
            self.assertLessEqual(now[0] - began, 10)


class NamesTest(base.BaseTestCase):
    """All that a dashboard or a rule names is there."""

    def setUp(self):
        super().setUp()
        service = mock.Mock()
        service.instances.return_value = []
        this = exporter.Exporter(service, '/nowhere/figures.json')
        #: As they are asked for: with all that is added to them.
        self.names = set()
        for family in this.collect():
            self.names |= {family.name} if family.type == 'gauge' else {
                f'{family.name}_{end}' for end in (
                    ('total',) if family.type == 'counter'
                    else ('bucket', 'sum', 'count'))}

    def _assert_all_known(self, expressions):
        named = {name for each in expressions for name in _OURS.findall(each)}
        self.assertLessEqual(named, self.names)
        return named

    def test_rules(self):
        with open(_ETC / 'prometheus/nova-dmore.rules.yaml') as file:
            (group,) = yaml.safe_load(file)['groups']
        self._assert_all_known(rule['expr'] for rule in group['rules'])
        for rule in group['rules']:
            self.assertIn(rule['labels']['severity'],
                          ('critical', 'warning', 'info'))
            self.assertLessEqual({'summary', 'description'},
                                 set(rule['annotations']))

    def test_dashboard(self):
        with open(_ETC / 'grafana/nova-dmore.json') as file:
            dashboard = json.load(file)
        named = self._assert_all_known(
            [target['expr'] for panel in dashboard['panels']
             for target in panel['targets']]
            + [each['query'] for each in dashboard['templating']['list']])
        # And it shows each.
        self.assertEqual(self.names, named | {
            f'nova_dmore_migration_{name}_seconds_{end}'
            for name in ('stop', 'skew') for end in ('sum', 'count')})
        ids = [panel['id'] for panel in dashboard['panels']]
        self.assertEqual(len(ids), len(set(ids)))

    def test_documented(self):
        with open(_ETC.parent / 'doc/source/admin/monitoring.rst') as file:
            text = file.read()
        for name in self.names:
            base_name = re.sub('_(bucket|sum|count)$', '', name)
            self.assertIn(f'``{base_name}``', text)

    def test_every_alert_says_what_to_do(self):
        with open(_ETC / 'prometheus/nova-dmore.rules.yaml') as file:
            (group,) = yaml.safe_load(file)['groups']
        with open(_ETC.parent / 'doc/source/admin/monitoring.rst') as file:
            rows = re.findall(r'(?m)^   \* - ``(Dmore\w+)``\n     - (.+)$',
                              file.read())
        self.assertEqual([rule['alert'] for rule in group['rules']],
                         [name for name, _what in rows])

    def test_what_the_page_of_failures_names(self):
        with open(_ETC / 'prometheus/nova-dmore.rules.yaml') as file:
            (group,) = yaml.safe_load(file)['groups']
        with open(_ETC.parent / 'doc/source/admin/failures.rst') as file:
            text = file.read()
        alerts = set(re.findall(r'``(Dmore\w+)``', text))
        self.assertGreater(len(alerts), 3)
        self.assertLessEqual(
            alerts, {rule['alert'] for rule in group['rules']})
        metrics = set(re.findall(r'``(nova_dmore_\w+)``', text))
        self.assertNotEqual(set(), metrics)
        self.assertLessEqual(metrics, self.names)

    def test_nova_is_not_in_its_memory(self):
        # It would be half of what the unit lets it have.
        done = subprocess.run(
            [sys.executable, '-c', 'import sys; '
             'from nova_dmore.cmd import exporter; '
             'from nova_dmore.metrics import exporter; '
             'print({"nova", "eventlet", "sqlalchemy"} & set(sys.modules))'],
            capture_output=True, text=True)
        self.assertEqual('set()\n', done.stdout, done.stderr)

    def test_unit(self):
        with open(_ETC / 'systemd/nova-dmore-exporter.service') as file:
            unit = file.read()
        output, = re.findall(r'--output (\S+)', unit)
        self.assertTrue(output.endswith('.prom'))
        self.assertIn(f'ReadWritePaths={os.path.dirname(output)}\n', unit)
        self.assertIn('PrivateNetwork=yes\n', unit)
