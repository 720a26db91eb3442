# Where installed programs look for libraries: relative to themselves, so that the folder can be moved.
#   ../lib/teacache/torch/lib   LibTorch, or a link to one (TEACACHE_INSTALL_TORCH)
#   ../lib/python3.X/...        PyTorch of the virtual environment or conda that is the prefix
# LD_LIBRARY_PATH comes before both.
set(TEACACHE_INSTALL_RPATH "$ORIGIN/../lib/teacache;$ORIGIN/../lib/teacache/torch/lib")
set(TEACACHE_MODULE_RPATH "$ORIGIN/torch/lib")  # of lib/teacache/*.so
if(TEACACHE_PYTHON)  # the prefix is site-packages/teacache
  list(APPEND TEACACHE_MODULE_RPATH "$ORIGIN/../../../torch/lib")
  list(APPEND TEACACHE_INSTALL_RPATH "$ORIGIN/../../torch/lib")
endif()
foreach(minor RANGE 10 14)
  list(APPEND TEACACHE_MODULE_RPATH "$ORIGIN/../python3.${minor}/site-packages/torch/lib")
  list(APPEND TEACACHE_INSTALL_RPATH "$ORIGIN/../lib/python3.${minor}/site-packages/torch/lib")
endforeach()
