# SPDX-License-Identifier: Apache-2.0
"""Builds what of Domain R is written in C: programs, and Python's modules.

Domain R itself only runs the result.
"""

import dataclasses
import pathlib
import re
from collections.abc import Iterable

from nova_dmore.image_builder import steps


#: Writes a module's glue; its arguments are the module's name, what Python
#: sees of it, the text that the glue begins with, and the file.
_GLUE = """
import contextlib, cffi, sys, sysconfig
name, declarations, start, path = sys.argv[1:]
ffi = cffi.FFI()
ffi.cdef(declarations)
ffi.set_source(name, start)
with contextlib.redirect_stdout(None):
    ffi.emit_c_code(path)
print(sysconfig.get_path('include'))
"""


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

    def build(self, directory: pathlib.Path,
              machine: steps.Machine = steps.HERE) -> pathlib.Path:
        """Compile it; equal sources give equal bytes.

        :param directory: an empty one, for the module and what it is made
            from
        :param machine: where
        :returns: the module's file
        :raises ImageError: the compiler or a package is missing, or it does
            not compile
        """
        advice = f'It needs the Debian packages {self.packages}.'
        declarations = re.sub(r'/\*.*?\*/', '',
                              (self.folder / self.header).read_text(),
                              flags=re.DOTALL)
        folder, there = machine.place(self.folder), machine.place(directory)
        glue, target = there / f'{self.name}.c', f'{self.name}.abi3.so'
        include = machine.run(
            [machine.interpreter, '-c', _GLUE, self.name, declarations,
             '#include <stddef.h>\n#include <stdint.h>\n'
             f'#include "{self.header}"\n', str(glue)],
            advice).strip()
        machine.run(
            ['gcc', '-O2', '-fPIC', '-shared', '-pthread',
             '-DPy_LIMITED_API', '-Wall', '-Werror',
             f'-ffile-prefix-map={there}=.', f'-ffile-prefix-map={folder}=.',
             f'-I{folder}', f'-I{include}', str(glue),
             *(str(folder / name) for name in self.sources),
             '-o', str(there / target), f'-l{self.library}',
             '-Wl,--build-id=none'], advice)
        machine.run(['strip', '--strip-unneeded', str(there / target)])
        return directory / target


@dataclasses.dataclass(frozen=True)
class Program:
    """One executable.

    :param name: of its file
    :param folder: where the sources are
    :param sources: what is compiled
    :param libraries: what they are linked to
    :param packages: Debian's, for the message if they are missing
    """

    name: str
    folder: pathlib.Path
    sources: tuple[str, ...]
    libraries: tuple[str, ...]
    packages: str

    def build(self, directory: pathlib.Path,
              machine: steps.Machine = steps.HERE) -> pathlib.Path:
        """Compile it as the image has it; equal sources give equal bytes.

        :param directory: for the program
        :param machine: where
        :returns: the program's file
        :raises ImageError: the compiler or a package is missing, or it does
            not compile
        """
        folder = machine.place(self.folder)
        target = machine.place(directory) / self.name
        machine.run(
            ['gcc', '-O2', '-fPIE', '-pie', '-pthread', '-D_FORTIFY_SOURCE=2',
             '-fstack-protector-strong', '-Wall', '-Wextra', '-Werror',
             f'-ffile-prefix-map={folder}=.', *self._inputs(folder),
             '-o', str(target), *self._linked(), '-Wl,-z,relro,-z,now',
             '-Wl,--as-needed', '-Wl,--build-id=none'],
            f'It needs the Debian packages {self.packages}.')
        machine.run(['strip', '--strip-unneeded', str(target)])
        return directory / self.name

    def build_checked(self, directory: pathlib.Path, sanitizers: str,
                      library: Iterable[str] = (), compiler: str = 'gcc'
                      ) -> pathlib.Path:
        """Compile it for tests, so that it finds its own faults.

        It does not filter its system calls: a sanitizer needs more of them.

        :param directory: for the program
        :param sanitizers: as ``-fsanitize`` takes them, for instance
            ``address,undefined`` or ``thread``
        :param library: arguments that compile the library too, so that it
            is checked as well; without, the installed one is linked to
        :returns: the program's file
        :raises ImageError: as of ``build``
        """
        target = directory / f'{self.name}-{sanitizers.replace(",", "-")}'
        steps.run(
            [compiler, '-O1', '-g', '-fno-omit-frame-pointer', '-pthread',
             f'-fsanitize={sanitizers}', '-fno-sanitize-recover=undefined',
             '-DNO_FILTER', *self._inputs(self.folder), '-o', str(target),
             *(tuple(library) or self._linked())],
            f'It needs the Debian packages {self.packages}.')
        return target

    def _linked(self) -> list[str]:
        return [f'-l{library}' for library in self.libraries]

    def _inputs(self, folder: pathlib.Path) -> list[str]:
        return [f'-I{folder}', *(str(folder / name) for name in self.sources)]
