# SPDX-License-Identifier: Apache-2.0
"""How init is built, and the users it knows.

The image's builder and the tests use it. The machine's headers have to be
those of the Debian release that the image is made from.
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


def compile_init(directory: pathlib.Path) -> pathlib.Path:
    """Compile init; equal sources give equal bytes.

    :param directory: where to
    :returns: the program
    :raises ImageError: the compiler or a package is missing, or it does not
        compile
    """
    target = directory / 'init'
    steps.run(
        ['gcc', *FLAGS, '-fPIE', '-pie', '-Wl,-z,relro,-z,now',
         f'-ffile-prefix-map={FOLDER}=.', '-Wl,--build-id=none',
         *map(str, sorted(FOLDER.glob('*.c'))), '-o', str(target),
         *LIBRARIES],
        f'It needs the Debian packages {", ".join(PACKAGES)}.')
    steps.run(['strip', str(target)])
    return target


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
