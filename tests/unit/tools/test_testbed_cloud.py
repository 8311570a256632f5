# SPDX-License-Identifier: Apache-2.0
"""What the test cloud's files say, and how its state is told."""

import configparser
import contextlib
import io
import os
import pathlib
import stat
import tempfile
import unittest
from unittest import mock

from nova_dmore.cmd import manage
# For the path that it sets.
from tests.unit import tools  # noqa: F401
from laboratory.testbed import bringup
from laboratory.testbed import compute
from laboratory.testbed import conf_compute
from laboratory.testbed import conf_controller
from laboratory.testbed import controller
from laboratory.testbed import earlier
from laboratory.testbed import inifile
from laboratory.testbed import installed
from laboratory import layout
from laboratory.progress import Failure
from laboratory.testbed import services
from laboratory.testbed import settings
from laboratory.testbed import status


class CloudTest(unittest.TestCase):

    def setUp(self):
        super().setUp()
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.layout = layout.Layout(pathlib.Path(folder.name))
        self.cloud = settings.Cloud(False, settings.DRIVER)
        self.place = settings.Place(self.cloud, self.layout)

    def read(self, sections):
        parser = configparser.ConfigParser(interpolation=None)
        parser.read_string(inifile.render(sections))
        return parser


class InifileTest(unittest.TestCase):

    def test_what_oslo_config_would_take_apart_is_refused(self):
        for value in ('a\nb = c', 'pa$$word'):
            self.assertRaises(ValueError, inifile.render,
                              {'s': {'o': value}})

    def test_a_later_layer_wins(self):
        merged = inifile.merge({'s': {'a': 1, 'b': 1}}, {'s': {'a': 2}})
        self.assertEqual({'s': {'a': 2, 'b': 1}}, merged)

    def test_only_root_reads_what_is_written(self):
        with tempfile.TemporaryDirectory() as folder:
            path = pathlib.Path(folder) / 'new' / 'file'
            inifile.write(path, 'secret')
            self.assertEqual(0o600, stat.S_IMODE(path.stat().st_mode))


class ConfigurationTest(CloudTest):

    def test_the_plug_in_gets_the_same_secret_on_both_hosts(self):
        files = [self.read(conf_compute.nova_compute(self.place, host))
                 for host in settings.COMPUTES]
        first, second = (file['dmore']['secret_file'] for file in files)
        self.assertEqual(first, second)
        self.assertEqual('10.88.0.1/32',
                         files[0]['dmore']['serial_proxy_networks'])

    def test_only_the_user_s_address_is_asked_for_a_vnc_password(self):
        plug_in = self.read(conf_compute.nova_compute(
            self.place, 'c1'))['dmore']
        self.assertEqual('10.88.0.1/32', plug_in['vnc_proxy_networks'])
        self.assertEqual('10.88.0.2/32', plug_in['vnc_direct_networks'])

    def test_the_plug_in_s_own_command_tells_the_vnc_passwords(self):
        path = self.place.config('nova', 'nova-c1.conf')
        inifile.write(path, inifile.render(
            conf_compute.nova_compute(self.place, 'c1')))
        with mock.patch.object(controller.subprocess, 'run'):
            controller.make_secrets(self.place)
        passwords = set()
        for arguments in ([], ['--view-only']):
            output, errors = io.StringIO(), io.StringIO()
            with (contextlib.redirect_stdout(output),
                  contextlib.redirect_stderr(errors)):
                ended = manage.main([
                    '--config-file', str(path), 'vnc-password', *arguments,
                    '6f1c7a3c-0b56-4a06-9d0b-0f9d5c2a1e11'])
            self.assertEqual((0, ''), (ended, errors.getvalue()))
            passwords.add(output.getvalue())
        self.assertEqual(2, len(passwords))

    def test_hosts_differ_where_they_must(self):
        first, second = (self.read(conf_compute.nova_compute(self.place, host))
                         for host in settings.COMPUTES)
        for section, option in (('DEFAULT', 'host'), ('DEFAULT', 'my_ip'),
                                ('DEFAULT', 'state_path'),
                                ('libvirt', 'live_migration_inbound_addr')):
            self.assertNotEqual(first[section][option],
                                second[section][option])
        for section, option in (('DEFAULT', 'instances_path'),
                                ('dmore', 'image_cache_dir')):
            self.assertEqual(first[section][option], second[section][option])
        self.assertNotEqual(*map(conf_compute.libvirtd, settings.COMPUTES))

    def test_ports_have_security_groups(self):
        for sections in (conf_controller.ml2(self.place),
                         conf_compute.openvswitch_agent(self.place, 'c1')):
            self.assertTrue(self.read(sections).getboolean(
                'securitygroup', 'enable_security_group'))

    def test_a_compute_host_cannot_reach_the_databases(self):
        text = inifile.render(conf_compute.nova_compute(self.place, 'c1'))
        self.assertNotIn(self.cloud.database, text)

    def test_every_file_of_the_controller_can_be_written(self):
        for make in (conf_controller.keystone, conf_controller.glance,
                     conf_controller.placement, conf_controller.neutron,
                     conf_controller.ml2, conf_controller.cinder,
                     conf_controller.nova):
            self.assertTrue(self.read(make(self.place)).sections())


