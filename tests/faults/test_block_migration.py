# SPDX-License-Identifier: Apache-2.0
"""Live migration with disks that are per host, in a cloud of its own."""

from tests.integration import cloud
from tests.integration import test_cloud_migration


class BlockMigrationTest(cloud.OtherCloud,
                         test_cloud_migration.MigrationTest):
    """What the instance's disk has to do with its console: nothing."""

    arguments = '--block',


def load_tests(loader, _tests, _pattern):
    """Not the base class's own."""
    return loader.loadTestsFromTestCase(BlockMigrationTest)
