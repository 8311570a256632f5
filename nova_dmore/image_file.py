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
"""The file that holds an image of Domain R: reading, checking, unpacking.

One tar file, identified by the SHA-256 of its bytes, with exactly the members
of MEMBERS. nova-compute unpacks it once per digest; the builder packs it.
"""

import dataclasses
import hashlib
import json
import os
import pathlib
import re
import shutil
import tarfile
import tempfile
from typing import Any, IO

from nova_dmore import exception
from nova_dmore import wire

MANIFEST = 'manifest.json'
KERNEL = 'vmlinuz'
INITRD = 'initrd'
ROOT = 'root.squashfs'
#: Members in their order, and how many bytes each may have.
MEMBERS = {MANIFEST: 1 << 16, KERNEL: 64 << 20, INITRD: 64 << 20,
           ROOT: 512 << 20}

#: Name of the image in Glance, and the properties that describe it there.
GLANCE_NAME = 'nova-dmore-domr'
DIGEST_PROPERTY = 'dmore_digest'
LAYOUT_PROPERTY = 'dmore_layout_version'

MEMORY_MIB_MIN = 32
MEMORY_MIB_MAX = 1024
_VERSION = re.compile(r'[0-9A-Za-z.+~-]{1,64}')
_SHA256 = re.compile(r'[0-9a-f]{64}')
_COMMAND_LINE = re.compile(r'[0-9A-Za-z=,._ -]{0,1024}')
_CHUNK = 1 << 20
#: Characters of a wrong value that a message shows.
_SHOWN_MAX = 200


@dataclasses.dataclass(frozen=True)
class Manifest:
    """What an image says about itself, validated.

    ``memory_mib`` is what Domain R is to be given; ``command_line`` is the
    kernel's; ``sha256`` has the digest of each other member.
    """

    layout_version: int
    version: str
    memory_mib: int
    command_line: str
    sha256: dict[str, str]

    def to_json(self) -> bytes:
        """The bytes of the manifest member: equal manifests, equal bytes."""
        return (json.dumps(dataclasses.asdict(self), indent=1, sort_keys=True)
                + '\n').encode()


def parse_manifest(data: bytes) -> Manifest:
    """Validate a manifest member.

    :raises ImageError: it is malformed or of another layout version
    """
    try:
        fields: Any = json.loads(data)
    except (RecursionError, ValueError) as error:
        raise _damaged(f'{MANIFEST} is not JSON') from error
    if not isinstance(fields, dict):
        raise _damaged(f'{MANIFEST} is not an object')
    layout = fields.get('layout_version')
    if type(layout) is not int or layout != wire.LAYOUT_VERSION:
        raise exception.ImageError(
            f'the Domain R image has layout version {_shown(layout)}, this '
            f'nova-dmore needs {wire.LAYOUT_VERSION}: build and upload it '
            'again with nova-dmore-image of the same release')
    memory, digests = fields.get('memory_mib'), fields.get('sha256')
    if (type(memory) is not int
            or not MEMORY_MIB_MIN <= memory <= MEMORY_MIB_MAX):
        raise _damaged(f'memory_mib is {_shown(memory)}')
    for name, pattern in (('version', _VERSION),
                          ('command_line', _COMMAND_LINE)):
        value = fields.get(name)
        if not isinstance(value, str) or not pattern.fullmatch(value):
            raise _damaged(f'{name} is {_shown(value)}')
    if (not isinstance(digests, dict)
            or set(digests) != {*MEMBERS} - {MANIFEST}
            or not all(isinstance(value, str) and _SHA256.fullmatch(value)
                       for value in digests.values())):
        raise _damaged(f'sha256 is {_shown(digests)}')
    return Manifest(layout, fields['version'], memory,
                    fields['command_line'], dict(digests))


def digest(path: pathlib.Path) -> str:
    """The SHA-256 of a file in hexadecimal: the identity of an image.

    :raises ImageError: it cannot be read
    """
    try:
        with path.open('rb') as file:
            return hashlib.file_digest(file, 'sha256').hexdigest()
    except OSError as error:
        raise exception.ImageError(f'cannot read {path}: {error}') from error


