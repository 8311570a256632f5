# SPDX-License-Identifier: Apache-2.0
"""This tree, for programs that ask which packages are installed."""

import configparser
import pathlib

ROOT = pathlib.Path(__file__).parents[2]


def make(folder: pathlib.Path) -> None:
    """Have a folder of ``PYTHONPATH`` say which options and servers of Domain
    R the tree has: what is installed may be older."""
    metadata = folder / 'nova_dmore-0.dist-info'
    metadata.mkdir()
    (metadata / 'METADATA').write_text('Name: nova-dmore\nVersion: 0\n')
    setup = configparser.ConfigParser()
    setup.read(ROOT / 'setup.cfg')
    (metadata / 'entry_points.txt').write_text('\n'.join(
        f'[{group}]\n{setup["entry_points"][group]}'
        for group in ('oslo.config.opts', 'nova_dmore.rms')))
