# Licensed under the Apache License, Version 2.0 (the "License"); you may
# not use this file except in compliance with the License. You may obtain
# a copy of the License at
#
#      http://www.apache.org/licenses/LICENSE-2.0
#
# Unless required by applicable law or agreed to in writing, software
# distributed under the License is distributed on an "AS IS" BASIS, WITHOUT
# WARRANTIES OR CONDITIONS OF ANY KIND, either express or implied. See the
# License for the specific language governing permissions and limitations
# under the License.
"""What Domain R is told: the CONFIG message of :mod:`nova_dmore.wire`."""

from nova_dmore.virt import identity


def build(options, record) -> dict:
    """The CONFIG message of a pair.

    :param options: the ``[dmore]`` options.
    :param record: a :class:`nova_dmore.virt.record.PairRecord`.
    :raises nova_dmore.exception.ConfigurationError: a file that an option
        names cannot be used.
    """
    keys = identity.read_authorized_keys(options.console_authorized_keys)
    if record.key_data and identity.is_public_key(record.key_data):
        keys.append(record.key_data)
    secret = identity.read_secret(options.secret_file)
    return {
        'host_key': identity.host_key(secret, record.instance_uuid),
        'authorized_keys': keys,
        'instance_uuid': record.instance_uuid,
        'instance_name': record.instance_name,
        'address': record.address.interface,
        'gateway': record.address.gateway,
        'mac': record.address.mac,
        'mtu': record.address.mtu,
        'ssh_port': options.ssh_port,
        'serial_port': options.serial_port,
        'serial_networks': options.serial_proxy_networks,
        'scrollback_bytes': options.scrollback_kib * 1024,
        'stall_ms': options.serial_stall_ms,
    }
