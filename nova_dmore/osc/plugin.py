# SPDX-License-Identifier: Apache-2.0
"""Entry point ``openstack.cli.extension``: the commands of the group
``openstack.dmore.v1``."""

import argparse
from typing import Any

API_NAME = 'dmore'
API_VERSION_OPTION = 'os_dmore_api_version'
API_VERSIONS = ('1',)
DEFAULT_API_VERSION = '1'


def make_client(instance: Any) -> None:
    """There is no service of its own: Nova's is asked."""


def build_option_parser(parser: argparse.ArgumentParser
                        ) -> argparse.ArgumentParser:
    """Options that all commands have: none."""
    return parser
