# SPDX-License-Identifier: Apache-2.0
"""The options of a program of this project that has a file of its own.

Runs in the host service (``hostd.conf``), in the recorder (``recorder.conf``)
and in ``nova-dmore-manage``, which finds recordings where that one has
them. The programs of Nova read ``nova.conf``, with the options of ``conf.py``.
"""

import types
from collections.abc import Sequence

from oslo_config import cfg

from nova_dmore import exception


def read(group: cfg.OptGroup, options: Sequence[cfg.Opt],
         arguments: Sequence[str]) -> types.SimpleNamespace:
    """-> the values of all options, by their names.

    Called once by ``nova-dmore-`` and the name of the group, when it starts.

    :param arguments: of its command line, without the program; without
        ``--config-file`` there the file is NAME.conf where oslo.config finds
        those of nova-dmore.
    :raises exception.ConfigurationError: an option cannot be used.
    """
    conf = cfg.ConfigOpts()
    conf.register_group(group)
    conf.register_opts(options, group=group)
    try:
        conf(arguments, project='nova-dmore', prog=f'nova-dmore-{group.name}',
             default_config_files=cfg.find_config_files(
                 project='nova-dmore', prog=group.name))
        # Only now each value is checked.
        return types.SimpleNamespace(**{
            each.dest: conf[group.name][each.dest] for each in options})
    except cfg.Error as error:
        raise exception.ConfigurationError(str(error)) from error
