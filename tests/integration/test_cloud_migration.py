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
"""Live migration there and back while a user types and reads."""

from tests.integration import cloud
from demolib import subject as demo_subject
from demolib import trial

_MIGRATIONS = 2
_TRIAL = demo_subject.Trial('moved', 'm1.guest', {'ssh': 0, 'serial': 1})


def setUpModule():
    MigrationTest.machine = cloud.enter()


def tearDownModule():
    cloud.leave()


class MigrationTest(cloud.CloudTest):

    def test_there_and_back(self):
        runner = trial.Runner(self.machine.api, self.machine.place,
                              self.machine.folder, self.machine.progress)
        entries = list(runner.run(_TRIAL, _MIGRATIONS))
        for entry in entries:
            self.note(str(entry))
        good = [entry for entry in entries if entry.corrupted is None]
        self.assertEqual(_MIGRATIONS, len(good),
                         'the emulator corrupted too many guests')
        for entry in good:
            for kind, user in entry.users.items():
                self.assertGreater(user.sent, 20)
                self.assertEqual(0, user.faults(), f'{kind}: {entry}')
