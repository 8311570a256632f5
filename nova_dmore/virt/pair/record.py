# SPDX-License-Identifier: Apache-2.0
"""What a host knows about a pair, and where it keeps that.

The records are nova-compute's own, and no other process writes them, so a
restarted one finds its pairs again without asking anybody. A host that lost
one (a reboot empties ``[dmore] record_dir``) makes the pair anew; the address
is then found in Neutron, and the host key is derived again.
"""

import contextlib
import dataclasses
import json
import os
import pathlib
import tempfile
from collections.abc import Iterator
from typing import Any

from oslo_log import log as logging
from oslo_utils import uuidutils

from nova_dmore.channel import text
from nova_dmore import exception
from nova_dmore import own_file
from nova_dmore.virt.config import identity
from nova_dmore.virt.network import address
from nova_dmore.virt import received
from nova_dmore import wire

LOG = logging.getLogger(__name__)

#: Releases without a host service kept a record beside the pair's sockets.
_EARLIER_FILE = 'pair.json'
#: A record may have so many characters; one has about one thousand.
TEXT_MAX = 1 << 17
#: Nova's and Neutron's own limits: of a name, of a public key, of what Neutron
#: says of a port's plugging.
_NAME_MAX = 255
_KEY_MAX = 1 << 16
_DETAILS_MAX = 1 << 12

#: What a record says that needs a host of a later release than the first;
#: one that says no more is the same text as ever, so that a host of the
#: first takes it. Version 2: ``secret_id``.
VERSION = 2


@dataclasses.dataclass(frozen=True)
class PairRecord:
    """One pair on this host."""

    instance_uuid: str
    instance_name: str
    project_id: str | None
    #: Digest of the image that Domain R was started from.
    digest: str
    address: address.Address
    #: The CONFIG message less the keys (they are derived when needed).
    key_data: str | None
    #: Whether the instance was started with a display of its shadow devices;
    #: if not, its VNC console is Nova's stock one.
    display: bool = False
    #: Whether it is still arriving from another host.
    incoming: bool = False
    #: Which secret of ``[dmore] secret_file`` its keys are derived from.
    secret_id: int = identity.FIRST_SECRET_ID
    #: When its Domain R is to be renewed, None: not at all; a
    #: :class:`nova_dmore.virt.pair.renewable.When`.
    renewal: str | None = None
    #: Keymap that the guest has set; None: that of ``[dmore] vnc_keymap``.
    keymap: str | None = None
    #: When the instance was built anew here, as the host before was lost, in
    #: seconds since the epoch; None: it was not.
    evacuated_at: int | None = None
    #: What a later release says besides, and this one only keeps.
    others: dict[str, Any] = dataclasses.field(default_factory=dict)


def to_json(record: PairRecord) -> str:
    """The record as text, for the file, and see :func:`to_other_host`."""
    fields = dataclasses.asdict(record)
    fields = {**fields.pop('others'), **fields}
    if record.keymap is None:
        del fields['keymap']
    if record.secret_id == identity.FIRST_SECRET_ID:
        del fields['secret_id']
    else:
        fields['version'] = VERSION
    if record.renewal is None:
        del fields['renewal']
    if record.evacuated_at is None:
        del fields['evacuated_at']
    return json.dumps(fields, sort_keys=True)


def to_other_host(record: PairRecord) -> str:
    """The record as text for the RPC between hosts.

    The console goes on there, and no more tells of the host before; one of
    the first release knows no such field.
    """
    return to_json(dataclasses.replace(record, evacuated_at=None))


def from_json(text: str) -> PairRecord:
    """The inverse of :func:`to_json`.

    :raises ValueError: it is no record.
    """
    try:
        fields = json.loads(received.text('a pair record', text, TEXT_MAX))
        version = fields.pop('version', VERSION)
        received.integer('version', version, 0, 1 << 31)
        if version > VERSION:
            raise ValueError(
                f'a pair record of version {version}; this host knows those '
                f'up to {VERSION}: upgrade it')
        fields['address'] = address.Address(**fields['address'])
        # A release that says what others must not pass over raises the
        # version.
        others = {name: fields.pop(name) for name in set(fields) - _FIELDS}
        record = PairRecord(**fields, others=others)
    except (AttributeError, TypeError, KeyError, RecursionError) as error:
        # It may name what the record says.
        raise received.wrong('a pair record', str(error)) from error
    _check(record)
    return record


_FIELDS = {field.name for field in dataclasses.fields(PairRecord)} - {'others'}


