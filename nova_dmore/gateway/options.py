# SPDX-License-Identifier: Apache-2.0
"""The ``[gateway]`` options of the SSH gateway.

In a file of its own, which the account that users log in to cannot read.
"""

import dataclasses
from collections.abc import Sequence

from keystoneauth1 import loading
from oslo_config import cfg

from nova_dmore import conf_file
from nova_dmore import exception

NAME = 'gateway'
GROUP = cfg.OptGroup(NAME, title='The SSH gateway of nova-dmore')

OPTIONS = [
    cfg.StrOpt(
        'management_network',
        help='Name or id of the Neutron network on which each Domain R has '
             'its port: that of [dmore] management_network of nova-compute. '
             'No default: nobody logs in without it.'),
    cfg.PortOpt(
        'ssh_port', default=22, min=1,
        help='Port of the SSH consoles: that of [dmore] ssh_port of '
             'nova-compute.'),
    cfg.IntOpt(
        'cache_seconds', default=20, min=1, max=3600,
        help='For how long an answer of Nova and Neutron is used, in seconds. '
             'A new instance is reached, and a deleted one is not any more, '
             'after this time at the latest.'),
    cfg.IntOpt(
        'stale_seconds', default=3600, min=0,
        help='For how long the last answer is used while Nova, Neutron or '
             'Keystone fails, in seconds: consoles are wanted most when '
             'something does. 0: nobody logs in then.'),
    cfg.IntOpt(
        'limit_seconds', default=20, min=1, max=100,
        help='How long a log-in waits for Nova and Neutron at most, in '
             'seconds.'),
    cfg.StrOpt(
        'region_name',
        help='Region of the Nova and Neutron that are asked. No default: the '
             'first one that Keystone names.'),
    cfg.StrOpt(
        'interface', default='internal',
        choices=['internal', 'public', 'admin'],
        help='Which of their addresses are used.'),
]


def _session_options() -> list[cfg.Opt]:
    # The time-out is that of the gateway itself.
    return [each for each in loading.get_session_conf_options()
            if each.dest in ('cafile', 'certfile', 'keyfile', 'insecure')]


def list_opts() -> list[tuple[cfg.OptGroup, list[cfg.Opt]]]:
    """Entry point ``oslo.config.opts``."""
    return [(GROUP, [*OPTIONS, *_session_options(),
                     *loading.get_auth_common_conf_options(),
                     *loading.get_auth_plugin_conf_options('v3password')])]


@dataclasses.dataclass(frozen=True)
class Options:
    """The options, which :data:`OPTIONS` explains.

    :ivar conf: with those of keystoneauth
    """

    conf: cfg.ConfigOpts
    management_network: str
    ssh_port: int
    cache_seconds: int
    stale_seconds: int
    limit_seconds: int
    region_name: str | None
    interface: str


def read(files: Sequence[str]) -> Options:
    """:raises exception.ConfigurationError: one cannot be used"""
    conf = cfg.ConfigOpts()
    conf.register_group(GROUP)
    conf.register_opts(OPTIONS, group=GROUP)
    loading.register_session_conf_options(conf, NAME)
    loading.register_auth_conf_options(conf, NAME)
    conf_file.parse(conf, [], files, project='nova-dmore',
                    prog='nova-dmore-gateway')
    found = Options(conf, **vars(conf_file.values(conf, NAME, OPTIONS)))
    if not found.management_network:
        raise exception.ConfigurationError(
            '[gateway] management_network is not set; name the Neutron '
            'network on which each Domain R has its port')
    return found
