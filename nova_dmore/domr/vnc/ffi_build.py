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
"""Compiles the VNC sessions (``native/``) against libvncserver.

The image's builder and the integration tests call it; Domain R itself only
loads the result. The machine's headers have to be those of the Debian release
that the image is made from.
"""

import contextlib
import pathlib
import re
import sysconfig

import cffi

from nova_dmore.domr.image import steps

MODULE = 'nova_dmore_vnc'
FILE = f'{MODULE}.abi3.so'
NATIVE = pathlib.Path(__file__).parent / 'native'
_SOURCES = ('sessions.c', 'client.c', 'picture.c')


def build(directory: pathlib.Path) -> pathlib.Path:
    """Compile the extension module; equal sources give equal bytes.

    :param directory: an empty one, for the module and what it is made from
    :returns: the module's file
    :raises ImageError: the compiler or libvncserver-dev is missing, or it
        does not compile
    """
    header = (NATIVE / 'sessions.h').read_text()
    ffi = cffi.FFI()
    ffi.cdef(re.sub(r'/\*.*?\*/', '', header, flags=re.DOTALL))
    ffi.set_source(MODULE, '#include <stddef.h>\n#include <stdint.h>\n'
                   '#include "sessions.h"\n')
    glue = directory / f'{MODULE}.c'
    with contextlib.redirect_stdout(None):
        ffi.emit_c_code(str(glue))
    target = directory / FILE
    steps.run(
        ['gcc', '-O2', '-fPIC', '-shared', '-pthread', '-DPy_LIMITED_API',
         '-Wall', '-Werror',
         f'-ffile-prefix-map={directory}=.', f'-ffile-prefix-map={NATIVE}=.',
         f'-I{NATIVE}', f'-I{sysconfig.get_path("include")}',
         str(glue), *(str(NATIVE / name) for name in _SOURCES),
         '-o', str(target), '-lvncserver', '-Wl,--build-id=none'],
        'It needs the Debian packages libvncserver-dev and python3-dev.')
    steps.run(['strip', '--strip-unneeded', str(target)])
    return target
