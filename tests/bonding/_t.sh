#!/bin/bash
cd /corelane/tests/bonding
for t in places paths ad selftests; do echo "=== $t"; s=$(date +%s); timeout 600 ./$t.sh; echo "=== $t status $? $(($(date +%s)-s)) s"; done
