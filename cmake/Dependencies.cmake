# Every outside library is found here, once, and given one clean target.

if(DEFINED ENV{TEACACHE_DEPS_DIR})
  set(_deps_default $ENV{TEACACHE_DEPS_DIR})
elseif(DEFINED ENV{XDG_CACHE_HOME})
  set(_deps_default $ENV{XDG_CACHE_HOME}/teacache-toolkit)
else()
  set(_deps_default $ENV{HOME}/.cache/teacache-toolkit)
endif()
set(TEACACHE_DEPS_DIR ${_deps_default} CACHE PATH "Folder filled by build.sh with the Python wheels")

find_package(Threads REQUIRED)
if(TEACACHE_GPU_KIT)
  include(GpuKit)
  include(Torch)
  return()
endif()

find_package(PkgConfig REQUIRED)
find_package(Eigen3 REQUIRED NO_MODULE)
find_package(Ceres REQUIRED)
if(TEACACHE_PYTHON)  # Debian's package names the static library: a wheel shall have it once, not in every program
  find_library(TEACACHE_SHARED_CERES libceres.so)
  if(TEACACHE_SHARED_CERES)
    set_target_properties(Ceres::ceres PROPERTIES IMPORTED_LOCATION_RELEASE ${TEACACHE_SHARED_CERES})
  endif()
endif()
find_package(fmt REQUIRED)  # header-only: LibTorch's include folder carries another version of fmt
find_package(nlohmann_json REQUIRED)
find_package(simdjson REQUIRED)
find_package(CLI11 REQUIRED)
find_package(ZLIB REQUIRED)
if(TEACACHE_OPENCV)
  find_package(OpenCV REQUIRED COMPONENTS core imgproc imgcodecs)
endif()
pkg_check_modules(LIBAV REQUIRED IMPORTED_TARGET libavformat libavcodec libavutil libswscale)
pkg_check_modules(HWY REQUIRED IMPORTED_TARGET libhwy)
include(Torch)
if(TEACACHE_LIBTORCH)
  pkg_check_modules(ICU REQUIRED IMPORTED_TARGET icu-uc icu-i18n)
  pkg_check_modules(SENTENCEPIECE REQUIRED IMPORTED_TARGET sentencepiece)
endif()

if(TEACACHE_BUILD_TESTS)
  find_package(GTest REQUIRED)
  if(TEACACHE_BUILD_BENCHMARKS)
    find_package(benchmark REQUIRED)
  endif()
endif()

find_program(CCACHE ccache)
if(CCACHE)
  set(CMAKE_CXX_COMPILER_LAUNCHER
      ${CMAKE_COMMAND} -E env CCACHE_SLOPPINESS=pch_defines,time_macros,include_file_mtime,include_file_ctime
      CCACHE_BASEDIR=${CMAKE_SOURCE_DIR} CCACHE_NOHASHDIR=true
      ${CCACHE})
endif()
