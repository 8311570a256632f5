# SPDX-License-Identifier: Apache-2.0
"""This tree, for programs that ask which packages are installed."""

import configparser
import pathlib

ROOT = pathlib.Path(__file__).parents[2]


def make(folder: pathlib.Path) -> None:
    """Have a folder of ``PYTHONPATH`` say which options the tree has: what is
    installed may be older."""
    metadata = folder / 'tree-0.dist-info'
    metadata.mkdir()
    (metadata / 'METADATA').write_text('Name: tree\nVersion: 0\n')
    setup = configparser.ConfigParser()
    setup.read(ROOT / 'setup.cfg')
    (metadata / 'entry_points.txt').write_text(
        '[oslo.config.opts]\n' +
        setup['entry_points']['oslo.config.opts'])
