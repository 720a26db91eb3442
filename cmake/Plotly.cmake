# plotly.js (MIT), embedded into the pages. build.sh puts the Python wheel that carries it into
# TEACACHE_DEPS_DIR/python; -DPLOTLY_JS=/path/plotly.min.js overrides. Sets
#   PLOTLY_JS       the one file of it
#   PLOTLY_JS_GZ    the same, compressed
#   PLOTLY_VERSION  as its first lines say, "" when they do not

find_file(PLOTLY_JS plotly.min.js
          PATHS ${TEACACHE_DEPS_DIR}/python/plotly/package_data
          NO_DEFAULT_PATH)
if(NOT PLOTLY_JS AND TEACACHE_PYTHON)  # a requirement of the Python package's build
  find_package(Python3 COMPONENTS Interpreter REQUIRED)
  execute_process(COMMAND ${Python3_EXECUTABLE} -c
                          "import importlib.util as u; print(u.find_spec('plotly').submodule_search_locations[0])"
                  OUTPUT_VARIABLE _plotly OUTPUT_STRIP_TRAILING_WHITESPACE ERROR_QUIET)
  find_file(PLOTLY_JS plotly.min.js PATHS ${_plotly}/package_data NO_DEFAULT_PATH)
endif()
if(NOT PLOTLY_JS)
  message(FATAL_ERROR
          "plotly.js: no plotly.min.js found; run ./build.sh deps, or give -DPLOTLY_JS=/path/to/plotly.min.js")
endif()

file(READ ${PLOTLY_JS} _head LIMIT 300)
set(PLOTLY_VERSION "")
if(_head MATCHES "plotly\\.js v([0-9]+\\.[0-9]+\\.[0-9]+)")
  set(PLOTLY_VERSION ${CMAKE_MATCH_1})
endif()

set(PLOTLY_JS_GZ ${CMAKE_BINARY_DIR}/plotly.min.js.gz)
if(NOT EXISTS ${PLOTLY_JS_GZ} OR ${PLOTLY_JS} IS_NEWER_THAN ${PLOTLY_JS_GZ})
  # A fixed time, so that the same inputs make the same programs.
  file(ARCHIVE_CREATE OUTPUT ${PLOTLY_JS_GZ} PATHS ${PLOTLY_JS} FORMAT raw COMPRESSION GZip
       COMPRESSION_LEVEL 9 MTIME "2020-01-01 00:00 UTC")
endif()
