# SPDX-License-Identifier: Apache-2.0
"""What a cloud should have, and may lack: said at the start of nova-compute
and by ``nova-dmore-status``."""


def migration_in_clear(conf) -> str | None:
    """What is open if migrations are not encrypted; None if they are.

    ``live_migration_tunnelled`` is no substitute: whether libvirt's
    connection is encrypted depends on its URI, and Nova discourages it.

    :param conf: Nova's configuration.
    """
    if conf.libvirt.live_migration_with_native_tls:
        return None
    return ('[libvirt] live_migration_with_native_tls is off: in a live '
            'migration the memory of Domain R crosses the network between '
            'the hosts in clear, with what users type and see, and with the '
            'keys of its console; as does that of the instance itself')


def port_security_off(network: dict) -> str | None:
    """What is open if a network has no port security; None if it has.

    Where Neutron knows no ``port_security_enabled``, all ports have it.

    :param network: the management network, as Neutron has it.
    """
    if network.get('port_security_enabled') is not False:
        return None
    return (f'port security of network {network.get("name")} '
            f'({network["id"]}), which is [dmore] management_network, is '
            'switched off: nothing but Domain R itself decides who may '
            'connect to it, and nothing keeps a Domain R that was broken '
            'into from using the addresses of others; "openstack network set '
            f'--enable-port-security {network["id"]}" switches it on for new '
            'ports')
