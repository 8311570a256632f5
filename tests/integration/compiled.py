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
