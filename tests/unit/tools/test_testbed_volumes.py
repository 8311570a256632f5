# SPDX-License-Identifier: Apache-2.0
"""How volumes come to be where Cinder and Nova take them to be."""

import os
import pathlib
import shutil
import subprocess
import tempfile
import unittest

from os_brick.remotefs import remotefs

# For the path that it sets.
from tests.unit import tools  # noqa: F401
from laboratory.cloud import api
from laboratory import layout
from laboratory.testbed import conf_compute
from laboratory.testbed import settings
from laboratory.testbed import volumes

#: In the place of systemd's; tells how it was called.
_SYSTEMD_RUN = '#!/bin/sh\nprintf "%s\\n" "$@"\n'


class VolumesTest(unittest.TestCase):

    def setUp(self):
        super().setUp()
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.folder = pathlib.Path(folder.name)
        self.place = settings.Place(
            settings.Cloud(False, settings.DRIVER),
            layout.Layout(self.folder))

    def test_the_controller_has_them_where_the_driver_mounts_its_share(self):
        here, there = volumes.bind(self.place)
        options = volumes.backend(self.place)[volumes.BACKEND]
        client = remotefs.RemoteFsClient('nfs', '', nfs_mount_point_base=str(
            options['nfs_mount_point_base']))
        share = f'{options["nas_host"]}:{options["nas_share_path"]}'
        self.assertEqual(client.get_mount_point(share), there)
        self.assertEqual(str(self.place.volumes), here)
        for path in (here, there):
            self.assertTrue(os.path.isdir(path))

    def test_what_mounts_a_share_shows_the_volumes_there(self):
        volumes.configure(self.place)
        fake = self.folder / 'bin' / 'systemd-run'
        fake.parent.mkdir()
        fake.write_text(_SYSTEMD_RUN)
        fake.chmod(0o755)
        (script, there), = volumes.shown(self.place).items()
        self.assertEqual('/usr/sbin/mount.nfs', there)
        # As mount(8) calls it.
        called = subprocess.run(
            [script, volumes.SHARE, '/var/lib/nova/mnt/x', '-o', 'rw'],
            env={'PATH': f'{fake.parent}:/usr/bin:/bin'}, check=True,
            capture_output=True, text=True).stdout.splitlines()
        self.assertEqual([str(self.place.volumes), '/var/lib/nova/mnt/x'],
                         called[-2:])

    def test_the_driver_finds_it(self):
        volumes.configure(self.place)
        self.assertIn(
            shutil.which('mount.nfs',
                         path=volumes.environment(self.place)['PATH']),
            volumes.shown(self.place))

    def test_no_host_mounts_it_in_a_folder_that_is_out_here(self):
        for host in settings.COMPUTES:
            there = conf_compute.nova_compute(self.place, host)[
                'libvirt']['nfs_mount_point_base']
            self.assertFalse(pathlib.Path(there).is_relative_to(self.folder))


class DiskTest(unittest.TestCase):

    def test_an_image(self):
        self.assertEqual({'image_id': 'i'}, api.disk('i', 0))

    def test_a_volume_from_an_image(self):
        (mapped,) = api.disk('i', 2)['block_device_mapping']
        self.assertEqual(
            ('i', 'image', 'volume', 2, True),
            tuple(mapped[name] for name in (
                'uuid', 'source_type', 'destination_type', 'volume_size',
                'delete_on_termination')))
