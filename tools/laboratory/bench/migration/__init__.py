# SPDX-License-Identifier: Apache-2.0
"""A live migration with the stock consoles and with Domain R, measured."""
