# SPDX-License-Identifier: Apache-2.0
"""Builds the fuzz target of Domain R's VNC sessions (``vnc_target.c``).

The library's encoders are compiled from Debian's source, so that coverage
leads into them, and so that AddressSanitizer sees what they do.
"""

import hashlib
import pathlib
import subprocess
import sys

from laboratory.progress import Failure
from nova_dmore.domr.servers.vnc import program

_TARGET = pathlib.Path(__file__).with_name('vnc_target.c')
_SOURCES = pathlib.Path('/etc/apt/sources.list.d/debian.sources')
_PACKAGE = 'libvncserver'

#: Of the library, what its Debian package is made from.
_LIBRARY = tuple(
    f'libvncserver/{name}.c' for name in (
        'main rfbserver rfbregion auth sockets stats corre hextile rre '
        'translate cutpaste httpd cursor font draw selbox cargs ultra scale '
        'rfbssl_gnutls zlib zrle zrleoutstream zrlepalettehelper tight '
        'websockets ws_decode').split()) + tuple(
    f'common/{name}.c' for name in (
        'vncauth sockets turbojpeg base64 crypto_libgcrypt').split())
#: Its pictures are small, and are to be sent in slices all the same.
_SLICE = '-DSLICE_SIZE=8192'
_LINKED = ('-lz', '-ljpeg', '-lgcrypt', '-lgnutls', '-llzo2')
_NEEDED = ('clang, libclang-rt-14-dev, libvncserver-dev, libgcrypt20-dev, '
           'libgnutls28-dev, libjpeg-dev, liblzo2-dev, zlib1g-dev and '
           'dpkg-dev')


def build(directory: pathlib.Path, sanitizers: str = 'address'
          ) -> pathlib.Path:
    """Compile the target, unless it is there; takes libFuzzer's arguments.

    :param directory: for the program and what it is made from; kept by the
        caller for the next time
    :param sanitizers: of the library and of ours; ours has UBSan too, unless
        this is ``thread``
    :returns: the program
    :raises Failure: the source cannot be had, or it does not compile
    """
    folder = program.PROGRAM.folder
    ours = [folder / name for name in program.PROGRAM.sources
            if name not in ('process.c', 'filter.c')]
    digest = hashlib.sha256(sanitizers.encode())
    for path in sorted((_TARGET, *folder.glob('*.[ch]'))):
        digest.update(path.read_bytes())
    target = directory / f'vnc-{sanitizers}-{digest.hexdigest()[:16]}'
    if target.exists():
        return target
    library = _library(directory, sanitizers)
    checks = (sanitizers if sanitizers == 'thread'
              else f'{sanitizers},undefined')
    partial = target.with_suffix('.partial')
    _run(['clang', '-O1', '-g', '-fno-omit-frame-pointer', '-pthread',
          f'-fsanitize=fuzzer,{checks}', '-fno-sanitize-recover=undefined',
          _SLICE, f'-I{folder}', str(_TARGET), *map(str, ours), *library,
          *_LINKED, '-o', str(partial)], directory)
    partial.rename(target)
    return target


def library_source(directory: pathlib.Path) -> pathlib.Path:
    """Debian's source of the library, patched; got unless it is there.

    :raises Failure: apt cannot get it
    """
    found = sorted(directory.glob(f'{_PACKAGE}-*/libvncserver'))
    if found:
        return found[-1].parent
    # The machine's own mirrors, but for sources, beside its own lists.
    try:
        text = _SOURCES.read_text()
    except OSError as error:
        raise Failure('source of libvncserver', f'{error}: it is taken from '
                      'the mirrors that are named there') from error
    (directory / 'lists' / 'partial').mkdir(parents=True, exist_ok=True)
    sources = directory / 'debian.sources'
    sources.write_text(text.replace('Types: deb\n', 'Types: deb-src\n'))
    options = ['-o', f'Dir::Etc::sourcelist={sources}',
               '-o', 'Dir::Etc::sourceparts=/dev/null',
               '-o', f'Dir::State::lists={directory / "lists"}']
    _run(['apt-get', '-q', *options, 'update'], directory)
    _run(['apt-get', '-q', *options, 'source', _PACKAGE], directory)
    return sorted(directory.glob(f'{_PACKAGE}-*/libvncserver'))[-1].parent


def _library(directory: pathlib.Path, sanitizers: str) -> list[str]:
    """Object files of the library."""
    source = library_source(directory)
    objects = directory / f'{source.name}-{sanitizers}'
    objects.mkdir(exist_ok=True)
    result = []
    for name in _LIBRARY:
        target = objects / f'{name.replace("/", "-")}.o'
        result.append(str(target))
        if target.exists():
            continue
        partial = target.with_suffix('.partial')
        _run(['clang', '-O1', '-g', '-w', '-fno-omit-frame-pointer',
              f'-fsanitize=fuzzer-no-link,{sanitizers}', '-pthread', '-c',
              f'-I{source / "libvncserver"}', f'-I{source / "common"}',
              f'-I{source}', str(source / name), '-o', str(partial)],
             directory)
        partial.rename(target)
    return result


def _run(command: list[str], directory: pathlib.Path) -> None:
    try:
        subprocess.run(command, cwd=directory, check=True,
                       stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                       text=True)
    except FileNotFoundError as error:
        raise Failure(command[0], f'is missing; needed are {_NEEDED}'
                      ) from error
    except subprocess.CalledProcessError as error:
        raise Failure(f'{command[0]} (needed are {_NEEDED})',
                      error.stdout[-4000:]) from error


if __name__ == '__main__':
    try:
        print(build(pathlib.Path(sys.argv[1])))
    except Failure as failure:
        sys.exit(str(failure))
