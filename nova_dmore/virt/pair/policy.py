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
"""Which instances get a Domain R."""

#: Extra spec of a flavor and property of an image; the value ``disabled``
#: gives a plain stock instance.
FLAVOR_KEY = 'dmore:domain_r'
IMAGE_KEY = 'image_dmore_domain_r'
DISABLED = 'disabled'


def wants_domain_r(options, instance, has_one: bool = False) -> bool:
    """Whether an instance is to have a Domain R.

    :param options: the ``[dmore]`` options.
    :param instance: its flavor and its system metadata are read; Nova keeps
        the image's properties there, prefixed with ``image_``.
    :param has_one: it has one already, which is kept when the plug-in is
        switched off.
    """
    if not options.enabled and not has_one:
        return False
    flavor_says = instance.flavor.extra_specs.get(FLAVOR_KEY, '')
    image_says = instance.system_metadata.get(IMAGE_KEY, '')
    return DISABLED not in (flavor_says.lower(), image_says.lower())
