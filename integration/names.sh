#!/usr/bin/env bash
# names.sh DIR: gives the programs in DIR all the names they are found under, with and without .sh.
set -euo pipefail
cd "$1"
ln -sf broker kafka-server-start
for tool in kafka-topics kafka-console-producer kafka-console-consumer kafka-consumer-groups kafka-delete-records; do
  ln -sf kafka-tools "$tool"
done
for name in kafka-server-start kafka-server-stop zookeeper-server-start zookeeper-server-stop \
            kafka-topics kafka-console-producer kafka-console-consumer kafka-consumer-groups kafka-delete-records; do
  ln -sf "$name" "$name.sh"
done
