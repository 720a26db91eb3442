# teacache_embed(target header file...): the files, one after the other, become read-only data of `target`. Its sources
# include "<folder>/<header>.h", <folder> being the one of the CMakeLists.txt, and call teacache::embedded::<name>(),
# <name> being the last part of `header`. The assembler's .incbin reads the files while compiling, so that a file of
# megabytes costs no compile time.
function(teacache_embed target header)
  get_filename_component(name ${header} NAME)
  set(symbol teacache_${name})
  set(source ${CMAKE_CURRENT_BINARY_DIR}/embed_${name}.cc)
  file(RELATIVE_PATH folder ${CMAKE_SOURCE_DIR} ${CMAKE_CURRENT_SOURCE_DIR})
  set(include_dir ${CMAKE_BINARY_DIR}/generated)
  set(incbin_lines "")
  foreach(file IN LISTS ARGN)
    string(APPEND incbin_lines "    \".incbin \\\"${file}\\\"\\n\"\n")
  endforeach()
  configure_file(${CMAKE_SOURCE_DIR}/cmake/embed.cc.in ${source} @ONLY)
  configure_file(${CMAKE_SOURCE_DIR}/cmake/embed.h.in ${include_dir}/${folder}/${header}.h @ONLY)
  set_source_files_properties(${source} PROPERTIES OBJECT_DEPENDS "${ARGN}" SKIP_PRECOMPILE_HEADERS ON)
  target_sources(${target} PRIVATE ${source})
  target_include_directories(${target} PRIVATE ${include_dir})
endfunction()
