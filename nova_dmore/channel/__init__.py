# SPDX-License-Identifier: Apache-2.0
"""The channel of a pair: region, rings, doorbells, what is carried over.

It runs on the host and in Domain R and imports only the standard library
and :mod:`nova_dmore.wire`.
"""
