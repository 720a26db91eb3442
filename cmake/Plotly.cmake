# plotly.js (MIT), embedded into the pages: sets PLOTLY_JS to the one file of it. build.sh puts the
# Python wheel that carries it into TEACACHE_DEPS_DIR/python; -DPLOTLY_JS=/path/plotly.min.js overrides.

find_file(PLOTLY_JS plotly.min.js
          PATHS ${TEACACHE_DEPS_DIR}/python/plotly/package_data
          NO_DEFAULT_PATH)
if(NOT PLOTLY_JS)
  message(FATAL_ERROR
          "plotly.js: no plotly.min.js found; run ./build.sh deps, or give -DPLOTLY_JS=/path/to/plotly.min.js")
endif()
