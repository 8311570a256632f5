# SPDX-License-Identifier: Apache-2.0
"""The file that holds an image of Domain R: reading, checking, unpacking.

One tar file, identified by the SHA-256 of its bytes, with exactly the members
of MEMBERS. Runs in ``nova-dmore-image``, which packs it; in nova-compute,
which unpacks it once per digest; and in ``nova-dmore-manage``, which lists
what was unpacked.

Anybody may have made a file that is to be unpacked: so its members are read
in their order, each after its own header, and nothing is searched for. Of the
library only the codec of a header is used: ``tarfile.open`` follows extended
headers, which say how much memory they want, and lists as many members as
there are.
"""

import contextlib
import dataclasses
import hashlib
import json
import os
import pathlib
import re
import shutil
import stat
import tarfile
import tempfile
from collections.abc import Iterable
from collections.abc import Iterator
from typing import Any, BinaryIO

from nova_dmore import exception
from nova_dmore import wire

MANIFEST = 'manifest.json'
KERNEL = 'vmlinuz'
INITRD = 'initrd'
ROOT = 'root.squashfs'
#: Members in their order, and how many bytes each may have.
MEMBERS = {MANIFEST: 1 << 16, KERNEL: 64 << 20, INITRD: 64 << 20,
           ROOT: 512 << 20}
