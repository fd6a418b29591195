#!/usr/bin/env bash
# Test a checkpoint with several processes.
#
# Example:
#     tools/dist_test.sh configs/dark_face/dsfd_vgg_darkface.py work_dirs/dsfd_vgg_darkface/epoch_12.pth 8
#     tools/dist_test.sh configs/dark_face/dsfd_vgg_darkface.py work_dirs/dsfd_vgg_darkface/epoch_12.pth 8 --tta
#
# usage: tools/dist_test.sh CONFIG CHECKPOINT PROCESSES [arguments of tools/test.py]
#
# NNODES, NODE_RANK, MASTER_ADDR and PORT choose several machines; PYTHON is the interpreter (default: python).
# `python tools/test.py --help` shows the other arguments.
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
if [ $# -lt 3 ]; then
    mistake "CONFIG, CHECKPOINT and PROCESSES are needed; see \`tools/dist_test.sh --help\`."
fi
config=$1
checkpoint=$2
processes=$3
shift 3
# told once here, not by every process
[[ $config == *::* || -f $config ]] || mistake "The config \`$config\` is not there; check the path."
[[ $checkpoint == *://* || -f $checkpoint ]] || mistake "The checkpoint \`$checkpoint\` is not there; check the path."
[[ $processes =~ ^[1-9][0-9]*$ ]] || mistake "PROCESSES must be a whole number from 1, but got \`$processes\`."
exec "${PYTHON:-python}" -m torch.distributed.run \
    --nnodes="${NNODES:-1}" --node_rank="${NODE_RANK:-0}" \
    --master_addr="${MASTER_ADDR:-127.0.0.1}" --master_port="${PORT:-29500}" \
    --nproc_per_node="$processes" \
    "$(dirname "$0")/test.py" "$config" "$checkpoint" --launcher pytorch "$@"
