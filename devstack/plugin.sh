#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
#
# DevStack plugin: "enable_plugin nova-dmore <repository>" in local.conf.

DMORE_DIR=$DEST/nova-dmore

function install_dmore {
    # What builds the image of Domain R; QEMU and libvirt are DevStack's.
    install_package mmdebstrap squashfs-tools kmod gcc
    setup_develop $DMORE_DIR
}

function configure_dmore {
    if [[ ! -e $DMORE_SECRET_FILE ]]; then
        openssl rand -hex 32 | sudo install -o $STACK_USER -m 0600 \
            /dev/stdin $DMORE_SECRET_FILE
    fi
    sudo install -d -o $STACK_USER /run/nova-dmore /run/nova-dmore-records \
        /var/log/nova-dmore /var/lib/nova-dmore/images /var/lib/nova-dmore-hostd \
        $(dirname $DMORE_HOSTD_CONF)
    sudo install -o $STACK_USER -m 0644 /dev/null $DMORE_HOSTD_CONF
    iniset $DMORE_HOSTD_CONF hostd compute_user $STACK_USER
    iniset $DMORE_HOSTD_CONF hostd qemu_group $DMORE_QEMU_GROUP
    # The host service has no profile here: it runs as $STACK_USER, in DevStack's
    # own unit. libvirt's profiles take this in when a domain starts.
    local rules=/etc/apparmor.d/local/abstractions/libvirt-qemu
    if aa-enabled --quiet 2>/dev/null && ! sudo grep -qs nova-dmore $rules; then
        sudo install -d $(dirname $rules)
        sudo tee -a $rules <$DMORE_DIR/${rules#/} >/dev/null
    fi
    iniset $NOVA_CPU_CONF DEFAULT compute_driver dmore.DMoreDriver
    iniset $NOVA_CPU_CONF dmore management_network $DMORE_MANAGEMENT_NETWORK
    iniset $NOVA_CPU_CONF dmore secret_file $DMORE_SECRET_FILE
    iniset $NOVA_CPU_CONF dmore serial_proxy_networks \
        $DMORE_SERIAL_PROXY_NETWORKS
    iniset $NOVA_CPU_CONF dmore vnc_proxy_networks \
        $DMORE_VNC_PROXY_NETWORKS
}

function init_dmore {
    if ! openstack network show $DMORE_MANAGEMENT_NETWORK >/dev/null 2>&1; then
        openstack network create $DMORE_MANAGEMENT_NETWORK
        openstack subnet create --network $DMORE_MANAGEMENT_NETWORK \
            --subnet-range $DMORE_MANAGEMENT_CIDR $DMORE_MANAGEMENT_NETWORK
    fi
    sudo install -d -o $STACK_USER $DMORE_IMAGE_DIR
    sudo nova-dmore-image build --output $DMORE_IMAGE_DIR
    nova-dmore-image upload $(ls -t $DMORE_IMAGE_DIR/nova-dmore-domr-*.tar | head -1)
}

if is_service_enabled dmore; then
    if [[ "$1" == "stack" && "$2" == "install" ]]; then
        install_dmore
    elif [[ "$1" == "stack" && "$2" == "post-config" ]]; then
        configure_dmore
        run_process dmore-hostd "$NOVA_BIN_DIR/nova-dmore-hostd \
            --config-file $DMORE_HOSTD_CONF" $DMORE_QEMU_GROUP
    elif [[ "$1" == "stack" && "$2" == "extra" ]]; then
        init_dmore
    elif [[ "$1" == "unstack" ]]; then
        stop_process dmore-hostd
    elif [[ "$1" == "clean" ]]; then
        sudo rm -rf $DMORE_IMAGE_DIR /var/lib/nova-dmore /var/lib/nova-dmore-hostd
    fi
fi
