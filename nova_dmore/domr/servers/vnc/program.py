# SPDX-License-Identifier: Apache-2.0
"""How the process of the VNC sessions is built.

The image's builder and the tests use it; Domain R itself only runs the
result.
"""

import pathlib

from nova_dmore.image_builder import native

PROGRAM = native.Program(
    name='nova-dmore-vnc', folder=pathlib.Path(__file__).parent / 'native',
    sources=('process.c', 'filter.c', 'sessions.c', 'input.c', 'output.c',
             'picture.c', 'events.c', 'messages.c', 'clipboard.c', 'overlay.c',
             'text.c', 'update.c'),
    libraries=('vncserver', 'z'),
    packages='libvncserver-dev zlib1g-dev')