#: So many bytes a whole image file may have; five times what one has that is
#: made by "nova-dmore-image build".
FILE_MAX = 256 << 20

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
#: What is not as it should be is shown up to so many characters.
_SHOWN = 80


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
    except (ValueError, RecursionError) as error:
        raise _damaged(f'{MANIFEST} is not JSON') from error
    if not isinstance(fields, dict):
        raise _damaged(f'{MANIFEST} is not an object')
    layout = fields.get('layout_version')
    # True and 1.0 are equal to 1.
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

    :param directory: is created, for the owner to write and for everybody to
        read; its parent must exist
    :raises ImageError: the file is damaged, too large, of another layout
        version, or cannot be written
    """
    try:
        with _whole(directory) as scratch, tar.open('rb') as archive:
            return _extract(archive, scratch)
    except OSError as error:
        raise exception.ImageError(
            f'cannot unpack {tar} to {directory}: {error}') from error


def read_manifest(directory: pathlib.Path) -> Manifest:
    """Read the manifest of an unpacked image; its members are not read.

    :raises ImageError: it is missing, damaged, or could be changed by another
        user
    """
    with _open_own(directory / MANIFEST) as file:
        data = file.read(MEMBERS[MANIFEST] + 1)
    if len(data) > MEMBERS[MANIFEST]:
        raise _damaged(f'{directory / MANIFEST} is too long')
    return parse_manifest(data)


def load(directory: pathlib.Path) -> Manifest:
    """Read the manifest of an unpacked image and check every member.

    Called before an image is used: what was verified is what QEMU opens,
    because nobody but root and the user of this process can write it.

    :raises ImageError: something is missing, was changed, or could be
        changed by another user
    """
    manifest = read_manifest(directory)
    for name, expected in manifest.sha256.items():
        with _open_own(directory / name) as file:
            if _digest_of(file, MEMBERS[name]) != expected:
                raise _damaged(f'{directory / name} was changed: remove '
                               f'{directory}')
    return manifest


class OwnerError(exception.ImageError):
    """A member belongs to another user, who could change it."""


def copy(directory: pathlib.Path, target: pathlib.Path) -> None:
    """Copy an unpacked image of which another user owns members other than
    the manifest: completely or not at all.

    What is copied is what was verified, whatever that user does meanwhile.

    :param target: a new directory, as of :func:`unpack`
    :raises ImageError: it is damaged, or cannot be written
    """
    manifest = read_manifest(directory)
    try:
        with _whole(target) as scratch:
            _write([manifest.to_json()], scratch / MANIFEST)
            for name, expected in manifest.sha256.items():
                with (_open_own(directory / name, of_others=True) as file,
                      _writing(scratch / name)):
                    found = _write(_chunks(file, MEMBERS[name]),
                                   scratch / name)
                if found != expected:
                    raise _damaged(f'{directory / name} was changed')
    except OSError as error:
        raise exception.ImageError(
            f'cannot copy {directory}: {error}') from error


@contextlib.contextmanager
def _whole(directory: pathlib.Path) -> Iterator[pathlib.Path]:
    """A directory to be filled, which is at its place if all went well, and
    nowhere if not."""
    scratch = pathlib.Path(tempfile.mkdtemp(
        prefix=f'.{directory.name}.', dir=directory.parent))
    try:
        yield scratch
        scratch.chmod(0o755)
        scratch.rename(directory)
    finally:
        shutil.rmtree(scratch, ignore_errors=True)


@contextlib.contextmanager
def _writing(path: pathlib.Path) -> Iterator[None]:
    """It is not what is read that an error is of."""
    try:
        yield
    except OSError as error:
        raise exception.ImageError(f'cannot write {path}: {error}') from error


@contextlib.contextmanager
def _open_own(path: pathlib.Path,
              of_others: bool = False) -> Iterator[BinaryIO]:
    """Open a file that root or the user of this process alone can write.

    :param of_others: it may be one that another user owns, and changes.
    """
    try:
        # Neither a link nor a FIFO holds it up or leads elsewhere.
        descriptor = os.open(
            path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
        with open(descriptor, 'rb') as file:
            status = os.fstat(descriptor)
            if not stat.S_ISREG(status.st_mode):
                raise _damaged(f'{path} is not a plain file')
            what = (f'{path} can be written by another user '
                    f'(owner {status.st_uid}, mode '
                    f'{stat.S_IMODE(status.st_mode):04o})')
            if status.st_mode & (stat.S_IWGRP | stat.S_IWOTH):
                raise _damaged(what)
            if not of_others and status.st_uid not in (0, os.geteuid()):
                raise OwnerError(what)
            yield file
    except OSError as error:
        raise exception.ImageError(f'cannot read {path}: {error}') from error


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


def _extract(archive: BinaryIO, directory: pathlib.Path) -> Manifest:
    if os.fstat(archive.fileno()).st_size > FILE_MAX:
        raise _damaged(f'it has more than {FILE_MAX} bytes')
    data = b''.join(_member(archive, MANIFEST))
    manifest = parse_manifest(data)
    _write([data], directory / MANIFEST)
    for name in [*MEMBERS][1:]:
        found = _write(_member(archive, name), directory / name)
        if found != manifest.sha256[name]:
            raise _damaged(f'{name} has another digest than the manifest '
                           'says')
    while chunk := archive.read(_CHUNK):
        if any(chunk):
            raise _damaged(f'something comes after {ROOT}')
    return manifest


def _member(archive: BinaryIO, name: str) -> Iterator[bytes]:
    """The content of the member that comes next, which has to be this."""
    try:
        header = tarfile.TarInfo.frombuf(
            archive.read(tarfile.BLOCKSIZE), 'ascii', 'surrogateescape')
    except tarfile.TarError as error:
        raise _damaged(f'in place of {name}: {error}') from error
    if header.name != name:
        raise _damaged(f'in place of {name} comes {_shown(header.name)}')
    if (header.type not in (tarfile.REGTYPE, tarfile.AREGTYPE)
            or not 0 <= header.size <= MEMBERS[name]):
        raise _damaged(f'{name} has {header.size} bytes or is not a plain '
                       'file')
    left = header.size
    while left:
        chunk = archive.read(min(left, _CHUNK))
        if not chunk:
            raise _damaged(f'{name} is cut off')
        left -= len(chunk)
        yield chunk
    archive.read(-header.size % tarfile.BLOCKSIZE)


def _write(chunks: Iterable[bytes], target: pathlib.Path) -> str:
    """Write chunks to a file, safely on disk, and return its SHA-256."""
    digest_ = hashlib.sha256()
    with target.open('xb') as file:
        for chunk in chunks:
            digest_.update(chunk)
            file.write(chunk)
        file.flush()
        os.fsync(file.fileno())
    target.chmod(0o444)
    return digest_.hexdigest()


def _digest_of(file: BinaryIO, limit: int) -> str:
    """The SHA-256 of a file; of no more than one byte above the limit."""
    digest_ = hashlib.sha256()
    for chunk in _chunks(file, limit):
        digest_.update(chunk)
    return digest_.hexdigest()


def _chunks(file: BinaryIO, limit: int) -> Iterator[bytes]:
    """A file's content; no more than one byte above the limit."""
    left = limit + 1
    while left and (chunk := file.read(min(left, _CHUNK))):
        left -= len(chunk)
        yield chunk


def _shown(value: object) -> str:
    """A value of somebody else's, for an error."""
    text = ascii(value)
    return text if len(text) <= _SHOWN else text[:_SHOWN] + '...'


def _damaged(what: str) -> exception.ImageError:
    return exception.ImageError(
        f'the Domain R image is damaged or is not one: {what}')
