# SPDX-License-Identifier: Apache-2.0
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
