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

import json
import os
import pathlib
import stat

import fixtures

from nova_dmore.virt import record
from tests.unit.virt import fakes

OTHER_UUID = '9b0b0c52-59c1-4b0e-8f58-0a5a4c3d2b10'


class TextTest(fakes.TestCase):

    def test_there_and_back(self):
        for pair in (fakes.make_record(),
                     fakes.make_record(key_data='ssh-rsa AAAA',
                                       incoming=True, display=True),
                     fakes.make_record(secret_id=65535)):
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
            json.dumps({**good, 'more': 1}),
            *(json.dumps({**good, 'secret_id': wrong})
              for wrong in (-1, 65536, '0', None, True)),
            json.dumps({**good, 'address': None}),
            json.dumps({**good, 'address': {**good['address'], 'more': 1}}),
            json.dumps({**good, 'instance_uuid': '../../etc'}),
            json.dumps({**good, 'instance_uuid': 7}),
            json.dumps({name: good[name] for name in good
                        if name != 'digest'}),
        ]
        for text in bad:
            self.assertRaises(ValueError, record.from_json, text)

    def test_each_field_has_its_type(self):
        good = json.loads(record.to_json(fakes.make_record()))
        odd = (7, True, None, 'x', ['\x1b' * 70000], {})
        for path in (good, good['address']):
            for name, right in list(path.items()):
                for value in odd:
                    path[name] = value
                    try:
                        found = record.from_json(json.dumps(good))
                    except ValueError as error:
                        self.assertLess(len(str(error)), 500)
                        self.assertTrue(str(error).isprintable(), error)
                    else:
                        # Another value, or none where there may be none.
                        self.assertIn(type(value), (str, type(None))
                                      if name in ('key_data', 'gateway')
                                      else (type(right),), (name, found))
                path[name] = right

    def test_deep_json(self):
        self.assertRaises(ValueError, record.from_json, '[' * 50000)


class RecordsTest(fakes.TestCase):

    def setUp(self):
        super().setUp()
        self.directory = pathlib.Path(
            self.useFixture(fixtures.TempDir()).path, 'run')
        self.records = record.Records(str(self.directory))

    def test_nothing(self):
        self.assertIsNone(self.records.load(fakes.UUID))
        self.assertEqual([], self.records.all())
        self.records.remove(fakes.UUID)

    def test_save_load_remove(self):
        pair = fakes.make_record()
        self.records.save(pair)
        self.assertEqual(pair, self.records.load(fakes.UUID))
        changed = fakes.make_record(incoming=True)
        self.records.save(changed)
        self.assertEqual(changed, self.records.load(fakes.UUID))
        self.assertEqual(['pair.json'],
                         os.listdir(self.records.directory(fakes.UUID)))
        self.records.remove(fakes.UUID)
        self.assertIsNone(self.records.load(fakes.UUID))
        self.assertFalse(os.path.exists(self.records.directory(fakes.UUID)))

    def test_the_record_is_the_owners_alone(self):
        self.records.save(fakes.make_record())
        path = pathlib.Path(self.records.directory(fakes.UUID), 'pair.json')
        self.assertEqual(0o600, stat.S_IMODE(path.stat().st_mode))

    def test_all(self):
        other = fakes.make_record(instance_uuid=OTHER_UUID)
        self.records.save(other)
        self.records.save(fakes.make_record())
        (self.directory / 'lost+found').mkdir()
        self.assertEqual([fakes.make_record(), other], self.records.all())

    def test_a_damaged_record_is_none_and_hides_no_other(self):
        self.records.save(fakes.make_record())
        self.records.save(fakes.make_record(instance_uuid=OTHER_UUID))
        pathlib.Path(self.records.directory(OTHER_UUID),
                     'pair.json').write_bytes(b'{"instance_uuid": \xff')
        self.assertIsNone(self.records.load(OTHER_UUID))
        self.assertEqual([fakes.make_record()], self.records.all())

    def test_a_full_disk_leaves_the_old_record(self):
        self.records.save(fakes.make_record())
        self.useFixture(fixtures.MockPatch(
            'nova_dmore.virt.record.to_json',
            side_effect=OSError(28, 'No space left on device')))
        self.assertRaises(OSError, self.records.save,
                          fakes.make_record(incoming=True))
        self.assertEqual(fakes.make_record(), self.records.load(fakes.UUID))