def _check(record: PairRecord) -> None:
    """Check what came from another host, or lay where QEMU may write.

    :raises ValueError: a value is not what this version writes.
    """
    received.uuid('instance_uuid', record.instance_uuid)
    received.text('instance_name', record.instance_name, _NAME_MAX)
    if record.project_id is not None:
        received.text('project_id', record.project_id, _NAME_MAX)
    received.digest('digest', record.digest)
    if record.key_data is not None:
        received.text('key_data', record.key_data, _KEY_MAX)
    if record.keymap is not None and record.keymap not in wire.KEYMAPS:
        raise received.wrong('keymap', record.keymap)
    received.boolean('display', record.display)
    received.boolean('incoming', record.incoming)
    received.integer('secret_id', record.secret_id, 0, identity.SECRET_ID_MAX)
    if record.renewal is not None:
        received.identifier('renewal', record.renewal)
    if record.evacuated_at is not None:
        received.integer('evacuated_at', record.evacuated_at, 0,
                         wire.SECONDS_MAX)
    for name in record.others:
        if not (name.isidentifier() and name.isascii() and
                len(name) <= _NAME_MAX):
            raise received.wrong('the name of a field', name)
    try:
        size = len(json.dumps(record.others, allow_nan=False))
    except RecursionError as error:
        raise received.wrong('fields of a later release', '') from error
    if size > _DETAILS_MAX:
        raise received.wrong('fields of a later release', record.others)
    port = record.address
    received.uuid('port_id', port.port_id)
    received.uuid('network_id', port.network_id)
    received.mac('mac', port.mac)
    received.interface('interface', port.interface)
    if port.gateway is not None:
        received.ip('gateway', port.gateway)
    received.integer('mtu', port.mtu, 68, 65536)
    received.text('vif_type', port.vif_type, _NAME_MAX)
    if (not isinstance(port.vif_details, dict) or
            len(json.dumps(port.vif_details)) > _DETAILS_MAX):
        raise received.wrong('vif_details', port.vif_details)


class Records:
    """The records of this host.

    :param record_dir: made when the first record is saved, if it can be.
    :param run_dir: of the pairs' folders; earlier releases kept the records
        in these.
    """

    def __init__(self, record_dir: str, run_dir: str) -> None:
        self._record_dir = pathlib.Path(record_dir)
        self._run_dir = pathlib.Path(run_dir)

    def directory(self, instance_uuid: str) -> str:
        """The folder of a pair's process."""
        return str(self._run_dir / instance_uuid)

    def save(self, record: PairRecord) -> None:
        """Write a record, whole or not at all.

        :raises nova_dmore.exception.ConfigurationError: the disk is full or
            the directory is not writable.
        """
        path = self._path(record.instance_uuid)
        with self._errors():
            self._record_dir.mkdir(mode=0o700, parents=True, exist_ok=True)
            descriptor, scratch = tempfile.mkstemp(
                dir=self._record_dir, prefix=f'{path.name}.')
            try:
                with open(descriptor, 'w') as scratch_file:
                    scratch_file.write(to_json(record))
                os.rename(scratch, path)
            except BaseException:
                os.unlink(scratch)
                raise

    def load(self, instance_uuid: str) -> PairRecord | None:
        """Read a record; None when there is none that can be used."""
        path = self._path(instance_uuid)
        if self._has_earlier(instance_uuid) and not path.exists():
            path = self._earlier_path(instance_uuid)
        try:
            record = from_json(own_file.read(path, TEXT_MAX))
            if record.instance_uuid != instance_uuid:
                raise ValueError(f'it is of {record.instance_uuid}')
            return record
        except FileNotFoundError:
            return None
        except (OSError, ValueError) as error:
            LOG.warning('Ignoring the damaged pair record %s: %s',
                        path, text.printable(error))
            return None

    def all(self) -> list[PairRecord]:
        """Every record of this host.

        :raises nova_dmore.exception.ConfigurationError: the directory cannot
            be read.
        """
        with self._errors():
            names = {name.removesuffix('.json')
                     for name in _names_in(self._record_dir)
                     if name.endswith('.json')}
        try:
            names.update(name for name in _names_in(self._run_dir)
                         if self._has_earlier(name))
        except PermissionError:
            pass    # the host service's own directory need not be readable
        records = [self.load(name) for name in sorted(names)
                   if uuidutils.is_uuid_like(name)]
        return [record for record in records if record is not None]

    def forget(self, instance_uuid: str) -> None:
        """Remove a record.

        :raises nova_dmore.exception.ConfigurationError: it cannot be.
        """
        with self._errors():
            self._path(instance_uuid).unlink(missing_ok=True)
            if self._has_earlier(instance_uuid):
                self._earlier_path(instance_uuid).unlink(missing_ok=True)

    @contextlib.contextmanager
    def _errors(self) -> Iterator[None]:
        """Say what is wrong with the directory to who set it."""
        try:
            yield
        except OSError as error:
            raise exception.ConfigurationError(
                f'[dmore] record_dir: {self._record_dir}: {error.strerror}'
            ) from error

    def _path(self, instance_uuid: str) -> pathlib.Path:
        return self._record_dir / f'{instance_uuid}.json'

    def _earlier_path(self, instance_uuid: str) -> pathlib.Path:
        return self._run_dir / instance_uuid / _EARLIER_FILE

    def _has_earlier(self, instance_uuid: str) -> bool:
        # Other folders are the host service's alone, and cannot be entered.
        return os.access(self._earlier_path(instance_uuid), os.R_OK)


def _names_in(folder: pathlib.Path) -> list[str]:
    try:
        return os.listdir(folder)
    except FileNotFoundError:
        return []
