# SPDX-License-Identifier: Apache-2.0
"""Checks of options, and of the files that they name: they ask nobody.

Each takes Nova's configuration, and raises
:class:`nova_dmore.exception.ConfigurationError` where reading an option or a
file says best what is wrong.
"""

import datetime
from typing import TYPE_CHECKING

from nova import utils

from nova_dmore.virt.checks import result
from nova_dmore.virt.config import certificate
from nova_dmore.virt.config import identity
from nova_dmore.virt.network import security_group
if TYPE_CHECKING:
    from oslo_config import cfg

#: What makes the plug-in nova-compute's driver.
_DRIVER = 'dmore.DMoreDriver'
#: So long before its end a new authority of VNC is asked for: the proxies
#: have to trust it before it comes to the hosts.
_AUTHORITY_LEFT = datetime.timedelta(days=60)


def native_tls(conf: 'cfg.ConfigOpts') -> result.Result:
    """Whether live migrations are encrypted.

    ``live_migration_tunnelled`` is no substitute: whether libvirt's
    connection is encrypted depends on its URI, and Nova discourages it.
    """
    if conf.libvirt.live_migration_with_native_tls:
        return result.GOOD
    return result.warning(
        '[libvirt] live_migration_with_native_tls is off: in a live '
        'migration the memory of Domain R crosses the network between '
        'the hosts in clear, with what users type and see, and with the '
        'keys of its console; as does that of the instance itself. Set up '
        'TLS for QEMU, and switch it on')


def secret(conf: 'cfg.ConfigOpts') -> result.Result:
    """Whether the keys of a pair can be derived."""
    identity.read_secrets(conf.dmore.secret_file)
    return result.GOOD


def authorized_keys(conf: 'cfg.ConfigOpts') -> result.Result:
    """Whether the keys of operators can be read."""
    identity.read_authorized_keys(conf.dmore.console_authorized_keys)
    return result.GOOD


def authorities(conf: 'cfg.ConfigOpts') -> result.Result:
    """Whether VNC is closed for the proxies, or will be soon."""
    if not conf.vnc.enabled or conf.dmore.vnc_tls_dir is None:
        return result.GOOD
    found = certificate.read(conf.dmore.vnc_tls_dir)
    now = datetime.datetime.now(datetime.UTC)
    found.check(now)
    end = found.server[0].not_valid_after_utc
    if end - now >= _AUTHORITY_LEFT:
        return result.GOOD
    return result.warning(
        '[dmore] vnc_tls_dir: '
        f'{found.folder / certificate.SERVER_CA_FILE} ends on '
        f'{end}; then no proxy reaches a VNC console any more. Make a '
        'new authority, and have the proxies trust both before it comes '
        'to the compute hosts')


def networks(conf: 'cfg.ConfigOpts') -> result.Result:
    """Whether the networks of the clients can be let in."""
    security_group.wanted(conf.dmore, conf.vnc.enabled)
    return result.GOOD


def proxies(conf: 'cfg.ConfigOpts') -> result.Result:
    """Whether Nova's proxies are let in at all."""
    missing = [
        f'[dmore] {option} is empty: {proxy} reaches no console of a Domain '
        f'R, so {what} is dead for every instance that has one'
        for served, option, proxy, what in (
            (conf.vnc.enabled, 'vnc_proxy_networks', 'nova-novncproxy',
             'Horizon\'s console tab ("console url show --novnc")'),
            (conf.serial_console.enabled, 'serial_proxy_networks',
             'nova-serialproxy', '"console url show --serial"'))
        if served and not conf.dmore[option]]
    if not missing:
        return result.GOOD
    return result.failure(
        f'{"; ".join(missing)}. Name the addresses that the hosts of the '
        'proxies have on the management network (192.0.2.10/32, say), or '
        'switch the console off in Nova')


def driver(conf: 'cfg.ConfigOpts') -> result.Result:
    """Whether nova-compute has the plug-in at all: any other driver of its
    makes plain instances, and says nothing of consoles."""
    if conf.compute_driver == _DRIVER:
        return result.GOOD
    return result.failure(
        f'[DEFAULT] compute_driver is {conf.compute_driver}: no instance of '
        f'this host gets a Domain R. Set it to {_DRIVER} and restart '
        'nova-compute; or, where that is so already, name the files that '
        'nova-compute reads with --config-file')


def threads(conf: 'cfg.ConfigOpts') -> result.Result:
    """Whether nova-compute runs in native threads."""
    # Nova 2026.1 has no such option.
    configured = getattr(conf, 'concurrency_backend', None)
    if utils.concurrency_mode_threading() and configured != 'eventlet':
        return result.GOOD
    return result.failure(
        '[DEFAULT] concurrency_backend is eventlet, or '
        'OS_NOVA_DISABLE_EVENTLET_PATCHING in the environment says so: '
        'nova-compute does not start with the plug-in. Set it to threading, '
        'and remove the variable (Nova 2026.1 needs it with the value true)')
