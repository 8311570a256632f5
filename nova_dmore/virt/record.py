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
"""What a host knows about a pair, and where it keeps that.

The record lies beside the pair's sockets, so a restarted nova-compute finds
its pairs again without asking anybody. A host that lost it (a reboot empties
``[dmore] run_dir``) makes the pair anew; the address is then found in
Neutron, and the host key is derived again.
"""

import dataclasses
import json
import os
import pathlib
import shutil
import types
import typing

from oslo_log import log as logging
from oslo_utils import uuidutils

from nova_dmore.channel import text
from nova_dmore.virt import address
from nova_dmore.virt import identity

LOG = logging.getLogger(__name__)

_FILE = 'pair.json'
#: Characters of a wrong record that a message shows.
_SHOWN_MAX = 200

#: What a record says that needs a host of a later release than the first;
#: one that says no more is the same text as ever, so that a host of the
#: first takes it. Version 2: ``secret_id``.
VERSION = 2


@dataclasses.dataclass(frozen=True)
class PairRecord:
    """One pair on this host."""

    instance_uuid: str
    instance_name: str
    project_id: str
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


def to_json(record: PairRecord) -> str:
    """The record as text, for the file and for the RPC between hosts."""
    fields = dataclasses.asdict(record)
    if record.secret_id == identity.FIRST_SECRET_ID:
        del fields['secret_id']
    else:
        fields['version'] = VERSION
    return json.dumps(fields, sort_keys=True)


def from_json(text: str) -> PairRecord:
    """The inverse of :func:`to_json`.

    :raises ValueError: it is no record.
    """
    try:
        fields = json.loads(text)
        version = fields.pop('version', VERSION)
        if type(version) is not int or version > VERSION:
            raise ValueError(
                f'a pair record of version {str(version)[:40]!a}; this host '
                f'knows those up to {VERSION}: upgrade it')
        fields['address'] = address.Address(**fields['address'])
        record = PairRecord(**fields)
    except (AttributeError, TypeError, KeyError, RecursionError,
            ValueError) as error:
        raise ValueError(
            f'not a pair record: {ascii(str(error))[:_SHOWN_MAX]}') from error
    for part in (record.address, record):
        _check_types(part)
    if not 0 <= record.secret_id <= identity.SECRET_ID_MAX:
        raise ValueError(f'no id of a secret: {record.secret_id!a}'[:80])
    if not uuidutils.is_uuid_like(record.instance_uuid):
        raise ValueError(
            f'no instance uuid: {record.instance_uuid[:_SHOWN_MAX]!a}')
    return record


def _check_types(value: PairRecord | address.Address) -> None:
    """What is in a record reaches XML, paths and requests.

    :raises ValueError: a field is of another type than it is declared
    """
    for name, wanted in typing.get_type_hints(type(value)).items():
        given = getattr(value, name)
        allowed = (typing.get_args(wanted)
                   if isinstance(wanted, types.UnionType)
                   else (typing.get_origin(wanted) or wanted,))
        # A bool is an int to isinstance.
        if type(given) not in allowed:
            raise ValueError(f'not a pair record: {name} is '
                             f'{ascii(given)[:_SHOWN_MAX]}')


class Records:
    """The records of this host, in ``[dmore] run_dir``.

    :param run_dir: made, with mode 0711, when the first record is saved:
        QEMU's user has to reach the sockets in it.
    """

    def __init__(self, run_dir: str):
        self._run_dir = pathlib.Path(run_dir)

    def directory(self, instance_uuid: str) -> str:
        """The directory of a pair: its sockets and its record."""
        return str(self._run_dir / instance_uuid)

    def save(self, record: PairRecord) -> None:
        """Write a record, whole or not at all.

        :raises OSError: the disk is full or the directory is not writable.
        """
        directory = pathlib.Path(self.directory(record.instance_uuid))
        directory.mkdir(mode=0o711, parents=True, exist_ok=True)
        scratch = directory / (_FILE + '.new')
        descriptor = os.open(
            scratch, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        with open(descriptor, 'w') as scratch_file:
            scratch_file.write(to_json(record))
        scratch.rename(directory / _FILE)

    def load(self, instance_uuid: str) -> PairRecord | None:
        """Read a record; None when there is none that can be used."""
        path = pathlib.Path(self.directory(instance_uuid)) / _FILE
        try:
            return from_json(path.read_text())
        except FileNotFoundError:
            return None
        except (OSError, ValueError) as error:
            LOG.warning('Ignoring the damaged pair record %s: %s',
                        path, text.printable(error))
            return None

    def all(self) -> list[PairRecord]:
        """Every record of this host."""
        try:
            names = sorted(os.listdir(self._run_dir))
        except FileNotFoundError:
            return []
        records = [self.load(name) for name in names
                   if uuidutils.is_uuid_like(name)]
        return [record for record in records if record is not None]

    def forget(self, instance_uuid: str) -> None:
        """Forget a pair, but leave what else is in its directory: the
        instance's QEMU may have its sockets there."""
        path = pathlib.Path(self.directory(instance_uuid)) / _FILE
        path.unlink(missing_ok=True)

    def remove(self, instance_uuid: str) -> None:
        """Forget a pair: the record and whatever is left beside it."""
        shutil.rmtree(self.directory(instance_uuid), ignore_errors=True)
