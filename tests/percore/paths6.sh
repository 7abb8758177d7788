#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# A VRF and a bridge, over IPv6.

set -euo pipefail
# shellcheck disable=SC2034  # common.sh reads it
PC_FAMILY=6
# shellcheck source=paths.sh
. "$(dirname "$0")/paths.sh"
