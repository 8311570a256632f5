# SPDX-License-Identifier: Apache-2.0
"""``nova-dmore-manage``: shows an operator the pairs of a host and what they
leave behind, and changes them.

To be run on a compute host, as nova-compute's user. Each noun has a module
here with a function ``add``, which makes its parser and says what it runs; a
module that is new is named in :data:`_NOUNS`. None imports Nova before its
command is known: that takes seconds.
"""

import argparse
import sys
from collections.abc import Sequence

from nova_dmore.cmd.manage import host
from nova_dmore.cmd.manage import image
from nova_dmore.cmd.manage import orphans
from nova_dmore.cmd.manage import output
from nova_dmore.cmd.manage import pair
from nova_dmore.cmd.manage import recording
from nova_dmore.cmd.manage import renew
from nova_dmore.cmd.manage import secrets
from nova_dmore.cmd.manage import session
from nova_dmore import exception
from nova_dmore import program

_PROGRAM = 'nova-dmore-manage'
_AS_USER = '; run it as the user of nova-compute'
_NOUNS = (pair, session, recording, renew, image, host, orphans, secrets)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog=_PROGRAM, description='Show the pairs of a compute host and '
        'what they leave behind, and change them. To be run on the host, as '
        'the user of nova-compute. Exit status: '
        f'{output.Status.DONE:d} done, {output.Status.ERROR:d} nothing was '
        f'done, 2 wrong command line, {output.Status.INCOMPLETE:d} not all '
        'could be done, or the answer is no.')
    parser.add_argument(
        '--config-file', action='append', metavar='FILE',
        help='of nova-compute, may be repeated (default: nova.conf and '
        'nova-compute.conf where Nova finds them)')
    nouns = parser.add_subparsers(dest='noun', required=True)
    for noun in _NOUNS:
        noun.add(nouns)
    return parser


def main(argv: Sequence[str] | None = None) -> int:
    """Entry point of the command; returns its exit status, which is an
    :class:`output.Status`, or that of :func:`program.run`.

    Standard output has the answer and nothing else.
    """
    return program.run(_PROGRAM, lambda: _command(argv), output.Status.ERROR)


def _command(argv: Sequence[str] | None) -> int:
    arguments = _parser().parse_args(argv)
    try:
        answer = arguments.run(arguments)
    except exception.DMoreError as error:
        hint = _AS_USER if isinstance(error.__cause__, PermissionError) else ''
        print(f'{_PROGRAM}: {error}{hint}', file=sys.stderr)
        return output.Status.ERROR
    except PermissionError as error:
        print(f'{_PROGRAM}: {error.filename}: {error.strerror}{_AS_USER}',
              file=sys.stderr)
        return output.Status.ERROR
    print(answer.shown(getattr(arguments, 'json', False)))
    for each in getattr(answer, 'missing', ()):
        print(f'{_PROGRAM}: {each}', file=sys.stderr)
    return int(answer.status)
