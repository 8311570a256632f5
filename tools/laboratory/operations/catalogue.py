# SPDX-License-Identifier: Apache-2.0
"""Every operation, and the test of each.

The tests are those of ``tests/functional``: Nova's own services, with
libvirt's fake. What a session experiences there follows from whether its
Domain R is the same one, was moved, or is a new one.
"""

import dataclasses

#: What becomes of a pair.
STAYS = 'stays'
MOVES = 'moves along'
NEW = 'a new Domain R, the same address'
GOES = 'removed, with its address'
KEPT = 'removed, its address is kept'
NONE = 'none is made'
#: What an open session experiences.
ON = 'lives on'
AGAIN = 'ends; reattaches at the same address'
ENDS = 'ends: the instance is gone'
OFF = 'ends: the instance is off all hosts'
STOCK = 'ends: stock consoles'
NO = 'none'


@dataclasses.dataclass(frozen=True)
class Operation:
    """A row of the table.

    :ivar pair: what becomes of it; ``ssh``, ``serial`` and ``vnc``: what a
        session of the kind experiences
    :ivar tests: their names below ``tests.functional``
    """

    operation: str
    pair: str
    ssh: str
    serial: str
    vnc: str
    tests: tuple[str, ...]


def _all(operation: str, pair: str, sessions: str, *tests: str) -> Operation:
    """A row in which all sessions experience the same."""
    return Operation(operation, pair, sessions, sessions, sessions, tests)


_HOST = 'test_operations.HostTest.test_'
_DELETE = 'test_operations.DeleteTest.test_'
_HERE = 'test_operations.ResizeHereTest.test_'
_MOVE = 'test_moves.MoveTest.test_'
_LIVE = 'test_migration.LiveMigrationTest.test_'
_PAUSED = 'test_live.'
_VARIETY = 'test_variety.VarietyTest.test_'
_HOSTS = 'test_variety_host.HostVarietyTest.test_'

