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
"""A fault at each phase of a live migration; ``tools/test faults`` runs all
of them at all phases."""

from tests.faults import phase_case
from tests.integration import cloud

_CASES = (
    ('destination_without_the_domain_r_image', 'begin'),
    ('abort_by_the_user', 'pre-copy'),
    ('network_between_the_hosts_cut_for_5_s', 'stop'),
    ('destination_shadow_worker_killed', 'carry over'),
    ('destination_nova_compute_killed', 'live'),
    ('destination_domain_r_killed', 'done'),
)


def setUpModule():
    FaultTest.machine = cloud.enter()


def tearDownModule():
    cloud.leave()


@phase_case.with_cases(_CASES)
class FaultTest(phase_case.PhaseTest):
    """Of a user, of a service, of a process of the pair."""
