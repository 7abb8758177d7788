#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# Method front over IPv6.

set -euo pipefail
# shellcheck disable=SC2034  # common.sh reads it
PC_FAMILY=6
# shellcheck source=front.sh
. "$(dirname "$0")/front.sh"
