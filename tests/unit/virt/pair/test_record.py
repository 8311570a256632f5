# SPDX-License-Identifier: Apache-2.0

import json
import os
import pathlib
import stat
from unittest import mock

import fixtures

from nova_dmore import exception
from nova_dmore.virt.pair import record
from tests.unit.virt import fakes

OTHER_UUID = '9b0b0c52-59c1-4b0e-8f58-0a5a4c3d2b10'


class TextTest(fakes.TestCase):

    def test_there_and_back(self):
        for pair in (fakes.make_record(),
                     fakes.make_record(key_data='ssh-rsa AAAA',
                                       incoming=True, display=True),
                     fakes.make_record(secret_id=65535),
                     fakes.make_record(keymap='de-ch'),
                     fakes.make_record(evacuated_at=1796029261)):
            self.assertEqual(pair, record.from_json(record.to_json(pair)))

    def test_of_an_earlier_version(self):
        fields = json.loads(record.to_json(fakes.make_record()))
        del fields['display']
        self.assertFalse(record.from_json(json.dumps(fields)).display)

    def test_a_host_of_the_first_release_takes_one_of_the_first_secret(self):
        # It knows these fields, and refuses all others.
        self.assertEqual(
            {'address', 'digest', 'display', 'incoming', 'instance_name',
             'instance_uuid', 'key_data', 'project_id'},
            set(json.loads(record.to_json(fakes.make_record()))))

    def test_no_other_host_is_told_of_an_evacuation(self):
        self.assertEqual(
            record.to_json(fakes.make_record()), record.to_other_host(
                fakes.make_record(evacuated_at=1796029261)))

    def test_it_refuses_one_of_another_secret(self):
        # It would take the whole file for the secret.
        fields = json.loads(record.to_json(fakes.make_record(secret_id=3)))
        self.assertEqual((3, 2), (fields['secret_id'], fields['version']))

    def test_of_a_later_version(self):
        fields = json.loads(record.to_json(fakes.make_record()))
        for version in (3, '2', None, True, 2.0):
            error = self.assertRaises(
                ValueError, record.from_json,
                json.dumps({**fields, 'version': version}))
            self.assertIn('version', str(error))

    def test_what_is_no_record(self):
        good = json.loads(record.to_json(fakes.make_record()))
        bad = [
            '', '[]', 'null', '{}', '"x"', '{"address": 1}',
            json.dumps({**good, 'one more': 1}),
            *(json.dumps({**good, 'secret_id': wrong})
              for wrong in (-1, 65536, '0', None, True)),
            json.dumps({**good, 'keymap': '../de'}),
            json.dumps({**good, 'address': None}),
            json.dumps({**good, 'address': {**good['address'], 'more': 1}}),
            json.dumps({**good, 'instance_uuid': '../../etc'}),
            json.dumps({**good, 'instance_uuid': 7}),
            json.dumps({name: good[name] for name in good
                        if name != 'digest'}),
        ]
        for text in bad:
            self.assertRaises(ValueError, record.from_json, text)

    def test_of_every_field_the_type_and_the_form(self):
        for name, values in {
                'instance_uuid': [
                    None, '../../etc', fakes.UUID.upper(), fakes.UUID + '\n',
                    '{' + fakes.UUID + '}', fakes.UUID.replace('-', '')],
                'instance_name': [None, 7, ['x'], 'x' * 256],
                'project_id': [7, {}, 'x' * 256],
                'digest': [None, 0, False, '../' * 21 + 'a', 'AB' * 32,
                           'ab' * 32 + '\n', ['ab' * 32]],
                'key_data': [7, ['ssh-rsa'], 'x' * (1 << 17)],
                'display': [None, 0, 1, 'yes'],
                'incoming': [None, 0, 1, 'yes'],
                'evacuated_at': ['1', True, -1, 1.5, 1 << 60]}.items():
            for value in values:
                self._assert_no_record({name: value})

    def test_of_every_field_of_the_address(self):
        for name, values in {
                'port_id': [None, 'x', '../x', 7],
                'network_id': [None, 'x', '../x', 7],
                'mac': [None, 7, 'fa:16:3e:00:00', 'fa:16:3e:00:00:01\n',
                        '"/><script path="/x"/>'],
                'interface': [None, 7, 167772165, '10.0.0.5', '10.0.0.5/33',
                              'fe80::1%x/64', '10.0.0.5/24\n', 'x/24'],
                'gateway': [7, '', 'x', '10.0.0.1/24', 'fe80::1%x'],
                'mtu': [None, '1450', True, 1450.0, 0, -1, 1 << 40],
                'vif_type': [None, 7, 'x' * 256],
                'vif_details': [None, [], 'x', {'x': 'y' * 5000}]}.items():
            for value in values:
                self._assert_no_record({'address': {
                    **json.loads(record.to_json(
                        fakes.make_record()))['address'], name: value}})

    def _assert_no_record(self, changes):
        good = json.loads(record.to_json(fakes.make_record()))
        error = self.assertRaises(
            ValueError, record.from_json, json.dumps({**good, **changes}))
        self.assertLess(len(str(error)), 300)
        self.assertTrue(str(error).isprintable())

    def test_large_and_deep_ones(self):
        for text in ('[' * 100000, '{"address":' * 12000, ' ' * (1 << 18),
                     b'{}', None, 7, {}):
            self.assertRaises(ValueError, record.from_json, text)

    def test_what_a_later_release_says_besides_is_kept(self):
        good = record.to_json(fakes.make_record())
        text = json.dumps({**json.loads(good), 'colour': ['blue']})
        pair = record.from_json(text)
        self.assertEqual({'colour': ['blue']}, pair.others)
        self.assertEqual(json.loads(text), json.loads(record.to_json(pair)))
        self._assert_no_record({'colour': 'x' * 5000})

    def test_names_of_fields(self):
        for name in ('x' * 50000, '\x1b[2J', 'a\nb'):
            self._assert_no_record({name: 1})
            self._assert_no_record({'address': {name: 1}})

    def test_as_large_as_nova_and_neutron_allow(self):
        pair = fakes.make_record(
            instance_name='\u00e4' * 255, key_data='\u00e4' * 16384,
            project_id=None, digest='', address=fakes.make_address(
                interface='fd00::5/64', gateway=None, mtu=65535,
                vif_details={'x': 'y' * 4000}))
        self.assertEqual(pair, record.from_json(record.to_json(pair)))


