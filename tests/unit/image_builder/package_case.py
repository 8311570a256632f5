# SPDX-License-Identifier: Apache-2.0
"""Packages that are installed for a test."""

import importlib
import pathlib
import sys
import tempfile
import unittest
from collections.abc import Mapping
from unittest import mock

OWN = ['ssh = nova_dmore.domr.servers.ssh\n']


class PackageCase(unittest.TestCase):

    def install(self, files: Mapping[str, str]) -> pathlib.Path:
        """Put files into a new folder of Python's path, and return that."""
        temporary = tempfile.TemporaryDirectory()
        self.addCleanup(temporary.cleanup)
        folder = pathlib.Path(temporary.name)
        for name, text in files.items():
            path = folder / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text)
        patch = mock.patch.object(sys, 'path', [str(folder), *sys.path])
        patch.start()
        self.addCleanup(patch.stop)
        importlib.invalidate_caches()
        return folder
