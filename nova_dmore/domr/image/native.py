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
"""Builds Python's extension modules that are written in C.

Domain R itself only loads the result. The machine's headers have to be those
of the Debian release that the image is made from.
"""

import contextlib
import dataclasses
import pathlib
import re
import sysconfig

import cffi

from nova_dmore.domr.image import steps


@dataclasses.dataclass(frozen=True)
class Native:
    """One module.

    :param name: as Python imports it
    :param folder: where the sources are
    :param header: what Python sees of them; cffi reads it
    :param sources: what is compiled
    :param library: what they are linked to
    :param packages: Debian's, for the message if they are missing
    """

    name: str
    folder: pathlib.Path
    header: str
    sources: tuple[str, ...]
    library: str
    packages: str

    def build(self, directory: pathlib.Path) -> pathlib.Path:
        """Compile it; equal sources give equal bytes.

        :param directory: an empty one, for the module and what it is made
            from
        :returns: the module's file
        :raises ImageError: the compiler or a package is missing, or it does
            not compile
        """
        ffi = cffi.FFI()
        ffi.cdef(re.sub(r'/\*.*?\*/', '',
                        (self.folder / self.header).read_text(),
                        flags=re.DOTALL))
        ffi.set_source(self.name, '#include <stddef.h>\n#include <stdint.h>\n'
                       f'#include "{self.header}"\n')
        glue = directory / f'{self.name}.c'
        with contextlib.redirect_stdout(None):
            ffi.emit_c_code(str(glue))
        target = directory / f'{self.name}.abi3.so'
        steps.run(
            ['gcc', '-O2', '-fPIC', '-shared', '-pthread',
             '-DPy_LIMITED_API', '-Wall', '-Werror',
             f'-ffile-prefix-map={directory}=.',
             f'-ffile-prefix-map={self.folder}=.', f'-I{self.folder}',
             f'-I{sysconfig.get_path("include")}', str(glue),
             *(str(self.folder / name) for name in self.sources),
             '-o', str(target), f'-l{self.library}', '-Wl,--build-id=none'],
            f'It needs the Debian packages {self.packages}.')
        steps.run(['strip', '--strip-unneeded', str(target)])
        return target
