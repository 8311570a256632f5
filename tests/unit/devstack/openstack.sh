#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
#
# Writes down how "openstack" is called. What has been created is there.

{
    printf '%s\037' openstack "OS_USERNAME=${OS_USERNAME:-}" "$@"
    printf '\036'
} >>"$CALLS"
what=$3
action=$4
if [[ $what == security ]]; then
    action=$5
fi
made=$ROOT/cloud/$what-${!#}
case $action in
    create)
        mkdir -p "$ROOT/cloud"
        touch "$made"
        ;;
    show)
        test -e "$made" || exit 1
        case "$*" in
            *" mtu "*) echo 1442 ;;
            *" mac_address "*) echo fa:16:3e:00:00:01 ;;
            *" id "*) echo 11111111-2222 ;;
        esac
        ;;
    list)
        printf 'port-1\nport-2\n'
        ;;
    delete)
        # Somebody else was faster.
        exit 1
        ;;
esac
