# SPDX-License-Identifier: Apache-2.0
"""What Nova does to instances, and what becomes of their pairs: the table of
``tools/test operations`` and of the documentation."""
