#!/usr/bin/env bash
# run.sh DIR [BROKERS]: starts the ZooKeeper and the brokers of DIR with Kafka's default files, says how to try them,
# and stops all cleanly on Ctrl-C. The first broker listens on 9092, the next on 9093 and so on.
set -euo pipefail
bin=$(cd "$1" && pwd)
brokers=${2:-1}
here=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)

case $brokers in
  [1-9]) ;;
  *) echo "BROKERS=$brokers: a number from 1 to 9 is wanted" >&2; exit 1 ;;
esac

"$here/integration/names.sh" "$bin"

ports=
for index in $(seq "$brokers"); do ports="$ports $((9091 + index))"; done
for port in 2181 $ports; do
  if (exec 3<>"/dev/tcp/127.0.0.1/$port") 2>/dev/null; then
    echo "port $port is taken: another ZooKeeper or broker runs here already; stop it first" >&2
    exit 1
  fi
done

logs=${LOG_DIR:-$(mktemp -d -t milena-logs-XXXXXX)}
mkdir -p "$logs"
export LOG_DIR=$logs
zookeeper= pids=()

stop() {
  trap - INT TERM EXIT
  local pid
  [ ${#pids[@]} = 0 ] || echo "stopping the brokers"
  # One after the other, so that each can hand its partitions to the next.
  for pid in "${pids[@]}"; do kill -TERM "$pid" 2>/dev/null; wait "$pid" 2>/dev/null || true; done
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

# The first broker goes by Kafka's file as it is; the others differ in what no two brokers may share.
outs=() bootstrap=
for index in $(seq 0 $((brokers - 1))); do
  port=$((9092 + index)) own=$logs out="$logs/kafkaServer.out" overrides=()
  if [ "$index" != 0 ]; then
    own=$logs/broker-$index out="$logs/kafkaServer-$index.out"
    overrides=(--override "broker.id=$index" --override "listeners=PLAINTEXT://:$port")
    overrides+=(--override "log.dirs=/tmp/kafka-logs-$index")
  fi
  mkdir -p "$own"
  LOG_DIR=$own setsid "$bin/broker" "$here/config/server.properties" "${overrides[@]}" >"$out" 2>&1 </dev/null &
  pids+=($!) outs+=("$out")
  bootstrap=${bootstrap:+$bootstrap,}127.0.0.1:$port
done
for index in $(seq 0 $((brokers - 1))); do
  wait_for "Broker $index" $((9092 + index)) "${pids[$index]}" "${outs[$index]}"
done
replication=$((brokers < 3 ? brokers : 3))

cat <<TEXT

ZooKeeper is up on 127.0.0.1:2181, brokers on $bootstrap. Logs: $logs

Try it from another terminal, with the commands of Apache Kafka or with ours (in $bin):
  kafka-topics --create --topic order --bootstrap-server $bootstrap --partitions 1 --replication-factor $replication
  kafka-console-producer --topic order --bootstrap-server $bootstrap
  kafka-console-consumer --topic order --from-beginning --bootstrap-server $bootstrap

Ctrl-C stops all.
TEXT
wait -n "$zookeeper" "${pids[@]}" || true
echo "a server has ended by itself; the ends of the logs:" >&2
tail -n 10 "$logs/zookeeper.out" "${outs[@]}" >&2
stop 1
