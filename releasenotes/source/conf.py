# SPDX-License-Identifier: Apache-2.0
"""Sphinx: the release notes, made by reno from releasenotes/notes."""

project = 'nova-dmore'
copyright = 'nova-dmore developers'
extensions = ['openstackdocstheme', 'reno.sphinxext']
html_theme = 'openstackdocs'
