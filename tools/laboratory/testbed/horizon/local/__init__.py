# SPDX-License-Identifier: Apache-2.0
"""What ``openstack_dashboard.settings`` takes local settings from."""
