# SPDX-License-Identifier: Apache-2.0
"""The manifest of an image, and that of one that is unpacked."""

import json
import pathlib
import tempfile

from laboratory.fuzz import image_file as image_part
from laboratory.fuzz import oracle, parts, reader as reader_module
from nova_dmore import exception
from nova_dmore import image_file
from nova_dmore.virt.images import image_store

_GOOD = json.loads(image_part.manifest().to_json())

SEEDS = [b'\x00' + json.dumps(_GOOD).encode(), b'\x02\xff',
         b'\x00' + b'[' * 900, b'\x01' + bytes(range(1, 200)),
         b'\x03' + bytes(range(60, 255))]


class _Store(image_store.ImageStore):
    """One that never asks Glance."""

    def __init__(self, folder: str) -> None:
        self._cache_dir = pathlib.Path(folder)


def run(data: bytes) -> None:
    """It is any bytes, or any JSON."""
    reader = reader_module.Reader(data)
    kind = reader.byte()
    if kind & 1:
        text = json.dumps(reader.changed(_GOOD)).encode()
    else:
        text = reader.rest()
        if len(text) > 800:
            text *= 40      # deeper than a parser likes
    try:
        if kind & 2:
            with tempfile.TemporaryDirectory(dir=parts.FOLDER) as folder:
                digest = 'd' * 64
                store = _Store(folder)
                store.directory(digest).mkdir()
                (store.directory(digest) / image_file.MANIFEST).write_bytes(
                    text)
                found = store.manifest(digest)
        else:
            found = image_file.parse_manifest(text)
    except exception.ImageError as error:
        oracle.check_error(error, 2000)
        return
    oracle.check(image_file.parse_manifest(found.to_json()) == found,
                 'it became another')
    oracle.check(type(found.layout_version) is int, 'the layout version')
    oracle.check('"' not in found.command_line and '\n' not in (
        found.command_line + found.version), 'the command line')