class RecordsTest(fakes.TestCase):

    def setUp(self):
        super().setUp()
        folder = pathlib.Path(self.useFixture(fixtures.TempDir()).path)
        self.directory = folder / 'records'
        self.run_dir = folder / 'run'
        self.records = record.Records(str(self.directory), str(self.run_dir))

    def test_nothing(self):
        self.assertIsNone(self.records.load(fakes.UUID))
        self.assertEqual([], self.records.all())
        self.records.forget(fakes.UUID)

    def test_save_load_forget(self):
        pair = fakes.make_record()
        self.records.save(pair)
        self.assertEqual(pair, self.records.load(fakes.UUID))
        changed = fakes.make_record(incoming=True)
        self.records.save(changed)
        self.assertEqual(changed, self.records.load(fakes.UUID))
        self.assertEqual([f'{fakes.UUID}.json'], os.listdir(self.directory))
        self.records.forget(fakes.UUID)
        self.assertIsNone(self.records.load(fakes.UUID))
        self.assertEqual([], os.listdir(self.directory))

    def test_only_its_own_directory_must_be_readable(self):
        pair = fakes.make_record()
        self.records.save(pair)
        list_names, refused = os.listdir, self.run_dir

        def listdir(path):
            if path == refused:
                raise PermissionError('no')
            return list_names(path)

        with mock.patch('os.listdir', listdir):
            self.assertEqual([pair], self.records.all())
            refused = self._path().parent
            self.assertRaises(exception.ConfigurationError, self.records.all)

    def test_a_record_of_an_earlier_release(self):
        # It lies beside the sockets, which were of the same user then.
        pair = fakes.make_record()
        self.records.save(pair)
        earlier = self.run_dir / fakes.UUID / 'pair.json'
        earlier.parent.mkdir(parents=True)
        self._path().rename(earlier)
        self.assertEqual(pair, self.records.load(fakes.UUID))
        self.assertEqual([pair], self.records.all())
        changed = fakes.make_record(incoming=True)
        self.records.save(changed)
        self.assertEqual([changed], self.records.all())
        self.records.forget(fakes.UUID)
        self.assertEqual([], self.records.all())
        self.assertFalse(earlier.exists())

    def test_the_record_is_the_owners_alone(self):
        self.records.save(fakes.make_record())
        self.assertEqual(0o600, stat.S_IMODE(self._path().stat().st_mode))
        self.assertEqual(0o700, stat.S_IMODE(self.directory.stat().st_mode))

    def test_all(self):
        other = fakes.make_record(instance_uuid=OTHER_UUID)
        self.records.save(other)
        self.records.save(fakes.make_record())
        (self.directory / 'lost+found').mkdir()
        self.assertEqual([fakes.make_record(), other], self.records.all())

    def test_a_damaged_record_is_none_and_hides_no_other(self):
        self.records.save(fakes.make_record())
        self.records.save(fakes.make_record(instance_uuid=OTHER_UUID))
        self._path(OTHER_UUID).write_bytes(b'{"instance_uuid": \xff')
        self.assertIsNone(self.records.load(OTHER_UUID))
        self.assertEqual([fakes.make_record()], self.records.all())

    def test_a_full_disk_leaves_the_old_record(self):
        self.records.save(fakes.make_record())
        self.useFixture(fixtures.MockPatch(
            'nova_dmore.virt.pair.record.to_json',
            side_effect=OSError(28, 'No space left on device')))
        error = self.assertRaises(
            exception.ConfigurationError, self.records.save,
            fakes.make_record(incoming=True))
        self.assertEqual(
            f'[dmore] record_dir: {self.directory}: No space left on device',
            str(error))
        self.assertEqual(fakes.make_record(), self.records.load(fakes.UUID))
        self.assertEqual([f'{fakes.UUID}.json'], os.listdir(self.directory))

    def test_a_record_that_cannot_be_removed(self):
        self._path().mkdir(parents=True)
        error = self.assertRaises(exception.ConfigurationError,
                                  self.records.forget, fakes.UUID)
        self.assertIn('[dmore] record_dir: ', str(error))

    def _path(self, uuid=fakes.UUID):
        return self.directory / f'{uuid}.json'

    def test_a_link_is_no_record(self):
        self.records.save(fakes.make_record())
        victim = self.directory / 'victim'
        self._path().rename(victim)
        self._path().symlink_to(victim)
        self.assertIsNone(self.records.load(fakes.UUID))
        before = victim.read_text()
        self.records.save(fakes.make_record(incoming=True))
        self.assertEqual(before, victim.read_text())

    def test_a_record_that_another_may_have_written(self):
        self.records.save(fakes.make_record())
        self._path().chmod(0o660)
        self.assertIsNone(self.records.load(fakes.UUID))
        self._path().chmod(0o600)
        us = os.geteuid()
        if us == 0:
            os.chown(self._path(), 12345, -1)
        with mock.patch('os.geteuid', return_value=us and us + 1):
            self.assertIsNone(self.records.load(fakes.UUID))

    def test_a_record_of_another_pair(self):
        self.records.save(fakes.make_record(instance_uuid=OTHER_UUID))
        self.records.save(fakes.make_record())
        self._path(OTHER_UUID).rename(self._path())
        self.assertIsNone(self.records.load(fakes.UUID))

    def test_what_is_no_plain_file_holds_nobody_up(self):
        self.records.save(fakes.make_record())
        self._path().unlink()
        os.mkfifo(self._path(), 0o600)
        self.assertIsNone(self.records.load(fakes.UUID))
        self._path().unlink()
        self._path().mkdir(parents=True)
        self.assertIsNone(self.records.load(fakes.UUID))
        self._path().rmdir()
        with open(self._path(), 'wb') as large:
            large.truncate(1 << 30)
        self._path().chmod(0o600)
        self.assertIsNone(self.records.load(fakes.UUID))
