# SPDX-License-Identifier: Apache-2.0
"""The ``[recorder]`` options, in a file of their own."""

import os
import pathlib
from collections.abc import Sequence

from oslo_config import cfg

from nova_dmore import conf_file
from nova_dmore import exception
from nova_dmore.recorder import recorder

GROUP = cfg.OptGroup('recorder', title='The recorder of serial consoles')

OPTIONS = [
    cfg.Opt(
        'run_dir', type=conf_file.AbsolutePath(), default='/run/nova-dmore',
        help='Directory of the host service: [hostd] run_dir of its '
             'configuration. The recorder runs as the user of that service.'),
    cfg.Opt(
        'directory', type=conf_file.AbsolutePath(),
        default='/var/lib/nova-dmore-recorder',
        help='Directory for what is recorded, with a folder for each '
             'instance. It must belong to the user of the recorder, and '
             'nobody else should be able to read it.'),
    cfg.IntOpt(
        'max_mib', default=64, min=1, max=1 << 20,
        help='How much of the disk the recording of one instance may take, '
             'about, in MiB. Its oldest quarter gives way to what comes.'),
    cfg.IntOpt(
        'keep_days', default=30, min=0,
        help='For how many days the recording of an instance is kept that is '
             'on this host no more, since it was deleted, or has moved.'),
]


def list_opts() -> list[tuple[cfg.OptGroup, list[cfg.Opt]]]:
    """Entry point ``oslo.config.opts``."""
    return [(GROUP, OPTIONS)]


def read(arguments: Sequence[str]) -> recorder.Options:
    """-> :class:`nova_dmore.recorder.recorder.Options`.

    :param arguments: of the command line, without the program.
    :raises exception.ConfigurationError: an option cannot be used.
    """
    given = conf_file.read(GROUP, OPTIONS, arguments)
    return recorder.Options(
        os.path.abspath(given.run_dir), pathlib.Path(given.directory),
        given.max_mib << 20, given.keep_days * 86400.0)


def check_run_dir(run_dir: str) -> None:
    """See that the host service has been there.

    :raises exception.ConfigurationError: it has not, or this user may not
        look.
    """
    try:
        os.listdir(run_dir)
    except OSError as error:
        raise exception.ConfigurationError(
            f'[recorder] run_dir: {error}; it is made by nova-dmore-hostd, '
            'whose user this has to be run as, or as root') from error
