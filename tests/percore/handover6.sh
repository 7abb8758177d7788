#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# A lane's server hands over to its successor, over IPv6.
#
# limit: 1200 s

set -euo pipefail
# shellcheck disable=SC2034  # common.sh reads it
PC_FAMILY=6
# shellcheck source=handover.sh
. "$(dirname "$0")/handover.sh"
