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
"""Errors of nova-dmore.

Each message names the option, file or value that is wrong and what to do.
"""


class DMoreError(Exception):
    """Base of all errors raised by this package."""


class ConfigurationError(DMoreError):
    """An option, or something an option names, cannot be used."""


class ImageError(DMoreError):
    """The Domain R image is missing, damaged or of another layout version."""


class AddressError(DMoreError):
    """Domain R's port cannot be created, bound or plugged."""


class ShadowProcessError(DMoreError):
    """The shadow-device process of a pair did not start, answer or obey."""


class PairError(DMoreError):
    """Domain R could not be started, found or moved."""
