#!/usr/bin/env bash
# One cleaning as a Slurm job: a Ray cluster over the job's nodes, the command on its first node, and an end to both.
#
#   sbatch deploy/slurm.sh clean /shared/corpus --reference /shared/trusted --out /shared/runs/first
#   sbatch --nodes=4 --gpus-per-node=8 deploy/slurm.sh clean …
#
# What follows the script is a raysep command without its first word. A job that ran out of time goes on when the same
# line is given again. Ray stops every Ray process of yours on a node when it ends: take nodes for yourself.
#SBATCH --job-name=raysep
#SBATCH --nodes=2
#SBATCH --ntasks-per-node=1
#SBATCH --exclusive
#SBATCH --gpus-per-node=1
#SBATCH --time=24:00:00
#SBATCH --signal=TERM@120
#SBATCH --output=raysep-%j.log
set -euo pipefail

if [[ $# -eq 0 ]]; then
  echo "slurm.sh: say what to run, as: sbatch slurm.sh clean CORPUS --reference REF --out RUN" >&2
  exit 2
fi
: "${SLURM_JOB_ID:?slurm.sh: give it to sbatch}"

# Where raysep is installed, the same on every node.
environment=${RAYSEP_ENVIRONMENT:-$HOME/raysep/.venv}
# shellcheck source=/dev/null
source "$environment/bin/activate"

# Every node mounts the corpus and the runs at the same place; with s3:// addresses this changes nothing.
export RAYSEP_SHARED_FOLDERS=1

# A token of this job's own, in a file that only you can read: nobody else on these nodes can use its cluster.
export RAY_AUTH_MODE=token
export RAY_AUTH_TOKEN_PATH=${RAYSEP_TOKENS:-$HOME}/.raysep-token-$SLURM_JOB_ID
(umask 077 && python -c 'import secrets; print(secrets.token_hex(32))' > "$RAY_AUTH_TOKEN_PATH")
trap 'rm -f "$RAY_AUTH_TOKEN_PATH"' EXIT

# The first node by a number: its name may be its loopback address to itself, and then no node would think it is the head.
mapfile -t nodes < <(scontrol show hostnames "$SLURM_JOB_NODELIST")
addresses=$(srun --nodes=1 --ntasks=1 --nodelist="${nodes[0]}" hostname --all-ip-addresses)
head=${addresses%% *}:$((20000 + SLURM_JOB_ID % 20000))

# On each node Ray starts; on the first the command runs as soon as all of them are there, then all stop.
srun --nodes="$SLURM_JOB_NUM_NODES" --ntasks="$SLURM_JOB_NUM_NODES" --ntasks-per-node=1 \
  ray symmetric-run --address "$head" --min-nodes "$SLURM_JOB_NUM_NODES" -- \
  python -m raysep "$@" --address "$head"
