# SPDX-License-Identifier: Apache-2.0
"""How the cipher is built.

The image's builder and the tests use it; Domain R itself only loads the
result.
"""

import pathlib

from nova_dmore.image_builder import native

MODULE = native.Native(
    name='nova_dmore_cipher', folder=pathlib.Path(__file__).parent / 'native',
    header='chacha.h', sources=('chacha.c',), library='crypto',
    packages='libssl-dev and python3-dev')
