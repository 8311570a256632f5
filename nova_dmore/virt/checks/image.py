# SPDX-License-Identifier: Apache-2.0
"""Checks whether Glance has an image of Domain R that new pairs get."""

from nova_dmore import exception
from nova_dmore.virt.checks import result
from nova_dmore.virt.images import image_store


def check(images: image_store.ImageStore) -> result.Result:
    """Whether there is one, as far as Glance's records tell; nothing is
    fetched."""
    try:
        images.newest()
    except exception.ServiceAwayError as error:
        return result.not_checked(error)
    except exception.ImageError as error:
        return result.failure(str(error))
    return result.GOOD
