#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
#
# DevStack plugin: "enable_plugin nova-dmore <repository> main" in local.conf.
# Every phase can be run again.

DMORE_DIR=${GITDIR[nova-dmore]:-$DEST/nova-dmore}

# shellcheck source=devstack/lib/compute
source "$DMORE_DIR/devstack/lib/compute"
# shellcheck source=devstack/lib/image
source "$DMORE_DIR/devstack/lib/image"
# shellcheck source=devstack/lib/network
source "$DMORE_DIR/devstack/lib/network"

# What the plugin cannot do ends stack.sh before anything is changed.
function check_dmore {
    if ! is_ubuntu; then
        die $LINENO "nova-dmore: hosts are Debian or Ubuntu; the QEMU of" \
            "others has no ivshmem-doorbell"
    fi
    if is_service_enabled n-cpu && [[ "$VIRT_DRIVER" != "libvirt" ]]; then
        die $LINENO "nova-dmore: VIRT_DRIVER is $VIRT_DRIVER, not libvirt"
    fi
    if [[ "$NOVA_CONSOLE_PROXY_COMPUTE_TLS" == "True" ]]; then
        die $LINENO "nova-dmore: set up [dmore] vnc_tls_dir by hand instead" \
            "of NOVA_CONSOLE_PROXY_COMPUTE_TLS: the certificates of Domain R" \
            "need an authority of their own"
    fi
    # The source is in DEST, and the virtual environment in DATA_DIR.
    local path
    for path in "$DEST" "$NOVA_BIN_DIR"; do
        if [[ "$path" =~ ^/(home|root)(/|$) ]]; then
            die $LINENO "nova-dmore: the host service sees no $path; set" \
                "DEST and DATA_DIR to directories that are not in /home or" \
                "/root"
        fi
    done
}

function install_dmore {
    # Packages: those of bindep.txt without a profile, and where the image is
    # built those of the profile "image". QEMU and libvirt are DevStack's.
    local profiles=""
    if is_dmore_image_built; then
        profiles="=image"
    fi
    setup_develop -bindep$profiles "$DMORE_DIR"
}

function configure_dmore_tempest {
    iniset "$TEMPEST_CONFIG" compute-feature-enabled vnc_console True
    iniset "$TEMPEST_CONFIG" compute-feature-enabled serial_console True
}

if is_service_enabled dmore; then
    case "$1 $2" in
        "stack pre-install")
            check_dmore
            ;;
        "stack install")
            echo_summary "Installing nova-dmore"
            install_dmore
            ;;
        "stack post-config")
            if is_service_enabled n-cpu; then
                echo_summary "Configuring nova-dmore"
                configure_dmore_hostd
                configure_dmore_nova
                start_dmore_hostd
            fi
            ;;
        "stack extra")
            echo_summary "Initializing nova-dmore"
            if is_service_enabled q-svc neutron-api; then
                create_dmore_network
            fi
            if is_service_enabled n-novnc n-sproxy; then
                create_dmore_interface
            fi
            if is_service_enabled g-api; then
                upload_dmore_image
            fi
            ;;
        "stack test-config")
            if is_service_enabled tempest; then
                configure_dmore_tempest
            fi
            ;;
        "unstack ")
            stop_dmore_compute
            delete_dmore_interface
            delete_dmore_ports
            ;;
        "clean ")
            # clean.sh has run unstack.sh.
            clean_dmore_compute
            sudo rm -rf "$DMORE_IMAGE_DIR"
            pip_uninstall nova-dmore
            ;;
    esac
fi
