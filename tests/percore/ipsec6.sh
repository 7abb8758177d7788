#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# A service whose packets are IPsec's, over IPv6.

set -euo pipefail
# shellcheck disable=SC2034  # common.sh reads it
PC_FAMILY=6
# shellcheck source=ipsec.sh
. "$(dirname "$0")/ipsec.sh"
