# SPDX-License-Identifier: Apache-2.0
"""Every fault of the catalogue at every phase of a live migration."""

from tests.faults import phase_case
from tests.integration import cloud
from laboratory.faults import catalogue


def setUpModule():
    FaultAtPhaseTest.machine = cloud.enter()


def tearDownModule():
    cloud.leave()


@phase_case.with_cases(catalogue.cases())
class FaultAtPhaseTest(phase_case.PhaseTest):
    """``tools/test faults --only source_libvirtd_killed`` runs some."""
