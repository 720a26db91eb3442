# teacache_embed(target symbol file...): the files, one after the other, become read-only data of `target`,
# between the C symbols <symbol>_begin and <symbol>_end (see reports/pages/html_page.cc). The assembler's .incbin
# reads them while compiling, so a file of megabytes costs no compile time.
function(teacache_embed target symbol)
  set(source ${CMAKE_CURRENT_BINARY_DIR}/embed_${symbol}.cc)
  set(incbin_lines "")
  foreach(file IN LISTS ARGN)
    string(APPEND incbin_lines "    \".incbin \\\"${file}\\\"\\n\"\n")
  endforeach()
  configure_file(${CMAKE_SOURCE_DIR}/cmake/embed.cc.in ${source} @ONLY)
  set_source_files_properties(${source} PROPERTIES OBJECT_DEPENDS "${ARGN}" SKIP_PRECOMPILE_HEADERS ON)
  target_sources(${target} PRIVATE ${source})
endfunction()
