# SPDX-License-Identifier: Apache-2.0
"""What flavors and images say of Domain R: who has one, which keyboard."""

from typing import TYPE_CHECKING

from nova_dmore import wire
if TYPE_CHECKING:
    from nova import objects
    from oslo_config import cfg

#: Extra spec of a flavor and property of an image; the value ``disabled``
#: gives a plain stock instance.
FLAVOR_KEY = 'dmore:domain_r'
IMAGE_KEY = 'image_dmore_domain_r'
DISABLED = 'disabled'
#: Properties of an image and extra spec of a flavor that name the keymap that
#: the guest has set (one of ``wire.KEYMAPS``).
IMAGE_KEYMAP_KEYS = ('image_hw_keymap', 'image_dmore_keymap',
                     'image_dmore:keymap')
FLAVOR_KEYMAP_KEY = 'dmore:keymap'


def wants_domain_r(options: 'cfg.ConfigOpts.GroupAttr',
                   instance: 'objects.Instance', has_one: bool = False
                   ) -> bool:
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


def keymap(instance: 'objects.Instance') -> str | None:
    """The keymap that the image names, else the flavor; None: neither.

    A name that is not known is none: see ``[dmore] vnc_keymap``.
    """
    named = [instance.system_metadata.get(key) for key in IMAGE_KEYMAP_KEYS]
    named.append(instance.flavor.extra_specs.get(FLAVOR_KEYMAP_KEY))
    return next((name for name in named if name in wire.KEYMAPS), None)
