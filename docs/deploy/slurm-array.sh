#!/usr/bin/env bash
# Eight workers of one study, a GPU each, as a Slurm array. A task that ends is replaced by none: the others go on.
#
#   export QPARETO_STORAGE='postgresql+psycopg://user:password@db.cluster/qpareto'   # not on a command line
#   mkdir -p logs && sbatch --export=ALL,STUDY=study.yaml,QPARETO_SHARED=/shared/qpareto docs/deploy/slurm-array.sh
#
#SBATCH --job-name=qpareto
#SBATCH --array=0-7
#SBATCH --gres=gpu:1
#SBATCH --cpus-per-task=8
#SBATCH --mem=32G
#SBATCH --time=08:00:00
#SBATCH --signal=TERM@900
#SBATCH --requeue
#SBATCH --output=logs/qpareto-%A-%a.log
set -euo pipefail

: "${STUDY:?name the study file: sbatch --export=ALL,STUDY=study.yaml,...}"
: "${QPARETO_SHARED:?name a folder that all nodes see}"
: "${QPARETO_STORAGE:?export the URL of the PostgreSQL database}"

# Tasks may have a /tmp of their own each, and locks there would bind nobody: a folder that all tasks of a node see.
export QPARETO_LOCK_DIR="$QPARETO_SHARED/locks/$(hostname)"
mkdir -p "$QPARETO_LOCK_DIR"

# 15 minutes before the time is up, SIGTERM: the worker finishes its trial and ends with 143. Then it is queued anew.
status=0
srun qpareto worker "$STUDY" --set "storage=\${QPARETO_STORAGE}" --set "cache=$QPARETO_SHARED/cache" || status=$?
if [ "$status" -eq 143 ]; then
    scontrol requeue "${SLURM_ARRAY_JOB_ID}_${SLURM_ARRAY_TASK_ID}"
fi
exit "$status"
