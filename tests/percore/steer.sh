#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# Method steer, end to end: the listener of the lane gets the connection, which
# has the public port and needs nothing more.  The topology is drawn in
# common.sh.  steer6.sh runs it over IPv6.

set -euo pipefail
# shellcheck source=common.sh
. "$(dirname "$0")/common.sh"
# shellcheck source=flows.sh
. "$(dirname "$0")/flows.sh"

# shellcheck disable=SC2034  # common.sh reads it
PC_METHOD=steer

shown() { [[ $(pc_srv corelane nat show --json | jq -r '.services[].method') == steer ]]; }

pc_setup
need_cmd ss nft
ktap_print_header
ktap_set_plan $((PC_FAMILY == 4 ? 16 : 14))
dmesg_mark
pc_serve "${PC_PORTS[@]}"
pc_add || die "the service is not accepted"

check "the service is shown with its method" shown
check "a connection is served by the lane of its CPU" own_lane
check "getsockname() says the public port" public_name
check "only the first packet is percore's business" moving_client
check "TIME_WAIT makes room for a new connection on another lane" time_wait
check "a client on the server itself" loopback
# Over IPv6 wire.sh does it, without waiting for a timeout.
[[ $PC_FAMILY == 6 ]] || check "a private port is closed and counted" private_port
check "connection tracking sees nothing invalid" conntrack
[[ $PC_FAMILY == 6 ]] || check "a first packet in fragments" first_in_fragments
check "SYN cookies" syn_cookies
# A cookie is good on every lane that sends them, and a single SYN that is sent
# again from the other CPU makes its lane one of those.
check "SYN cookies that return to another CPU" syn_cookies_moving "*"
check "no checksum was wrong" no_bad_checksum
check "a lane without a listener is skipped" dead_lane
check "without any listener the client is refused" no_lane
check "the service can be deleted" pc_del
check "the kernel's log is clean" dmesg_clean
ktap_finished
