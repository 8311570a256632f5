# SPDX-License-Identifier: Apache-2.0
"""``nova-dmore-status``: whether a cloud is as the plug-in needs it.

It reads the configuration of nova-compute, on whose host it is to be called,
as the user who runs nova-compute.
"""

import sys
from collections.abc import Sequence

import libvirt
import nova.conf
from nova import context as nova_context
from nova import exception as nova_exception
from nova.image import glance
from oslo_upgradecheck import upgradecheck
from oslo_utils import uuidutils

from nova_dmore.cmd import hypervisor
from nova_dmore import conf as dmore_conf
from nova_dmore import exception
from nova_dmore.virt.config import identity
from nova_dmore.virt.config import precondition
from nova_dmore.virt.images import credentials
from nova_dmore.virt.network import address
from nova_dmore.virt.network import port_security
from nova_dmore.virt.network import security_group
from nova_dmore.virt import service_errors

CONF = nova.conf.CONF


def _good(details: str | None = None) -> upgradecheck.Result:
    return upgradecheck.Result(upgradecheck.Code.SUCCESS, details)


def _warning(details: str) -> upgradecheck.Result:
    return upgradecheck.Result(upgradecheck.Code.WARNING, details)


def _failure(details: str) -> upgradecheck.Result:
    return upgradecheck.Result(upgradecheck.Code.FAILURE, details)


def _unless(warning: str | None) -> upgradecheck.Result:
    """What a function of ``precondition`` says."""
    return _good() if warning is None else _warning(warning)


# The library has no types.
class Checks(upgradecheck.UpgradeCommands):     # type: ignore[misc]
    """The checks of ``nova-dmore-status upgrade check``."""

    def _check_native_tls(self) -> upgradecheck.Result:
        text = precondition.migration_in_clear(CONF)
        return _unless(text)

    def _check_secret(self) -> upgradecheck.Result:
        try:
            identity.read_secrets(CONF.dmore.secret_file)
        except exception.ConfigurationError as error:
            return _failure(str(error))
        return _good()

    def _check_authorities(self) -> upgradecheck.Result:
        try:
            text = precondition.authority_ends(CONF)
        except exception.ConfigurationError as error:
            return _failure(str(error))
        return _unless(text)

    def _check_networks(self) -> upgradecheck.Result:
        try:
            security_group.wanted(CONF.dmore, CONF.vnc.enabled)
        except exception.ConfigurationError as error:
            return _failure(str(error))
        return _good()

    def _check_port_security(self) -> upgradecheck.Result:
        book = address.AddressBook(
            CONF.dmore.management_network,
            port_security.PortSecurity(
                CONF.dmore.security_groups,
                security_group.OwnGroup(frozenset)),
            nova_context.get_admin_context())
        try:
            network = book.management_network()
        except exception.ConfigurationError as error:
            return _failure(str(error))
        except exception.AddressError as error:
            return _warning(f'Not checked: {error}')
        text = precondition.port_security_off(network)
        return _unless(text)

    def _check_device(self) -> upgradecheck.Result:
        try:
            missing = precondition.device_missing(
                hypervisor.connect(), CONF.libvirt.virt_type)
        except libvirt.libvirtError as error:
            return _warning(f'Not checked: libvirt says: {error}')
        return _good() if missing is None else _failure(missing)

    def _check_image(self) -> upgradecheck.Result:
        name = CONF.dmore.image
        try:
            context = credentials.service_context()
            if uuidutils.is_uuid_like(name):
                glance.API().get(context, name)
                return _good()
            named = glance.API().get_all(context, filters={'name': name})
        except nova_exception.ImageNotFound:
            named = []
        except exception.ConfigurationError as error:
            return _failure(str(error))
        except service_errors.GLANCE as error:
            return _warning(f'Not checked: Glance says: {error}')
        if not any(image['status'] == 'active' for image in named):
            return _failure(
                f'[dmore] image: no image {name!r} in Glance; make it with '
                '"nova-dmore-image build" and "nova-dmore-image upload"')
        return _good()

    _upgrade_checks = (
        ('Encrypted live migrations', _check_native_tls),
        ('Secret of the host keys', _check_secret),
        ('Authorities of VNC', _check_authorities),
        ('Networks of the clients', _check_networks),
        ('Port security of the management network', _check_port_security),
        ('Device of Domain R', _check_device),
        ('Image of Domain R', _check_image),
    )


def main(argv: Sequence[str] | None = None) -> int:
    """Entry point of the command; returns its exit status: 0, 1 if there is
    a warning, 2 if something would not work, 255 after an error."""
    dmore_conf.register(CONF)
    status: int = upgradecheck.main(
        CONF, project='nova', upgrade_command=Checks(),
        argv=list(sys.argv[1:] if argv is None else argv))
    return status


if __name__ == '__main__':
    sys.exit(main())
