# SPDX-License-Identifier: Apache-2.0
"""Parts of Domain R that are in C, compiled for the tests."""

import pathlib
import shutil
import sys
import tempfile

from nova_dmore.image_builder import native


def load(module: native.Native) -> None:
    """Compile a module and make it importable, once per process."""
    if module.name in sys.modules:
        return
    directory = pathlib.Path(tempfile.mkdtemp(prefix='dmore-native-'))
    try:
        module.build(directory)
        sys.path.insert(0, str(directory))
        __import__(module.name)
        sys.path.remove(str(directory))
    finally:
        shutil.rmtree(directory)
