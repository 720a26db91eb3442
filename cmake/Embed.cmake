# teacache_embed(target symbol file): `file` becomes read-only data of `target`, between the C symbols
# <symbol>_begin and <symbol>_end (see reports/page_assets.cc). The assembler's .incbin reads it while
# compiling, so a file of megabytes costs no compile time.
function(teacache_embed target symbol file)
  set(source ${CMAKE_CURRENT_BINARY_DIR}/embed_${symbol}.cc)
  configure_file(${CMAKE_SOURCE_DIR}/cmake/embed.cc.in ${source} @ONLY)
  set_source_files_properties(${source} PROPERTIES OBJECT_DEPENDS ${file} SKIP_PRECOMPILE_HEADERS ON)
  target_sources(${target} PRIVATE ${source})
endfunction()
