# SPDX-License-Identifier: Apache-2.0
"""Write files as oslo.config reads them."""

import os
import pathlib
from collections.abc import Mapping

#: A file's sections: option names to values.
Sections = Mapping[str, Mapping[str, object]]


def render(sections: Sections) -> str:
    """The text of a file.

    :raises ValueError: a value spans lines or holds ``$``, which oslo.config
        would take as a reference to another option
    """
    lines = []
    for section, options in sections.items():
        lines.append(f'[{section}]')
        for name, value in options.items():
            text = str(value)
            if '\n' in text or '$' in text:
                raise ValueError(f'[{section}] {name} = {text!r}')
            lines.append(f'{name} = {text}')
        lines.append('')
    return '\n'.join(lines)


def merge(*layers: Sections) -> dict[str, dict[str, object]]:
    """Lay files over each other: a later option replaces an earlier one."""
    merged: dict[str, dict[str, object]] = {}
    for layer in layers:
        for section, options in layer.items():
            merged.setdefault(section, {}).update(options)
    return merged


def write(path: pathlib.Path, text: str, mode: int = 0o600) -> None:
    """Write a file that only root reads, since most hold a password."""
    path.parent.mkdir(parents=True, exist_ok=True)
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, mode)
    with os.fdopen(descriptor, 'w') as stream:
        stream.write(text)
