#!/usr/bin/env bash
# Train any mm config with several processes.
#
# Example:
#     tools/dist_train.sh configs/psenet/psenet_sice.py 8
#     NNODES=2 NODE_RANK=0 MASTER_ADDR=10.0.0.1 tools/dist_train.sh configs/psenet/psenet_sice.py 8 --amp
#
# usage: tools/dist_train.sh CONFIG PROCESSES [arguments of tools/train.py]
#
# NNODES, NODE_RANK, MASTER_ADDR and PORT choose several machines; PYTHON is the interpreter (default: python).
# `python tools/train.py --help` shows the other arguments.
set -euo pipefail
mistake() {
    echo "error: $1" >&2
    exit 2
}
case "${1-}" in -h | --help)
    sed -n '2,/^[^#]/s/^# \{0,1\}//p' "$0"
    exit 0
    ;;
esac
if [ $# -lt 2 ]; then
    mistake "CONFIG and PROCESSES are needed; see \`tools/dist_train.sh --help\`."
fi
config=$1
processes=$2
shift 2
# told once here, not by every process
[[ $config == *::* || -f $config ]] || mistake "The config \`$config\` is not there; check the path."
[[ $processes =~ ^[1-9][0-9]*$ ]] || mistake "PROCESSES must be a whole number from 1, but got \`$processes\`."
exec "${PYTHON:-python}" -m torch.distributed.run \
    --nnodes="${NNODES:-1}" --node_rank="${NODE_RANK:-0}" \
    --master_addr="${MASTER_ADDR:-127.0.0.1}" --master_port="${PORT:-29500}" \
    --nproc_per_node="$processes" \
    "$(dirname "$0")/train.py" "$config" --launcher pytorch "$@"
