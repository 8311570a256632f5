# SPDX-License-Identifier: Apache-2.0

import json
import unittest

from tests.unit import tools  # noqa: F401
from laboratory.testbed import emulator


def _backend(size, **more):
    return json.dumps({'qom-type': 'memory-backend-ram', 'id': 'pc.ram',
                       'size': size, **more})


class ChangedTest(unittest.TestCase):

    def test_emulated_memory_gets_a_size_that_migrates_whole(self):
        changed = emulator.changed([
            '-accel', 'tcg,tb-size=64', '-m', '256', '-object',
            _backend(256 << 20), '-S'])
        self.assertEqual('262152k', changed[3])
        self.assertEqual(262152 * 1024, json.loads(changed[5])['size'])
        self.assertEqual('-S', changed[6])

    def test_as_newer_libvirt_says_it(self):
        for given, changed in (('size=262144k', 'size=262152k'),
                               ('size=262152k', 'size=262152k'),
                               ('size=262144k,slots=2,maxmem=524288k', None)):
            self.assertEqual(
                ['-accel', 'tcg', '-m', changed or given],
                emulator.changed(['-accel', 'tcg', '-m', given]))

    def test_one_machine_type_boots_through_uefi(self):
        machine = f'{emulator.UEFI_MACHINE},usb=off'
        self.assertEqual(
            ['-machine', machine, '-bios', '/usr/share/ovmf/OVMF.fd'],
            emulator.changed(['-machine', machine]))
        arguments = ['-machine', 'pc-i440fx-7.2,usb=off']
        self.assertEqual(arguments, emulator.changed(arguments))

    def test_what_is_odd_already_stays(self):
        odd = _backend((96 << 20) + 8192)
        self.assertEqual(
            ['-accel', 'tcg', '-object', odd, '-m', '98312k'],
            emulator.changed(['-accel', 'tcg', '-object', odd, '-m',
                              '98312k']))

    def test_other_objects_stay(self):
        secret = json.dumps({'qom-type': 'secret', 'id': 'masterKey0'})
        arguments = ['-accel', 'tcg', '-object', secret, '-object',
                     'memory-backend-ram,id=x,size=1048576']
        self.assertEqual(arguments, emulator.changed(arguments))

    def test_what_is_not_emulated_stays(self):
        for accelerator in ('kvm', 'none'):
            arguments = ['-accel', accelerator, '-m', '256', '-object',
                         _backend(256 << 20)]
            self.assertEqual(arguments, emulator.changed(arguments))
        self.assertEqual(['-version'], emulator.changed(['-version']))
