#!/usr/bin/env bash
# Makes a fresh Debian 12 (root or sudo, python3 with pip) ready to build rcnn: distribution packages, LibTorch and,
# where there is none, nvcc. Installs only what is missing, so that a second run is instant. tools/build.sh sources
# this file for the two variables that it sets, PATH and CMAKE_PREFIX_PATH; run by itself, it prints them for people
# who call cmake themselves.
set -euo pipefail

packages=(g++ cmake ninja-build ccache libopencv-dev libopencv-contrib-dev libjpeg62-turbo-dev libtiff-dev
  nlohmann-json3-dev libcli11-dev libgtest-dev libpugixml-dev libsimdjson-dev libspdlog-dev libxxhash-dev libdeflate-dev
  libyaml-cpp-dev libmatio-dev libprotobuf-dev protobuf-compiler)
torch=torch==2.11.0
# They complete the runtime libraries that come with this wheel to a CUDA 13.0 toolkit.
nvcc=(nvidia-cuda-nvcc==13.0.88 nvidia-cuda-crt==13.0.88 nvidia-nvvm==13.0.88 nvidia-cuda-cccl==13.0.85)

# What tools/test.sh installs besides: the formatter, the benchmarks' library, the fuzzers' compiler.
testing=(clang-format-14 libbenchmark-dev clang-14 libclang-rt-14-dev)
# What the tests compare numbers with, where LibTorch is this wheel; tools/test.sh installs it.
oracle=(torchvision==0.26.0 pillow==13.0.0 safetensors==0.8.0 pycocotools==2.0.11 tensorboard==2.21.0
  opencv-python-headless==5.0.0.93 scipy==1.17.1)
# The same: detectron2's Python, unpacked from a source archive, and what it imports; pip wants wheel to read the archive.
detectron2=pb1-detectron2==0.6
detectron2_imports=(cloudpickle==3.1.3 fvcore==0.1.5.post20221221 omegaconf==2.4.0 wheel==0.48.0)
# What reads the report's page in a test; tools/test.sh installs it.
browser=(chromium fonts-dejavu-core)
# What a locale with a decimal comma is made from in tests; tools/test.sh installs it.
decimal_comma=(locales)
# What the documentation is made with; tools/docs.sh installs it, and tools/test.sh for the test of it.
documentation=(doxygen)

cache="${XDG_CACHE_HOME:-$HOME/.cache}/rcnn"
venv="$cache/venv"

say() { echo "setup: $*" >&2; }
fail() { say "$*"; exit 1; }

