#!/usr/bin/env bash
# package.sh SETTINGS static|shared: installs rcnn, checks what was installed, builds and runs the project consumer/ with
# it. SETTINGS is written by CMakeLists.txt here.
set -euo pipefail
source "$1"
kind=$2
here="$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)"
source "$here/../../tools/ccache.sh" "$source"

say() { echo "package: $*"; }
fail() { say "$*"; exit 1; }

# consume PREFIX BUILD OPTION...: configures and builds consumer/ with the rcnn installed in PREFIX.
consume() {
  local prefix="$1" folder="$2"
  shift 2
  rm -rf "$folder"
  "$cmake" -S "$here/consumer" -B "$folder" "${options[@]}" "-DCMAKE_PREFIX_PATH=$prefix" "$@"
  "$cmake" --build "$folder" -j 2
}

# run_all PREFIX BUILD: the programs of consumer/, each on what the one before it left, and the installed rcnn.
run_all() {
  local prefix="$1" folder="$2" output="$2/output"
  "$folder/train_custom_dataset" "$output"
  "$folder/detect_image" "$output/weights.safetensors" "$output/example.png"
  "$folder/register_backbone" "$output/mynet"
  "$folder/register_neck"
  "$folder/register_format" "$output/boxes"
  "$folder/train_segmenter" "$output/segmenter"
  "$prefix/$bindir/rcnn" detect --weights "$output/weights.safetensors" "$output/example.png" --output "$output/found"
  echo '{"images": [{"id": 1, "file_name": "a.jpg"}], "categories": [{"id": 1, "name": "cat"}], "annotations":
    [{"id": 1, "image_id": 1, "category_id": 1, "bbox": [0, 0, 9, 9]}]}' >"$output/truths.json"
  echo '[{"image_id": 1, "category_id": 1, "bbox": [0, 0, 9, 9], "score": 0.5}]' >"$output/detections.json"
  "$prefix/$bindir/rcnn" eval --annotations "$output/truths.json" --detections "$output/detections.json"
}

# check_relocatable PREFIX: nothing that CMake reads names a folder of this machine.
check_relocatable() {
  local place
  for place in "$1" "$source" "$build" "$second" "$torch" /usr/ "$HOME"; do
    ! grep -rnF -- "$place" "$1/$libdir/cmake" || fail "the installed CMake files name $place"
  done
}

# check_exports LIBRARY: what it shows is rcnn's, or an instantiation of other people's templates, which every library
# has its own copy of (nm's W, V, u), or the linker's.
check_exports() {
  local foreign
  foreign="$(nm -DC --defined-only "$1" | grep -vE '^[0-9a-f]* ([WVu] |[BD] (__bss_start|_edata|_end)$)' |
    grep -vE ' (typeinfo (name )?for |vtable for |VTT for |construction vtable for |guard variable for )?rcnn::' || true)"
  [[ -z $foreign ]] || fail "$1 shows what is not rcnn's:"$'\n'"$foreign"
}

prefix="$work/prefix" moved="$work/moved"
rm -rf "$prefix" "$moved"
if [[ $kind == static ]]; then
  "$cmake" --install "$build" --prefix "$prefix"
  consume "$prefix" "$work/static"
  run_all "$prefix" "$work/static"

  mv "$prefix" "$moved"
  check_relocatable "$moved"
  "$moved/$bindir/rcnn" --version
  consume "$moved" "$work/core" -DCONSUMER_PART=core -DCMAKE_DISABLE_FIND_PACKAGE_OpenCV=ON
  "$work/core/suppress_boxes"
else
  "$cmake" -S "$source" -B "$second" "${options[@]}" "${options_of_rcnn[@]}" -DBUILD_SHARED_LIBS=ON -DRCNN_BUILD_TESTS=OFF
  "$cmake" --build "$second" -j 2 --target rcnn rcnn_program
  "$cmake" --install "$second" --prefix "$prefix"
  check_relocatable "$prefix"
  check_exports "$prefix/$libdir/librcnn_core.so"
  check_exports "$prefix/$libdir/librcnn.so"
  consume "$prefix" "$work/shared"
  run_all "$prefix" "$work/shared"
fi
