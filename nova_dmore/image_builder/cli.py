# SPDX-License-Identifier: Apache-2.0
"""``nova-dmore-image``: builds Domain R's image and puts it into Glance."""

import argparse
import pathlib
import sys
import time
from collections.abc import Sequence

from nova_dmore import exception
from nova_dmore.image_builder import build
from nova_dmore.image_builder import tree
from nova_dmore.image_builder import upload
from nova_dmore import image_file
from nova_dmore import program

_DESCRIPTION = (
    'Builds the image of Domain R, and puts it into Glance. The last line of '
    'standard output is the result: the path of the file, the id of the image '
    'in Glance, or the digest.')

DEFAULT_OUTPUT = pathlib.Path('/var/cache/nova-dmore')


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog='nova-dmore-image',
                                     description=_DESCRIPTION)
    commands = parser.add_subparsers(dest='command', required=True)
    command = commands.add_parser(
        'build', help='build the image file from Debian packages (root)')
    command.add_argument(
        '--output', type=pathlib.Path, default=DEFAULT_OUTPUT, metavar='DIR',
        help='directory for the image file (default: %(default)s); a file '
        'there that was made from the same sources is kept')
    command.add_argument(
        '--rebuild', action='store_true',
        help='build even if nothing changed here, for newer Debian packages')
    command.add_argument(
        '--suite', choices=tree.SUITES, default=build.SUITE,
        help="Debian's release that it is made from (default: %(default)s)")
    command.add_argument(
        '--mirror', action='append', default=[], metavar='URL',
        help='where the packages are: a URL, or a line of sources.list; may '
        "be repeated (default: this machine's own, if it has that release, "
        "else Debian's)")
    command = commands.add_parser(
        'upload', help='put an image file into Glance, with the cloud and '
        'credentials of the OS_* environment variables')
    command.add_argument('file', type=pathlib.Path, metavar='FILE',
                         help='as "build" has made it')
    command.add_argument(
        '--private', action='store_true',
        help='do not make the image public; then its id must be in [dmore] '
        'image, or its digest in [dmore] image_digest: every user can give a '
        'private image any name')
    command = commands.add_parser(
        'digest', help='print the digest of an image file')
    command.add_argument('file', type=pathlib.Path, metavar='FILE',
                         help='as "build" has made it')
    return parser


def main(argv: Sequence[str] | None = None) -> int:
    """Entry point of the command; returns its exit status.

    The last line of standard output is the result: the path of the file that
    was built, the id of the image in Glance, or the digest.
    """
    return program.run('nova-dmore-image', lambda: _command(argv))


def _command(argv: Sequence[str] | None) -> int:
    arguments = _parser().parse_args(argv)
    started = time.monotonic()

    def report(text: str) -> None:
        print(f'[{time.monotonic() - started:6.1f} s] {text}',
              file=sys.stderr, flush=True)

    try:
        if arguments.command == 'build':
            path = build.build(arguments.output, report, arguments.rebuild,
                               arguments.suite, arguments.mirror)
            report(f'{path}: {path.stat().st_size / 1e6:.1f} MB, sha256 '
                   f'{image_file.digest(path)}; a Domain R gets '
                   f'{build.MEMORY_MIB} MiB of guest memory')
            print(path)
        elif arguments.command == 'upload':
            print(upload.upload(
                arguments.file, report,
                'private' if arguments.private else 'public'))
        else:
            print(image_file.digest(arguments.file))
    except exception.ImageError as error:
        print(f'nova-dmore-image: {error}', file=sys.stderr)
        return 1
    return 0


if __name__ == '__main__':
    sys.exit(main())
