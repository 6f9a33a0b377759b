#!/usr/bin/env bash
# install.sh DIR PREFIX: puts the programs of DIR under PREFIX/bin and the sample configuration under PREFIX/etc/milena.
set -euo pipefail
from=$1 prefix=$2
here=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
mkdir -p "$prefix/bin" "$prefix/etc/milena"
programs=(broker kafka-server-stop zookeeper-server-start zookeeper-server-stop kafka-tools)
for program in "${programs[@]}"; do install -m 755 "$from/$program" "$prefix/bin/$program"; done
"$here/integration/names.sh" "$prefix/bin"
install -m 644 "$here"/config/*.properties "$prefix/etc/milena/"
echo "installed under $prefix: ${programs[*]} and the kafka-* commands"