def unpack(tar: pathlib.Path, directory: pathlib.Path) -> Manifest:
    """Unpack an image into a new directory, completely or not at all.

    :param directory: is created; its parent must exist
    :raises ImageError: the file is damaged, of another layout version, or
        cannot be written
    """
    scratch = None
    try:
        scratch = pathlib.Path(tempfile.mkdtemp(
            prefix=f'.{directory.name}.', dir=directory.parent))
        with tar.open('rb') as file:
            manifest = _extract(file, scratch)
        scratch.chmod(0o755)
        scratch.rename(directory)
    except tarfile.TarError as error:
        raise _damaged(f'{tar}: {error}') from error
    except OSError as error:
        raise exception.ImageError(
            f'cannot unpack {tar} to {directory}: {error}') from error
    finally:
        if scratch is not None:
            shutil.rmtree(scratch, ignore_errors=True)
    return manifest


def load(directory: pathlib.Path) -> Manifest:
    """Read the manifest of an unpacked image and check every member.

    :raises ImageError: something is missing or was changed
    """
    try:
        manifest = parse_manifest((directory / MANIFEST).read_bytes())
    except OSError as error:
        raise exception.ImageError(
            f'cannot read {directory / MANIFEST}: {error}') from error
    for name, expected in manifest.sha256.items():
        if digest(directory / name) != expected:
            raise _damaged(f'{directory / name} was changed: remove '
                           f'{directory}')
    return manifest


def pack(directory: pathlib.Path, manifest: Manifest,
         tar: pathlib.Path) -> None:
    """Write an image file from a directory with the members KERNEL... ROOT.

    Equal members give equal bytes.
    """
    (directory / MANIFEST).write_bytes(manifest.to_json())
    with tarfile.open(tar, 'w', format=tarfile.USTAR_FORMAT) as archive:
        for name in MEMBERS:
            info = tarfile.TarInfo(name)
            info.size = (directory / name).stat().st_size
            with (directory / name).open('rb') as file:
                archive.addfile(info, file)


def _extract(file: IO[bytes], directory: pathlib.Path) -> Manifest:
    """Read the members one after the other, as their headers say.

    :class:`tarfile.TarFile` understands far more than such a file may have
    (links, sparse files, headers of any length that it reads into memory),
    and some of that makes it fail in ways that are no ``TarError``.
    """
    manifest = None
    for name, limit in MEMBERS.items():
        size = _read_header(file, name, limit)
        if manifest is None:
            data = _read(file, size)
            manifest = parse_manifest(data)
            (directory / MANIFEST).write_bytes(data)
        elif _copy(file, size, directory / name) != manifest.sha256[name]:
            raise _damaged(f'{name} has another digest than the manifest '
                           'says')
        _read(file, -size % tarfile.BLOCKSIZE)
    if any(file.read(tarfile.RECORDSIZE)) or file.read(1):
        raise _damaged('something follows its last member')
    assert manifest is not None     # the first of the members
    return manifest


def _read_header(file: IO[bytes], name: str, limit: int) -> int:
    """The size of the next member, which has to be the one of that name."""
    info = tarfile.TarInfo.frombuf(
        _read(file, tarfile.BLOCKSIZE), 'ascii', 'surrogateescape')
    if info.name != name:
        raise _damaged(f'a member is {info.name!a} in place of {name}')
    if (info.type not in (tarfile.REGTYPE, tarfile.AREGTYPE)
            or not 0 <= info.size <= limit):
        raise _damaged(f'{name} has {info.size} bytes or is not a plain file')
    return info.size


def _read(file: IO[bytes], size: int) -> bytes:
    """Exactly so many bytes."""
    data = file.read(size)
    if len(data) != size:
        raise _damaged('it ends too early')
    return data


def _copy(source: IO[bytes], size: int, target: pathlib.Path) -> str:
    """Write a part of a stream to a file, safely on disk.

    :returns: its SHA-256
    """
    digest_ = hashlib.sha256()
    with target.open('xb') as file:
        while size:
            chunk = _read(source, min(size, _CHUNK))
            size -= len(chunk)
            digest_.update(chunk)
            file.write(chunk)
        file.flush()
        os.fsync(file.fileno())
    target.chmod(0o644)
    return digest_.hexdigest()


def _shown(value: object) -> str:
    """A value as a message may have it: of any content, but not any length.
    """
    return ascii(value)[:_SHOWN_MAX]


def _damaged(what: str) -> exception.ImageError:
    return exception.ImageError(
        f'the Domain R image is damaged or is not one: {what}')
