# SPDX-License-Identifier: Apache-2.0
"""Puts an image file into Glance."""

import pathlib
import tempfile

from nova_dmore import exception
from nova_dmore.image_builder import steps
from nova_dmore import image_file
from nova_dmore import wire


def upload(path: pathlib.Path, report: steps.Report,
           visibility: str = 'public') -> str:
    """Upload a valid image file; returns the id of the image in Glance.

    An active image of the same digest is left as it is and its id returned.
    The cloud and the credentials come from the OS_* environment variables.

    :param visibility: ``public``, which only an operator can make an image
        (so nova-compute trusts one of the right name), or ``private``
    :raises ImageError: the file is not an image, the environment names no
        cloud, Glance refused, or openstacksdk is not there
    """
    # Only needed here, and large: building needs no OpenStack client.
    try:
        from keystoneauth1 import exceptions as keystone_exceptions
        import openstack
        from openstack import exceptions
    except ImportError as error:
        raise exception.ImageError(
            f'{error}: install openstacksdk, which an upload needs'
        ) from error

    digest = image_file.digest(path)
    manifest = _manifest(path)
    try:
        with openstack.connect() as cloud:
            for image in cloud.image.images(name=image_file.GLANCE_NAME):
                if ((image.status, image.visibility) ==
                        ('active', visibility) and
                        image.properties.get(image_file.DIGEST_PROPERTY)
                        == digest):
                    report(f'{digest} is in Glance already')
                    return str(image.id)
            with steps.step(report, f'upload of version {manifest.version}'):
                image = cloud.image.create_image(
                    image_file.GLANCE_NAME, filename=str(path),
                    disk_format='raw', container_format='bare',
                    visibility=visibility, wait=True, allow_duplicates=True,
                    **{image_file.DIGEST_PROPERTY: digest,
                       image_file.LAYOUT_PROPERTY: str(wire.LAYOUT_VERSION)})
            return str(image.id)
    except (exceptions.ConfigException,
            keystone_exceptions.MissingRequiredOptions) as error:
        raise exception.ImageError(
            f'the environment names no cloud and credentials ({error}): set '
            'OS_CLOUD, or source the file with the OS_* variables of an '
            'administrator') from error
    except (exceptions.SDKException,
            keystone_exceptions.ClientException) as error:
        raise exception.ImageError(
            f'Glance did not take {path}: {error}') from error


def _manifest(path: pathlib.Path) -> image_file.Manifest:
    """:raises ImageError: the file is not an image"""
    with tempfile.TemporaryDirectory(prefix='nova-dmore-image-') as scratch:
        try:
            return image_file.unpack(path, pathlib.Path(scratch) / 'image')
        except exception.ImageError as error:
            raise exception.ImageError(
                f'{path}: {error}; "nova-dmore-image build" makes one, its '
                'last line is the file') from error
