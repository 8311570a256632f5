# SPDX-License-Identifier: Apache-2.0
"""How init is built, and the users it knows.

The image's builder and the tests use it.
"""

import pathlib
from collections.abc import Iterable

from nova_dmore.image_builder import steps

FOLDER = pathlib.Path(__file__).parent

#: Numbers of the users in Domain R, and of the group of each.
USERS = {'init': 100, 'agent': 101, 'vnc': 102}

FLAGS = ('-O2', '-Wall', '-Wextra', '-Werror',
         # Members of the protocol's packed structures are only copied.
         '-Wno-address-of-packed-member', '-D_FORTIFY_SOURCE=2',
         '-fstack-protector-strong',
         *(f'-D{name.upper()}_ID={number}' for name, number in USERS.items()))
LIBRARIES = ('-lmnl', '-lnftnl', '-lseccomp')
#: Debian's, with the headers.
PACKAGES = ('libmnl-dev', 'libnftnl-dev', 'libseccomp-dev')


def compile_init(directory: pathlib.Path,
                 machine: steps.Machine = steps.HERE) -> pathlib.Path:
    """Compile init; equal sources give equal bytes.

    :param directory: where to
    :param machine: where it is compiled
    :returns: the program
    :raises ImageError: the compiler or a package is missing, or it does not
        compile
    """
    folder = machine.place(FOLDER)
    target = machine.place(directory) / 'init'
    machine.run(
        ['gcc', *FLAGS, f'-DPYTHON="{machine.interpreter}"',
         '-fPIE', '-pie', '-Wl,-z,relro,-z,now',
         f'-ffile-prefix-map={folder}=.', '-Wl,--build-id=none',
         *(str(folder / source.name) for source in sorted(FOLDER.glob('*.c'))),
         '-o', str(target), *LIBRARIES],
        f'It needs the Debian packages {", ".join(PACKAGES)}.')
    machine.run(['strip', str(target)])
    return directory / 'init'


def passwd() -> str:
    """The image's /etc/passwd: nobody logs in."""
    return _lines(f'{name}:x:{number}:{number}::/:/nonexistent'
                  for name, number in {'root': 0, **USERS}.items())


def group() -> str:
    """The image's /etc/group."""
    return _lines(f'{name}:x:{number}:'
                  for name, number in {'root': 0, **USERS}.items())


def _lines(lines: Iterable[str]) -> str:
    return ''.join(f'{line}\n' for line in lines)
