# What the kernels are built with, by themselves or as part of rcnn.
include(CheckLanguage)
check_language(CUDA)
if(CMAKE_CUDA_COMPILER)
  set(has_nvcc ON)
endif()

option(RCNN_WITH_CUDA "Compile the CUDA kernels" ${has_nvcc})
# Only the compiler that the sources are known to pass without one; other versions warn of other things, and wrongly at times.
if(PROJECT_IS_TOP_LEVEL AND CMAKE_CXX_COMPILER_ID STREQUAL "GNU" AND CMAKE_CXX_COMPILER_VERSION MATCHES "^12\\.")
  set(knows_warnings ON)
endif()
option(RCNN_WERROR "Treat warnings as errors; as it is for g++ 12" ${knows_warnings})
# sm_80 runs on every 8.x GPU; the PTX of 9.0 is compiled by the driver for whatever comes later.
set(RCNN_CUDA_ARCHITECTURES "80-real;90" CACHE STRING "GPU architectures of the CUDA kernels")

if(NOT CMAKE_BUILD_TYPE AND NOT CMAKE_CONFIGURATION_TYPES)
  set(CMAKE_BUILD_TYPE Release CACHE STRING "Build type" FORCE)
endif()

add_library(rcnn_warnings INTERFACE)
target_compile_options(rcnn_warnings INTERFACE $<$<COMPILE_LANGUAGE:CXX>:-Wall;-Wextra>
  $<$<AND:$<BOOL:${RCNN_WERROR}>,$<COMPILE_LANGUAGE:CXX>>:-Werror>)
