# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=bash disable=SC2034,SC2154
#
# DevStack's functions as the plugin sees them, and the commands of a host:
# each writes down how it was called. What sudo would do to files it does below
# $ROOT. stack.py sources this; lists are comma-separated as in DevStack.

record() {
    { printf '%s\037' "$@"; printf '\036'; } >>"$CALLS"
}

# Of DevStack: those that only are called.
for name in async_wait echo_summary install_package pip_uninstall \
    setup_develop stop_process; do
    eval "$name() { record $name \"\$@\"; }"
done

iniset() {
    record iniset "$@"
}

is_service_enabled() {
    local service
    for service in "$@"; do
        [[ ,$ENABLED_SERVICES, == *,$service,* ]] && return 0
    done
    return 1
}

enable_service() {
    record enable_service "$@"
    ENABLED_SERVICES+=,$1
}

is_ubuntu() {
    [[ $PACKAGES_OF_HOST == deb ]]
}

die() {
    record die "$@"
    exit 1
}

# Of the host.
aa-enabled() {
    [[ $APPARMOR == yes ]]
}

id() {
    echo stack
}

getent() {
    [[ -e $ROOT/$1-$2 ]]
}

sudo() {
    record sudo "$@"
    local there=() word
    for word in "${@:2}"; do
        case $word in
            "$DMORE_DIR"/*) ;;
            /etc/* | /opt/* | /run/* | /var/*) word=$ROOT$word ;;
        esac
        there+=("$word")
    done
    case $1 in
        install)
            [[ ${there[0]} == -o ]] && there=("${there[@]:2}")
            install "${there[@]}"
            ;;
        tee | test | rm | sed | mv)
            "$1" "${there[@]}"
            ;;
        virsh)
            case $2 in
                list) printf 'instance-00000001\ndomr-%s\n\n' "$INSTANCE" ;;
                domiflist) printf ' Interface  Type\n tap01234567-89  x\n' ;;
                destroy) return 1 ;;
            esac
            ;;
        systemctl)
            # As where the unit was never there.
            [[ $2 != kill && $2 != disable ]]
            ;;
        */nova-dmore-image)
            echo /image/of/the/build.tar
            ;;
    esac
}
