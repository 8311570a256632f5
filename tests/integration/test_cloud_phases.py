# SPDX-License-Identifier: Apache-2.0
"""A fault at each phase of a live migration; ``tools/test faults`` runs all
of them at all phases."""

from tests.faults import phase_case
from tests.integration import cloud

_CASES = (
    ('destination_without_the_domain_r_image', 'begin'),
    ('abort_by_the_user', 'begin'),
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
    """The fault is that of a user, a service or a process of the pair."""
