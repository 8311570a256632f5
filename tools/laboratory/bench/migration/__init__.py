# SPDX-License-Identifier: Apache-2.0
"""A live migration with the stock consoles and with Domain R, measured.

``outside`` has the cloud and switches it, with the standard library alone;
``inside`` runs in the cloud's controller with the virtual environment's
Python, as ``plots`` does elsewhere.
"""