OPERATIONS = (
    _all('create', NEW, NO, 'test_life.LifeTest.test_boot_and_delete'),
    _all('create that fails after the pair was made', GOES, NO,
         'test_life.LifeTest.test_boot_fails_after_the_pair_was_made'),
    _all('delete', GOES, ENDS, _DELETE + 'delete',
         _DELETE + 'delete_one_that_is_off',
         _DELETE + 'delete_one_that_is_suspended'),
    _all('soft delete and restore', STAYS, ON,
         _DELETE + 'soft_delete_and_restore'),
    _all('soft delete and reclaim', GOES, ENDS,
         _DELETE + 'soft_delete_and_reclaim'),
    _all('delete while shelved', GOES, ENDS, _DELETE + 'delete_while_shelved'),
    _all('delete while nova-compute is away', GOES, ENDS,
         _DELETE + 'delete_while_nova_compute_is_away'),
    _all('delete while it migrates', GOES, ENDS,
         _PAUSED + 'DeletedTest.test_while_it_migrates'),
    _all('delete while the host is lost', GOES, ENDS,
         _MOVE + 'deleted_after_its_host_was_lost'),
    _all('soft reboot', STAYS, ON, _HOST + 'soft_reboot'),
    _all('hard reboot', STAYS, ON, _HOST + 'hard_reboot'),
    _all('stop and start', STAYS, ON, _HOST + 'stop_and_start'),
    _all('the same with ``[dmore] release_ports_when_off``',
         'removed, with its address, within a minute after the stop; a new '
         'one at the start, with another address', 'ends',
         'test_care.OffTest.test_stopped_and_started',
         'test_care.OffTest.test_it_shuts_itself_down'),
    _all('pause and unpause', STAYS, ON, _HOST + 'pause_and_unpause'),
    _all('suspend and resume', STAYS, ON, _HOST + 'suspend_and_resume'),
    _all('resume where no pair can be had, and one is required',
         'the instance stays suspended', NO, 'test_start.ResumeTest.'
         'test_suspended_with_a_pair_that_is_required'),
    _all('rescue and unrescue', STAYS, ON, _HOST + 'rescue_and_unrescue'),
    _all('shelve and unshelve on the host', STAYS, ON,
         'test_operations.ShelveTest.test_shelve_and_unshelve'),
    _all('shelve, offload and unshelve', NEW, OFF + '; ' + AGAIN,
         'test_operations.ShelveTest.test_offload_and_unshelve',
         _MOVE + 'unshelved_on_the_other_host'),
    _all('rebuild', NEW, AGAIN, _HOST + 'rebuild'),
    _all('rebuild with an image that opts out', KEPT, STOCK,
         _HOST + 'rebuild_with_an_image_that_opts_out_and_back'),
    _all('resize on the same host, confirmed', STAYS, ON, _HERE + 'confirm'),
    _all('resize on the same host, reverted', STAYS, ON, _HERE + 'revert'),
    _all('resize on the same host to a flavor that opts out, confirmed',
         GOES, STOCK, _HERE + 'a_flavor_that_opts_out_confirmed'),
    _all('resize on the same host to a flavor that opts out, reverted', NEW,
         AGAIN, _HERE + 'a_flavor_that_opts_out_reverted'),
    _all('resize to another host, confirmed', NEW, AGAIN,
         _MOVE + 'resize_confirmed'),
    _all('resize to another host, reverted', NEW, AGAIN,
         _MOVE + 'resize_reverted'),
    _all('resize to another host and a flavor that opts out', GOES, STOCK,
         _MOVE + 'resize_to_a_flavor_that_opts_out'),
    _all('the same, reverted', NEW, AGAIN,
         _MOVE + 'resize_to_a_flavor_that_opts_out_reverted'),
    _all('cold migration, confirmed', NEW, AGAIN,
         _MOVE + 'cold_migration_confirmed'),
    _all('cold migration, reverted', NEW, AGAIN,
         _MOVE + 'cold_migration_reverted'),
    _all('evacuate, and the return of the lost host', NEW, AGAIN,
         _MOVE + 'evacuation_and_the_return_of_the_host'),
    _all('lock and unlock', STAYS, ON, _HOST + 'lock_and_unlock'),
    _all('snapshot', STAYS, ON, _HOST + 'snapshot',
         _HOST + 'snapshot_of_one_that_is_off'),
    _all('backup', STAYS, ON, _HOST + 'backup'),
    _all('attach and detach a volume', STAYS, ON, _HOST + 'volume'),
    _all('attach and detach an interface', STAYS, ON, _HOST + 'interface'),
    _all('console log', STAYS, ON, _HOST + 'console_log'),
    _all('live migration', MOVES, ON, _LIVE + 'together'),
    _all('live migration of a paused instance', MOVES, ON,
         _PAUSED + 'PausedTest.test_paused'),
    _all('live migration with post-copy permitted', MOVES, ON,
         _PAUSED + 'PostCopyTest.test_permitted'),
    _all('live migration over several connections (multifd)', MOVES, ON,
         _PAUSED + 'SeveralConnectionsTest.test_both_have_as_many'),
    _all('live migration, encrypted by QEMU (TLS)', MOVES, ON,
         _PAUSED + 'EncryptedTest.test_both_are'),
    _all('live migration with several serial ports', MOVES, ON,
         _LIVE + 'several_serial_ports'),
    _all('live migration that Domain R cannot follow', NEW, AGAIN,
         _LIVE + 'domain_r_fails'),
    _all('live migration that fails', STAYS, ON, _LIVE + 'the_instance_stays',
         _LIVE + 'the_instance_stays_and_domain_r_had_left'),
    _all('live migration to a named host that refuses', STAYS, ON,
         _PAUSED + 'RefusedTest.test_named_host',
         'test_operations.RefusedTest.test_live_migration_to_where_it_is'),
    _all('live migration to a host without the plug-in', KEPT, STOCK,
         'test_mixed.ToThePlainHostTest.test_there'),
    _all('boot of the host', NEW, AGAIN,
         'test_start.HostBootTest.test_all_services_answer',
         'test_start.HostBootTest.test_neutron_answers_later'),
    _all('restart of nova-compute', STAYS, ON,
         _HOST + 'restart_of_nova_compute'),
    _all('nova-compute reads its options again (SIGHUP)', STAYS, ON,
         _HOST + 'reload_of_nova_compute',
         'test_care.OptionsTest.test_a_reload'),
    Operation('an operator\'s key is taken away', STAYS,
              'ends, says so: the key was removed', ON, ON,
              ('test_care.OptionsTest.test_a_key_is_taken_away',)),
    _all('Domain R\'s port is deleted by somebody', NEW, AGAIN,
         'test_care.PortTest.test_deleted_by_somebody',
         'test_care.PortTest.test_deleted_before_a_hard_reboot'),
    _all('the same, and there can be no other one', KEPT, STOCK,
         'test_care.PortTest.test_there_can_be_no_other'),
    _all('the pair\'s record is lost', STAYS, ON,
         'test_care.RecordTest.test_lost'),
    _all('guest: several serial ports', NEW, NO,
         _VARIETY + 'several_serial_ports'),
    _all('guest: no serial console', NEW, NO, _VARIETY + 'no_serial_console'),
    Operation('guest: no VNC', NEW, NO, NO, 'none: Nova has none either',
              (_VARIETY + 'no_vnc',)),
    _all('guest: SPICE beside VNC', NEW, NO, _VARIETY + 'spice_beside_it'),
    _all('guest: hw_video_model none, virtio, vga', NEW, NO,
         _VARIETY + 'no_video', _VARIETY + 'virtio_video', _VARIETY + 'vga'),
    _all('guest: hw_pointer_model', NEW, NO, _VARIETY + 'pointer_models'),
    _all('guest: q35', NEW, NO, _VARIETY + 'q35'),
    _all('guest: UEFI, secure boot', NEW, NO, _VARIETY + 'uefi',
         _VARIETY + 'secure_boot'),
    _all('guest: a device that libvirt does not migrate', STAYS, ON,
         'test_variety.MigrationTest.test_a_device_that_is_passed_through'),
    _all('guest: config drive', NEW, NO, _VARIETY + 'config_drive'),
    _all('guest: huge pages', NEW, NO, _HOSTS + 'huge_pages'),
    _all('guest: NUMA nodes, dedicated processors', NEW, NO,
         _HOSTS + 'numa_nodes', _HOSTS + 'dedicated_processors'),
    _all('guest: memory in files', NEW, NO, _HOSTS + 'memory_in_files'),
    _all('guest: virtual TPM', NEW, NO, _HOSTS + 'tpm'),
    _all('host: aarch64', NONE, 'stock consoles; said at the start',
         _VARIETY + 'aarch64'),
)

PREFIX = 'tests.functional.'


def regex() -> str:
    """Matches the names of the tests, and of no others."""
    names = sorted({test for row in OPERATIONS for test in row.tests})
    return (r'^tests\.functional\.(' + '|'.join(
        name.replace('.', r'\.') for name in names) + ')$')


def report(passed: dict[str, bool]) -> list[dict[str, object]]:
    """What ``tools/test operations --json`` writes.

    :param passed: of each test that ended, by its full name; one that did not
        has not passed
    """
    return [{'operation': row.operation, 'pair': row.pair, 'ssh': row.ssh,
             'serial': row.serial, 'vnc': row.vnc, 'test': PREFIX + test,
             'passed': passed.get(PREFIX + test, False)}
            for row in OPERATIONS for test in row.tests]
