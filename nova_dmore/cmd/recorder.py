# SPDX-License-Identifier: Apache-2.0
"""``nova-dmore-recorder``: see :mod:`nova_dmore.recorder`."""

import os
import pathlib
import sys

from nova_dmore import exception
from nova_dmore.posix import crash
from nova_dmore.posix import log
from nova_dmore.posix import privileges
from nova_dmore.recorder import options
from nova_dmore.recorder import recorder


def _make(directory: pathlib.Path) -> None:
    """Have what is recorded into.

    :raises exception.ConfigurationError: this user cannot.
    """
    try:
        directory.mkdir(mode=0o700, exist_ok=True)
    except OSError as error:
        raise exception.ConfigurationError(
            f'[recorder] directory: {error}; make it, for the user of the '
            'recorder alone') from error
    if not os.access(directory, os.W_OK):
        raise exception.ConfigurationError(
            f'[recorder] directory: this user cannot write {directory}; run '
            'this as the user of nova-dmore-hostd, and have the directory '
            'belong to that user')


def main() -> int:
    """Process entry."""
    try:
        given = options.read(sys.argv[1:])
        log.set_up('recorder', False)
        privileges.restrict()
        crash.install()
        os.umask(0o077)
        _make(given.directory)
        options.check_run_dir(given.run_dir)
        try:
            this = recorder.Recorder(given)
        except BlockingIOError as error:
            raise exception.ConfigurationError(
                f'[recorder] run_dir: another recorder runs for '
                f'{given.run_dir}; one is enough for a host') from error
        this.run()
        return 0
    except (exception.ConfigurationError, OSError) as error:
        print(f'nova-dmore-recorder: {error}', file=sys.stderr)
        return 1
