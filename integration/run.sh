#!/usr/bin/env bash
# run.sh DIR: starts the ZooKeeper and the broker of DIR with Kafka's default files, says how to try them,
# and stops both cleanly on Ctrl-C.
set -euo pipefail
bin=$(cd "$1" && pwd)
brokers=${2:-1}
here=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)

if [ "$brokers" != 1 ]; then
  echo "BROKERS=$brokers: more than one broker needs replication, which is not built yet; start one with 'make run'" >&2
  exit 1
fi

"$here/integration/names.sh" "$bin"

for port in 2181 9092; do
  if (exec 3<>"/dev/tcp/127.0.0.1/$port") 2>/dev/null; then
    echo "port $port is taken: another ZooKeeper or broker runs here already; stop it first" >&2
    exit 1
  fi
done

logs=${LOG_DIR:-$(mktemp -d -t milena-logs-XXXXXX)}
mkdir -p "$logs"
export LOG_DIR=$logs
zookeeper= broker=

stop() {
  trap - INT TERM EXIT
  [ -n "$broker" ] && { echo "stopping the broker"; kill -TERM "$broker" 2>/dev/null; wait "$broker" 2>/dev/null || true; }
  [ -n "$zookeeper" ] && { echo "stopping ZooKeeper"; kill -TERM "$zookeeper" 2>/dev/null; wait "$zookeeper" 2>/dev/null || true; }
  exit "${1:-0}"
}
trap 'stop 0' INT TERM
trap 'stop 1' EXIT

wait_for() { # NAME PORT PID LOG
  local i
  for i in $(seq 300); do
    kill -0 "$3" 2>/dev/null || { echo "$1 did not start; its log:" >&2; tail -n 20 "$4" >&2; exit 1; }
    (exec 3<>"/dev/tcp/127.0.0.1/$2") 2>/dev/null && return 0
    sleep 0.1
  done
  echo "$1 does not answer on port $2 after 30 s; see $4" >&2
  exit 1
}

# In sessions of their own, so that Ctrl-C reaches only this script and the broker goes before ZooKeeper.
setsid "$bin/zookeeper-server-start" "$here/config/zookeeper.properties" >"$logs/zookeeper.out" 2>&1 </dev/null &
zookeeper=$!
wait_for ZooKeeper 2181 "$zookeeper" "$logs/zookeeper.out"
setsid "$bin/broker" "$here/config/server.properties" >"$logs/kafkaServer.out" 2>&1 </dev/null &
broker=$!
wait_for "The broker" 9092 "$broker" "$logs/kafkaServer.out"

cat <<TEXT

ZooKeeper is up on 127.0.0.1:2181, the broker on 127.0.0.1:9092. Logs: $logs

Try it from another terminal, with the commands of Apache Kafka or with ours (in $bin):
  kafka-topics --create --topic order --bootstrap-server 127.0.0.1:9092 --partitions 1 --replication-factor 1
  kafka-console-producer --topic order --bootstrap-server 127.0.0.1:9092
  kafka-console-consumer --topic order --from-beginning --bootstrap-server 127.0.0.1:9092

Ctrl-C stops both.
TEXT
wait -n "$zookeeper" "$broker" || true
echo "a server has ended by itself; the ends of the logs:" >&2
tail -n 10 "$logs/zookeeper.out" "$logs/kafkaServer.out" >&2
stop 1
