#!/usr/bin/env bash
# Installs CUDA's compiler and its static runtime in the image manylinux_2_28, an AlmaLinux 8 for x86-64.
set -euo pipefail

dnf install -y 'dnf-command(config-manager)'
dnf config-manager --add-repo https://developer.download.nvidia.com/compute/cuda/repos/rhel8/x86_64/cuda-rhel8.repo
dnf install -y cuda-nvcc-13-0 cuda-cudart-devel-13-0 cuda-cccl-13-0