class ExporterTest(CloudTest):

    NAME = 'nova-dmore-exporter'

    def test_it_runs_where_its_unit_lets_it_write(self):
        unit = installed.shipped(self.place.tree('c1'))[
            f'/etc/systemd/system/{self.NAME}.service']
        self.assertIn(f'\nReadWritePaths={installed.METRICS}\n', unit)
        self.assertIn(f'\nUser={conf_compute.NOVA}\n', unit)
        with mock.patch.object(services.Unit, 'start', autospec=True) as start:
            bringup._graph(self.place)['c1 exporter'][1]()
        started = start.call_args.args[0]
        self.assertEqual(self.NAME, started.name)
        self.assertEqual(f'{installed.METRICS}/nova-dmore.prom',
                         started.argv[-1])
        self.assertIn(conf_compute.NOVA_CONF, started.argv)

    def test_a_release_of_before_it(self):
        tree = pathlib.Path(self.layout.state)
        (tree / 'etc').mkdir()
        self.assertEqual({}, installed.shipped(tree))
        with (mock.patch.object(services.Unit, 'start') as start,
              mock.patch.object(settings.Place, 'tree', return_value=tree)):
            compute.Compute(self.place, 'c1').exporter()
        start.assert_not_called()


class SavedTest(CloudTest):

    def test_a_cloud_is_found_again(self):
        self.cloud.save(self.layout)
        self.assertEqual(self.cloud, settings.Cloud.load(self.layout))
        self.assertEqual(self.cloud.prefix,
                         settings.saved_prefix(self.layout))

    def test_no_cloud(self):
        self.assertIsNone(settings.Cloud.load(self.layout))

    def test_half_a_file_is_no_cloud(self):
        self.cloud.save(self.layout)
        path = self.layout.cloud / 'cloud.json'
        whole = path.read_text()
        for length in (0, 10, len(whole) // 2):
            path.write_text(whole[:length])
            self.assertIsNone(settings.Cloud.load(self.layout))
            self.assertTrue(settings.saved_prefix(self.layout))

    def test_each_cloud_has_secrets_of_its_own(self):
        other = settings.Cloud(False, settings.DRIVER)
        for name in ('database', 'message', 'admin', 'service', 'console'):
            self.assertNotEqual(getattr(self.cloud, name),
                                getattr(other, name))
        self.assertEqual(32, len(bytes.fromhex(self.cloud.console)))


class QemuTest(CloudTest):

    def layers(self, qemu):
        place = settings.Place(settings.Cloud(
            False, settings.DRIVER, qemu=qemu), self.layout)
        return [place.layer(host) is not None for host in settings.COMPUTES]

    def test_which_host_has_the_newer(self):
        self.assertEqual([False, False], self.layers('7.2'))
        self.assertEqual([False, True], self.layers('mixed'))
        self.assertEqual([True, True], self.layers('10.0'))

    def test_environment(self):
        for given, wanted in (('', '10.0'), ('mixed', 'mixed')):
            with mock.patch.dict(os.environ, DMORE_QEMU=given):
                self.assertEqual(wanted, settings.wanted_qemu())
        with mock.patch.dict(os.environ, DMORE_QEMU='9'):
            self.assertRaises(Failure, settings.wanted_qemu)

    def test_guests_of_both_go_to_either(self):
        for qemu in settings.QEMUS:
            place = settings.Place(settings.Cloud(
                False, settings.DRIVER, qemu=qemu), self.layout)
            found = conf_compute.nova_compute(place, 'c1')
            self.assertEqual(
                [qemu == settings.QEMU_MIXED] * 2,
                ['hw_machine_type' in found['libvirt'],
                 'skip_hypervisor_version_check_on_lm' in found['workarounds']]
            )


class EarlierTest(CloudTest):

    def test_the_first_host_has_it(self):
        place = settings.Place(settings.Cloud(
            False, settings.DRIVER, earlier='v1'), self.layout)
        self.assertEqual([place.earlier, layout.REPOSITORY],
                         [place.tree(host) for host in settings.COMPUTES])
        for host in settings.COMPUTES:
            self.assertEqual(layout.REPOSITORY, self.place.tree(host))

    def test_no_such_release(self):
        place = settings.Place(settings.Cloud(
            False, settings.DRIVER, earlier='no-such-release'), self.layout)
        place.root.mkdir(parents=True)
        with self.assertRaisesRegex(Failure, 'no-such-release'):
            earlier.unpack(place)


class StatusTest(unittest.TestCase):

    def state(self, complete=True, holder=7, pid=8):
        return status.Status(complete, 'shared storage', {'ctl': holder},
                             {('ctl', 'keystone'): pid})

    def test_all_up(self):
        self.assertTrue(status.healthy(self.state()))
        self.assertIn('pid 8', status.render(self.state()))

    def test_what_is_not_healthy(self):
        for state in (self.state(complete=False), self.state(holder=None),
                      self.state(pid=None)):
            self.assertFalse(status.healthy(state))
        self.assertIn('ENDED', status.render(self.state(pid=None)))
