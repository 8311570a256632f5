# SPDX-License-Identifier: Apache-2.0
"""Metrics of a host, in the text format of Prometheus.

:mod:`~.figures` is what nova-compute counts, in a file; :mod:`~.exporter` adds
what the processes of the pairs tell, and writes all of it to another file.
"""
