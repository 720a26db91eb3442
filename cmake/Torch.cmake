# LibTorch as one imported target, teacache::torch.
#
# Torch's own CMake package changes flags of unrelated targets, so it is not used: the headers and
# libraries are looked up directly. Searched in this order:
#   1. CMAKE_PREFIX_PATH / Torch_ROOT / environment variable TEACACHE_TORCH: a user's own LibTorch
#      (include/, lib/)
#   2. for the Python package: the virtual environment that is active
#   3. TEACACHE_DEPS_DIR: where build.sh puts the Python wheel (python/torch)
# Without TEACACHE_CUDA only libtorch_cpu and libc10 are linked; the wheel's libtorch_cpu itself
# needs the CUDA runtime and CUPTI libraries, which come as two small wheels beside it.

if(NOT TEACACHE_LIBTORCH)
  return()
endif()
if(TEACACHE_PYTHON AND DEFINED ENV{VIRTUAL_ENV})
  file(GLOB _venv_torch $ENV{VIRTUAL_ENV}/lib/python3.*/site-packages/torch/include)
endif()
find_path(TORCH_INCLUDE_DIR ATen/ATen.h
          HINTS ${Torch_ROOT}/include $ENV{TEACACHE_TORCH}/include ${_venv_torch}
          PATHS ${TEACACHE_DEPS_DIR}/python/torch/include)
if(TEACACHE_LIBTORCH STREQUAL "AUTO")
  set(_version "none")
  if(TORCH_INCLUDE_DIR)
    file(STRINGS ${TORCH_INCLUDE_DIR}/torch/headeronly/version.h _version REGEX "define TORCH_VERSION_M(AJOR|INOR) ")
    string(REGEX MATCHALL "[0-9]+" _version "${_version}")
  endif()
  if(NOT _version STREQUAL "2;11")
    message(STATUS "LibTorch 2.11 was not found: only what works without it is built")
    set(TEACACHE_LIBTORCH OFF)
    return()
  endif()
endif()
if(NOT TORCH_INCLUDE_DIR)
  message(FATAL_ERROR
          "LibTorch: no ATen/ATen.h found; run ./build.sh deps, or give -DCMAKE_PREFIX_PATH=/path/to/libtorch")
endif()
get_filename_component(TORCH_PREFIX ${TORCH_INCLUDE_DIR} DIRECTORY)

function(_torch_library out name)
  find_library(TORCH_LIB_${name} ${name} PATHS ${TORCH_PREFIX}/lib NO_DEFAULT_PATH REQUIRED)
  set(${out} ${TORCH_LIB_${name}} PARENT_SCOPE)
endfunction()
_torch_library(_torch_cpu torch_cpu)
_torch_library(_c10 c10)

# Imported, as it is for users of the installed package (teacacheConfig.cmake.in).
add_library(teacache::torch INTERFACE IMPORTED GLOBAL)
target_include_directories(teacache::torch SYSTEM INTERFACE
                           ${TORCH_INCLUDE_DIR} ${TORCH_INCLUDE_DIR}/torch/csrc/api/include)
target_link_libraries(teacache::torch INTERFACE ${_torch_cpu} ${_c10})
# Before everything else: it brings its own BLAS, and calls it by names that a BLAS linked earlier (Ceres'
# one) would answer instead. Digits and speed would then depend on what else a program links.
target_link_options(teacache::torch INTERFACE
                    "LINKER:--push-state,--no-as-needed,${_torch_cpu},--pop-state")
set(_rpath ${TORCH_PREFIX}/lib)
file(GLOB _nvidia_lib_dirs ${TORCH_PREFIX}/../nvidia/cu*/lib)
list(APPEND _rpath ${_nvidia_lib_dirs})

if(TEACACHE_CUDA)
  include(CheckLanguage)
  check_language(CUDA)
  if(NOT CMAKE_CUDA_COMPILER)
    message(FATAL_ERROR "TEACACHE_CUDA is ON but no CUDA compiler (nvcc) was found")
  endif()
  # Turing, Ampere and Ada, Hopper; PTX for what comes after (Blackwell).
  set(CMAKE_CUDA_ARCHITECTURES "75-real;80-real;90" CACHE STRING "CUDA architectures")
  enable_language(CUDA)
  if(NOT CMAKE_CUDA20_STANDARD_COMPILE_OPTION)  # CMake 3.25 does not know that nvcc has it
    set(CMAKE_CUDA20_STANDARD_COMPILE_OPTION -std=c++20)
    set(CMAKE_CUDA20_EXTENSION_COMPILE_OPTION -std=c++20)
  endif()
  find_package(CUDAToolkit REQUIRED)
  _torch_library(_torch_cuda torch_cuda)
  _torch_library(_c10_cuda c10_cuda)
  # LibTorch registers its CUDA kernels from static constructors: the linker must keep the library.
  # They need libraries (NVSHMEM, cuSPARSELt, cuFile) that lie only where PyTorch is installed with its
  # GPU wheels: they are wanted when a program runs, not when it is linked.
  target_link_options(teacache::torch INTERFACE -Wl,--allow-shlib-undefined)
  target_link_libraries(teacache::torch INTERFACE
                        -Wl,--no-as-needed ${_torch_cuda} ${_c10_cuda} -Wl,--as-needed CUDA::cudart)
  list(APPEND _rpath ${CUDAToolkit_LIBRARY_DIR})
endif()

# In the build tree alone; cmake/Install.cmake says where installed programs look.
list(APPEND CMAKE_BUILD_RPATH ${_rpath})
foreach(dir IN LISTS _rpath)
  target_link_options(teacache::torch INTERFACE -Wl,-rpath-link,${dir})
endforeach()

# ATen costs seconds per source file: one precompiled header, shared by every target that uses it.
option(TEACACHE_PCH "Precompile the LibTorch headers" ON)
