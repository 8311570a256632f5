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
    :raises ImageError: the file is not an image, or Glance refused
    """
    # Only needed here, and large: building needs no OpenStack client.
    import openstack
    from openstack import exceptions

    with tempfile.TemporaryDirectory(prefix='nova-dmore-image-') as scratch:
        manifest = image_file.unpack(path, pathlib.Path(scratch) / 'image')
    digest = image_file.digest(path)
    try:
        with openstack.connect() as cloud:
            for image in cloud.image.images(name=image_file.GLANCE_NAME):
                if ((image.status, image.visibility) ==
                        ('active', visibility) and
                        image.properties.get(image_file.DIGEST_PROPERTY)
                        == digest):
                    report(f'{digest} is in Glance already')
                    return image.id
            with steps.step(report, f'upload of version {manifest.version}'):
                image = cloud.image.create_image(
                    image_file.GLANCE_NAME, filename=str(path),
                    disk_format='raw', container_format='bare',
                    visibility=visibility, wait=True, allow_duplicates=True,
                    **{image_file.DIGEST_PROPERTY: digest,
                       image_file.LAYOUT_PROPERTY: str(wire.LAYOUT_VERSION)})
            return image.id
    except exceptions.SDKException as error:
        raise exception.ImageError(
            f'Glance did not take {path}: {error}') from error
