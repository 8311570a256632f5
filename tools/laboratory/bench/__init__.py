# SPDX-License-Identifier: Apache-2.0
"""``tools/bench``: a console through Domain R against the stock one."""
