# SPDX-License-Identifier: Apache-2.0
"""The configuration that the commands read, and what they may be given."""

import argparse
import os
import pwd
from collections.abc import Sequence

from oslo_config import cfg
from oslo_utils import uuidutils

from nova_dmore import conf as dmore_conf
from nova_dmore import conf_file
from nova_dmore import exception


def files() -> list[str]:
    """The files that nova-compute reads where no ``--config-file`` is given,
    those of them that there are."""
    return [*cfg.find_config_files('nova', 'nova'),
            *cfg.find_config_files('nova', 'nova-compute')]


def dmore(given: Sequence[str] | None) -> cfg.ConfigOpts.GroupAttr:
    """The ``[dmore]`` options alone: without Nova, so at once.

    :param given: ``--config-file``.
    :raises nova_dmore.exception.ConfigurationError: they cannot be read.
    """
    conf = cfg.ConfigOpts()
    dmore_conf.register(conf)
    read(conf, given)
    return conf.dmore


def read(conf: cfg.ConfigOpts, given: Sequence[str] | None) -> None:
    """Read the files of nova-compute.

    :param given: ``--config-file``.
    :raises nova_dmore.exception.ConfigurationError: they cannot be read, or
        an option of ``[dmore]`` cannot be used.
    """
    conf_file.parse(conf, [], files() if given is None else given,
                    project='nova')
    dmore_conf.check(conf)


def check_user(options: cfg.ConfigOpts.GroupAttr) -> None:
    """Have only nova-compute's user go on, not root either: root would find
    each record to be another user's, and leave files that are its own.

    :param options: ``[dmore]``.
    :raises nova_dmore.exception.ConfigurationError: this is another user.
    """
    try:
        owner = os.stat(options.record_dir).st_uid
    except FileNotFoundError:
        return      # nova-compute has not kept a record yet
    if owner == os.geteuid():
        return
    try:
        name = pwd.getpwuid(owner).pw_name
    except KeyError:
        name = f'#{owner}'
    raise exception.ConfigurationError(
        f'{options.record_dir} belongs to the user {name}: run it as that '
        f'user (sudo -u {name} ...)')


def uuid(text: str) -> str:
    """The uuid of an instance, as it is given on the command line."""
    if not uuidutils.is_uuid_like(text):
        raise argparse.ArgumentTypeError(f'{text!a} is no uuid')
    return text.lower()
