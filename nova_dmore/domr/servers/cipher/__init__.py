# SPDX-License-Identifier: Apache-2.0
"""The cipher that most SSH clients ask for first, in C.

asyncssh makes three ciphers and a tag anew for each packet. Under an emulated
processor that takes a millisecond of Python, and 25 us in C with ciphers that
are kept; it was most of what a byte of output cost.
"""
