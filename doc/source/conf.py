# SPDX-License-Identifier: Apache-2.0
"""Configuration of sphinx-build."""

project = 'nova-dmore'
copyright = 'nova-dmore developers'
extensions = [
    'openstackdocstheme',
    'oslo_config.sphinxconfiggen',
    'oslo_config.sphinxext',
]
html_theme = 'openstackdocs'
openstackdocs_auto_name = False
openstackdocs_repo_name = 'nova-dmore'
openstackdocs_use_storyboard = False

config_generator_config_file = [
    ('../../etc/nova-dmore/config-generator.conf', '_static/nova-dmore'),
    ('../../etc/nova-dmore/hostd-config-generator.conf', '_static/hostd'),
    ('../../etc/nova-dmore/recorder-config-generator.conf',
     '_static/recorder'),
    ('../../etc/nova-dmore/gateway-config-generator.conf', '_static/gateway')]
