# Every header compiles alone: one source per header, which includes it first and then again (guard).
# Headers that use LibTorch share the precompiled header, since each would cost seconds otherwise; all
# others are compiled without it, so that nothing they miss comes from there.
#
# The sources are no part of the default build; the test architecture.headers builds them.

set(_headers)
foreach(folder datasets calib metrics runners reports tests/support)
  file(GLOB_RECURSE _found RELATIVE ${CMAKE_SOURCE_DIR} CONFIGURE_DEPENDS ${CMAKE_SOURCE_DIR}/${folder}/*.h)
  list(APPEND _headers ${_found})
endforeach()

# Which headers reach LibTorch: directly, or through one that does.
set(_torch_headers)
set(_more TRUE)
while(_more)
  set(_more FALSE)
  foreach(header IN LISTS _headers)
    if(NOT header IN_LIST _torch_headers)
      file(STRINGS ${CMAKE_SOURCE_DIR}/${header} _includes REGEX "^#include")
      set(_uses FALSE)
      foreach(include IN LISTS _includes)
        string(REGEX REPLACE "^#include [<\"]([^>\"]+)[>\"].*" "\\1" _path "${include}")
        if(_path MATCHES "^(ATen|torch|c10)/" OR _path IN_LIST _torch_headers)
          set(_uses TRUE)
        endif()
      endforeach()
      if(_uses)
        list(APPEND _torch_headers ${header})
        set(_more TRUE)
      endif()
    endif()
  endforeach()
endwhile()

set(_plain_sources)
set(_torch_sources)
foreach(header IN LISTS _headers)
  string(MAKE_C_IDENTIFIER ${header} _name)
  set(_source ${CMAKE_CURRENT_BINARY_DIR}/headers/${_name}.cc)
  file(CONFIGURE OUTPUT ${_source} CONTENT "#include \"${header}\"\n#include \"${header}\"\n")
  if(header IN_LIST _torch_headers)
    list(APPEND _torch_sources ${_source})
  else()
    list(APPEND _plain_sources ${_source})
  endif()
endforeach()

add_library(teacache_headers_plain OBJECT EXCLUDE_FROM_ALL ${_plain_sources})
teacache_settings(teacache_headers_plain)
target_link_libraries(teacache_headers_plain PRIVATE fmt::fmt-header-only nlohmann_json::nlohmann_json GTest::gmock
                                                     Eigen3::Eigen PkgConfig::LIBAV ${OpenCV_LIBS})
target_compile_options(teacache_headers_plain PRIVATE -O0)
set(_header_targets teacache_headers_plain)

if(_torch_sources)
  add_library(teacache_headers_torch OBJECT EXCLUDE_FROM_ALL ${_torch_sources})
  teacache_settings(teacache_headers_torch TORCH)
  target_link_libraries(teacache_headers_torch PRIVATE fmt::fmt-header-only nlohmann_json::nlohmann_json GTest::gmock)
  list(APPEND _header_targets teacache_headers_torch)
endif()

add_test(NAME architecture.headers
         COMMAND ${CMAKE_COMMAND} --build ${CMAKE_BINARY_DIR} --target ${_header_targets})
set_tests_properties(architecture.headers PROPERTIES LABELS unit TIMEOUT 1200 RUN_SERIAL ON)
