# SPDX-License-Identifier: Apache-2.0
"""The configuration that the commands read, and what they may be given."""

import argparse
from collections.abc import Sequence

from oslo_config import cfg
from oslo_utils import uuidutils

from nova_dmore import conf as dmore_conf
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
    :raises nova_dmore.exception.ConfigurationError: they cannot be read.
    """
    try:
        conf([], project='nova',
             default_config_files=files() if given is None else given)
    except cfg.Error as error:
        raise exception.ConfigurationError(str(error)) from error


def uuid(text: str) -> str:
    """The uuid of an instance, as it is given on the command line."""
    if not uuidutils.is_uuid_like(text):
        raise argparse.ArgumentTypeError(f'{text!a} is no uuid')
    return text.lower()