# apt_install PACKAGE...: those there already excepted.
apt_install() {
  local package missing=() sudo=()
  for package in "$@"; do
    [[ $(dpkg-query -W -f '${db:Status-Status}' "$package" 2>/dev/null) == installed ]] || missing+=("$package")
  done
  (( ${#missing[@]} )) || return 0
  command -v apt-get >/dev/null || fail "no apt-get here; install what your system calls ${missing[*]}"
  if (( EUID != 0 )); then
    command -v sudo >/dev/null || fail "neither root nor sudo; have root run: apt-get install ${missing[*]}"
    sudo=(sudo)
  fi
  say "installing ${missing[*]} with apt-get"
  "${sudo[@]}" apt-get -qq update >&2 || fail "apt-get update failed; check the network and /etc/apt/sources.list"
  "${sudo[@]}" env DEBIAN_FRONTEND=noninteractive apt-get -qq install --no-install-recommends "${missing[@]}" >&2 ||
    fail "apt-get could not install ${missing[*]}; see its message above"
}

# pip_install NAME==VERSION...: into the virtual environment, those there already excepted.
pip_install() {
  local wheel name missing=()
  for wheel in "$@"; do
    name="${wheel%==*}"
    # pip writes INSTALLER last: an interrupted installation does not count.
    compgen -G "$venv/lib/python3*/site-packages/${name//-/_}-${wheel#*==}.dist-info/INSTALLER" >/dev/null ||
      missing+=("$wheel")
  done
  (( ${#missing[@]} )) || return 0
  if ! "$venv/bin/python" -m pip --version &>/dev/null; then
    say "making a virtual environment in $venv"
    # Debian keeps what venv needs in a package of its own; other builds of Python have it.
    python3 -m venv --clear "$venv" &>/dev/null || { apt_install python3-venv; python3 -m venv --clear "$venv" >&2; } ||
      fail "python3 -m venv failed; see its message above"
  fi
  say "installing ${missing[*]} with pip"
  "$venv/bin/python" -m pip install --quiet "${missing[@]}" >&2 ||
    fail "pip could not install ${missing[*]} (python 3.10 or newer, 7 GB of disk, and a network or PIP_FIND_LINKS are" \
      "needed); for a LibTorch of your own, put its folder into CMAKE_PREFIX_PATH"
}

# unpack_archive NAME==VERSION PACKAGE: the Python of a source archive as a package of the virtual environment. Nothing is
# built, and what it would compile is missing.
unpack_archive() {
  local archive="$1" package="$2" site folder
  site="$(dirname "$venv"/lib/python3*/site-packages/pip)"
  [[ ! -e $site/$archive.unpacked ]] || return 0
  say "unpacking $archive"
  folder="$(mktemp -d)"
  # Without isolation, since its setup.py asks for torch.
  if "$venv/bin/python" -m pip download --quiet --no-deps --no-build-isolation --no-binary "${archive%==*}" \
    --dest "$folder" "$archive" >&2 &&
    tar -xzf "$folder"/*.tar.gz -C "$folder"; then
    rm -rf "${site:?}/$package"
    mv "$folder/${archive/==/-}/$package" "$site/$package"
    touch "$site/$archive.unpacked"
  else
    say "$archive could not be had; tests that compare with it are skipped"
  fi
  rm -rf "$folder"
}

# torch_config PREFIX...: the folder of the first TorchConfig.cmake below them, where CMake would look.
torch_config() {
  local prefix folder
  for prefix in "$@"; do
    for folder in "$prefix"/{,share/cmake/,lib/cmake/}Torch; do
      [[ ! -f $folder/TorchConfig.cmake ]] || { echo "$folder"; return; }
    done
  done
}

# fits_wheel NVCC: whether it belongs to the CUDA that the wheel was built with.
fits_wheel() { "$1" --version 2>/dev/null | grep -q 'release 13\.'; }

apt_install "${packages[@]}"

# Two checkouts may get here at once.
mkdir -p "$cache"
exec {lock}>"$cache/lock"
flock "$lock"

IFS=: read -ra prefixes <<<"${CMAKE_PREFIX_PATH:-}"
config="$(torch_config "${prefixes[@]}")"
if [[ -z $config ]]; then
  pip_install "$torch"
  config="$(torch_config "$venv"/lib/python3*/site-packages/torch)"
  export CMAKE_PREFIX_PATH="${config%/Torch}${CMAKE_PREFIX_PATH:+:$CMAKE_PREFIX_PATH}"
fi

# A LibTorch with CUDA wants nvcc, and CMake takes the first one on PATH.
if [[ -f $config/../../../lib/libtorch_cuda.so ]]; then
  command -v nvcc >/dev/null || PATH="$PATH:${CUDA_HOME:-/usr/local/cuda}/bin"
  if [[ $config == "$venv"/* ]] && ! fits_wheel nvcc; then
    pip_install "${nvcc[@]}"
    toolkit="$(dirname "$venv"/lib/python3*/site-packages/nvidia/cu13/bin)"
    # What a toolkit has and the wheels lack: the name lib64, names without versions, and a driver to link with.
    ln -sfn lib "$toolkit/lib64"
    for library in "$toolkit"/lib/*.so.*; do
      ln -sf "${library##*/}" "${library%%.so.*}.so"
    done
    mkdir -p "$toolkit/lib/stubs"
    [[ -f $toolkit/lib/stubs/libcuda.so ]] ||
      g++ -shared -Wl,-soname,libcuda.so.1 -x c /dev/null -o "$toolkit/lib/stubs/libcuda.so"
    PATH="$toolkit/bin:$PATH"
  fi
  command -v nvcc >/dev/null || fail "${config%/share/cmake/Torch} has CUDA and needs nvcc; install that CUDA toolkit and put its bin on PATH"
fi
exec {lock}>&-

say "LibTorch in ${config%/share/cmake/Torch}, nvcc: $(command -v nvcc || echo none)"
if [[ ${BASH_SOURCE[0]} == "$0" ]]; then
  printf 'export PATH=%q\nexport CMAKE_PREFIX_PATH=%q\n' "$PATH" "$CMAKE_PREFIX_PATH"
fi
