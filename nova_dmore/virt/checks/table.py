# SPDX-License-Identifier: Apache-2.0
"""All checks, and what they read."""

import dataclasses
import enum
import functools
from collections.abc import Callable
from typing import Any, TYPE_CHECKING

import libvirt
from oslo_config import cfg

from nova_dmore.channel import text
from nova_dmore.client import host_service
from nova_dmore import exception
from nova_dmore.virt.checks import accelerator
from nova_dmore.virt.checks import configuration
from nova_dmore.virt.checks import host
from nova_dmore.virt.checks import image
from nova_dmore.virt.checks import network
from nova_dmore.virt.checks import other_hosts
from nova_dmore.virt.checks import result
from nova_dmore.virt import limited
from nova_dmore.virt.network import ports
from nova_dmore.virt.pair import pairs as pairs_module
from nova_dmore.virt import service_errors
if TYPE_CHECKING:
    from nova.network import neutron as nova_neutron


class When(enum.Enum):
    """When nova-compute makes a check; the command makes all."""

    #: In its start, which waits: it takes milliseconds, and asks nobody but
    #: libvirt and the host service.
    START = 'start'
    #: Beside its start.
    ASIDE = 'aside'
    #: Never: it says so by itself, or asks too many.
    NEVER = 'never'


@dataclasses.dataclass(frozen=True)
class Subject:
    """What is checked: a host, and its cloud as it sees it."""

    conf: cfg.ConfigOpts
    #: Returns a ``libvirt.virConnect``.
    connect: Callable[[], libvirt.virConnect]
    pairs: pairs_module.Pairs
    #: An admin ``RequestContext``.
    context: Any
    #: Returns what the other hosts say of themselves; see
    #: :func:`other_hosts.compare`. nova-compute does not ask them.
    ask_hosts: Callable[[], dict[str, dict[str, Any] | None]] = dict

    @property
    def virt_type(self) -> str:
        """``[libvirt] virt_type``."""
        given: str = self.conf.libvirt.virt_type
        return given

    @functools.cached_property
    def service(self) -> host_service.HostService:
        """The host service of this host; it is waited for once."""
        return host_service.HostService(self.conf.dmore.run_dir)

    @functools.cached_property
    def capabilities(self) -> str:
        """What libvirt tells of this host."""
        return str(self.connect().getCapabilities())

    def neutron(self) -> 'nova_neutron.ClientWrapper':
        """A client of Neutron."""
        return limited.neutron_of(self.context)


@dataclasses.dataclass(frozen=True)
class Check:
    """One check."""

    title: str
    function: Callable[[Subject], result.Result]
    when: When = When.START

    def of(self, subject: Subject) -> result.Result:
        """What it finds; it raises nothing that is foreseen."""
        try:
            return self.function(subject)
        except exception.ConfigurationError as error:
            return result.failure(str(error))
        except exception.DMoreError as error:
            return result.not_checked(error)
        except libvirt.libvirtError as error:
            return result.not_checked(
                f'libvirt says: {text.printable(error)}')
        except service_errors.NEUTRON as error:
            return result.not_checked(
                f'Neutron says: {text.printable(error)}')


def _management_network(subject: Subject) -> result.Result:
    found = subject.pairs.addresses.management_network()
    return network.way_back(subject.neutron().list_subnets(
        network_id=found['id'])['subnets'], subject.conf)


def _port_security(subject: Subject) -> result.Result:
    try:
        found = subject.pairs.addresses.management_network()
    except exception.ConfigurationError as error:
        return result.not_checked(error)    # another check says that it fails
    return network.port_security(found)


def _quota(subject: Subject) -> result.Result:
    found = ports.quota_of_project(subject.context)
    if found is None:
        return result.not_checked(
            'the credentials of [neutron] have no project')
    return network.quota(found)


def _hosts(subject: Subject) -> result.Result:
    return other_hosts.compare(
        other_hosts.describe(subject.conf, subject.pairs.images),
        subject.ask_hosts())


DEVICE = Check('Device of Domain R', lambda subject: host.device(
    subject.connect(), subject.virt_type))
PROCESSORS = Check('Processors of Domain R',
                   lambda subject: host.processors(subject.conf))
#: Without what these check no Domain R can be on a host.
NEEDED = (DEVICE, PROCESSORS)

CHECKS = (
    Check('Driver of nova-compute',
          lambda subject: configuration.driver(subject.conf), When.NEVER),
    Check('Threads of nova-compute',
          lambda subject: configuration.threads(subject.conf), When.NEVER),
    Check('Encrypted live migrations',
          lambda subject: configuration.native_tls(subject.conf)),
    Check('Secret of the host keys',
          lambda subject: configuration.secret(subject.conf)),
    Check('Keys of operators',
          lambda subject: configuration.authorized_keys(subject.conf)),
    Check('Authorities of VNC',
          lambda subject: configuration.authorities(subject.conf)),
    Check('Networks of the clients',
          lambda subject: configuration.networks(subject.conf)),
    Check('Reachability from the proxies',
          lambda subject: configuration.proxies(subject.conf)),
    Check('Versions of libvirt and QEMU', lambda subject: host.versions(
        subject.connect(), subject.virt_type)),
    *NEEDED,
    Check('Host service', lambda subject: host.service(subject.service)),
    Check('Group of QEMU', lambda subject: host.group(
        subject.service, subject.capabilities)),
    Check('AppArmor', lambda subject: host.apparmor(
        subject.capabilities, subject.conf.dmore.run_dir)),
    Check('Accelerator', lambda subject: accelerator.check(
        subject.connect(), subject.virt_type), When.ASIDE),
    Check('Management network', _management_network, When.ASIDE),
    Check('Port security of the management network', _port_security,
          When.NEVER),
    Check('Quota of ports', _quota, When.ASIDE),
    Check('Image of Domain R', lambda subject: image.check(
        subject.pairs.images), When.ASIDE),
    Check('Other compute hosts', _hosts, When.NEVER),
)
