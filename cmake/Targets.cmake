# One function per kind of target. Those with TORCH make nothing in a build without LibTorch.

add_library(teacache_warnings INTERFACE)
# GCC 12 warns falsely about std::string concatenation (-Wrestrict, its bug 105651) and about ABI
# changes that no one here depends on (-Wpsabi).
target_compile_options(teacache_warnings INTERFACE -Wall -Wextra -Wno-psabi -Wno-restrict)
if(TEACACHE_WERROR)
  target_compile_options(teacache_warnings INTERFACE $<$<COMPILE_LANGUAGE:CXX>:-Werror>)  # nvcc has another
endif()
if(TEACACHE_SANITIZE)
  target_compile_options(teacache_warnings INTERFACE -fsanitize=${TEACACHE_SANITIZE} -fno-omit-frame-pointer
                                                     -fno-sanitize-recover=undefined)
  target_link_options(teacache_warnings INTERFACE -fsanitize=${TEACACHE_SANITIZE})
endif()

# teacache_settings(target [TORCH]): what all our targets share.
function(teacache_settings target)
  cmake_parse_arguments(ARG "TORCH" "" "" ${ARGN})
  target_include_directories(${target} PUBLIC $<BUILD_INTERFACE:${CMAKE_SOURCE_DIR}>
                                              $<INSTALL_INTERFACE:include/teacache>)
  target_link_libraries(${target} PRIVATE $<BUILD_INTERFACE:teacache_warnings>)
  # One setting for libraries and programs: a precompiled header serves only targets of its own kind.
  target_compile_options(${target} PRIVATE -fPIC)
  if(ARG_TORCH)
    target_link_libraries(${target} PUBLIC teacache::torch)
    if(TEACACHE_PCH AND NOT ${target} STREQUAL teacache_torch_pch)
      target_precompile_headers(${target} REUSE_FROM teacache_torch_pch)
    endif()
  endif()
endfunction()

# The precompiled LibTorch header belongs to this one object library.
if(TEACACHE_PCH)
  file(WRITE ${CMAKE_BINARY_DIR}/torch_pch.cc.in "// Owns the precompiled LibTorch header.\n")
  configure_file(${CMAKE_BINARY_DIR}/torch_pch.cc.in ${CMAKE_BINARY_DIR}/torch_pch.cc COPYONLY)
  add_library(teacache_torch_pch OBJECT ${CMAKE_BINARY_DIR}/torch_pch.cc)
  target_precompile_headers(teacache_torch_pch PRIVATE ${CMAKE_SOURCE_DIR}/cmake/torch_pch.h)
  teacache_settings(teacache_torch_pch TORCH)
endif()

# teacache_add_library(calib [TORCH] SOURCES ... [PUBLIC libs...] [PRIVATE libs...]) -> teacache::calib
function(teacache_add_library name)
  cmake_parse_arguments(ARG "TORCH" "" "SOURCES;PUBLIC;PRIVATE" ${ARGN})
  if(ARG_TORCH AND NOT TEACACHE_LIBTORCH)
    return()
  endif()
  add_library(teacache_${name} STATIC ${ARG_SOURCES})
  add_library(teacache::${name} ALIAS teacache_${name})
  set_target_properties(teacache_${name} PROPERTIES EXPORT_NAME ${name})
  if(ARG_TORCH)
    teacache_settings(teacache_${name} TORCH)
  else()
    teacache_settings(teacache_${name})
  endif()
  target_link_libraries(teacache_${name} PUBLIC ${ARG_PUBLIC} PRIVATE ${ARG_PRIVATE})
  if(TEACACHE_PYTHON)  # only what goes into the wheel
    set_target_properties(teacache_${name} PROPERTIES EXCLUDE_FROM_ALL ON)
  endif()
endfunction()

# teacache_add_program(fit-coeffs fit_coeffs_main.cc [TORCH] LIBS ...) -> bin/fit-coeffs
function(teacache_add_program name source)
  cmake_parse_arguments(ARG "TORCH" "" "LIBS" ${ARGN})
  if(ARG_TORCH AND NOT TEACACHE_LIBTORCH)
    return()
  endif()
  add_executable(${name} ${source})
  if(ARG_TORCH)
    teacache_settings(${name} TORCH)
  else()
    teacache_settings(${name})
  endif()
  target_link_libraries(${name} PRIVATE ${ARG_LIBS} CLI11::CLI11)
  set_target_properties(${name} PROPERTIES INSTALL_RPATH "${TEACACHE_INSTALL_RPATH}")
  install(TARGETS ${name} RUNTIME DESTINATION bin COMPONENT programs)
endfunction()

# teacache_add_test(calib.fit [TORCH] SOURCES fit_test.cc LIBS ... LABELS unit): one binary, one ctest entry.
# Test data: TEACACHE_GOLDEN_DIR (colon-separated) overrides tests/golden; TEACACHE_SHARED_GOLDEN_DIR
# names the folder of third-party files, whose tests skip when it is absent.
function(teacache_add_test name)
  cmake_parse_arguments(ARG "TORCH" "TIMEOUT" "SOURCES;LIBS;LABELS" ${ARGN})
  string(REPLACE "." "_" target ${name}_test)
  add_executable(${target} ${ARG_SOURCES})
  if(ARG_TORCH)
    teacache_settings(${target} TORCH)
  else()
    teacache_settings(${target})
    # What is tested is optimised; the tests themselves compile in half the time without. Those with
    # LibTorch share the precompiled header, and so its flags.
    target_compile_options(${target} PRIVATE $<$<CONFIG:Release>:-O1>)
  endif()
  set_target_properties(${target} PROPERTIES RUNTIME_OUTPUT_DIRECTORY ${CMAKE_BINARY_DIR}/tests)
  target_link_libraries(${target} PRIVATE ${ARG_LIBS} teacache_test_support)
  if(NOT ARG_TIMEOUT)
    set(ARG_TIMEOUT 900)  # machines differ by a factor of two, and tests run side by side
  endif()
  add_test(NAME ${name} COMMAND ${target})
  set_tests_properties(${name} PROPERTIES LABELS "${ARG_LABELS}" TIMEOUT ${ARG_TIMEOUT})
endfunction()

# teacache_add_benchmark(psnr [TORCH] SOURCES psnr_benchmark.cc LIBS ...) -> benchmarks/psnr_benchmark
function(teacache_add_benchmark name)
  cmake_parse_arguments(ARG "TORCH" "" "SOURCES;LIBS" ${ARGN})
  if(NOT TEACACHE_BUILD_BENCHMARKS)
    return()
  endif()
  set(target ${name}_benchmark)
  add_executable(${target} ${ARG_SOURCES})
  if(ARG_TORCH)
    teacache_settings(${target} TORCH)
  else()
    teacache_settings(${target})
  endif()
  set_target_properties(${target} PROPERTIES RUNTIME_OUTPUT_DIRECTORY ${CMAKE_BINARY_DIR}/benchmarks)
  target_link_libraries(${target} PRIVATE ${ARG_LIBS} teacache_test_paths benchmark::benchmark_main)
endfunction()
