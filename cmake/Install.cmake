# cmake --install: programs, libraries, headers, the shipped weights, licences, documents, man pages and
# completions. Nothing in it names a folder of this machine.
include(CMakePackageConfigHelpers)

set(TEACACHE_INSTALL_TORCH "" CACHE PATH
    "LibTorch (a folder with lib/) that installed programs shall use: linked as lib/teacache/torch")

set(_libraries base tensors formats video shapes datasets_torch rules calib metrics gpu_metrics lpips vbench)
list(TRANSFORM _libraries PREPEND teacache_)
if(NOT TEACACHE_LIBTORCH)
  list(REMOVE_ITEM _libraries teacache_datasets_torch teacache_gpu_metrics teacache_lpips)
endif()
set_target_properties(teacache_datasets PROPERTIES EXPORT_NAME datasets)
install(TARGETS ${_libraries} teacache_datasets EXPORT teacacheTargets ARCHIVE DESTINATION lib
        COMPONENT development)
install(EXPORT teacacheTargets NAMESPACE teacache:: DESTINATION lib/cmake/teacache COMPONENT development)
configure_package_config_file(${CMAKE_SOURCE_DIR}/cmake/teacacheConfig.cmake.in
                              ${CMAKE_BINARY_DIR}/teacacheConfig.cmake INSTALL_DESTINATION lib/cmake/teacache)
write_basic_package_version_file(${CMAKE_BINARY_DIR}/teacacheConfigVersion.cmake COMPATIBILITY SameMinorVersion)
install(FILES ${CMAKE_BINARY_DIR}/teacacheConfig.cmake ${CMAKE_BINARY_DIR}/teacacheConfigVersion.cmake
        DESTINATION lib/cmake/teacache COMPONENT development)
foreach(layer datasets calib metrics)
  install(DIRECTORY ${CMAKE_SOURCE_DIR}/${layer} DESTINATION include/teacache COMPONENT development
          FILES_MATCHING PATTERN "*.h")
endforeach()

install(DIRECTORY ${CMAKE_SOURCE_DIR}/runners/weights/shapes DESTINATION share/teacache COMPONENT programs)
install(PROGRAMS cmake/teacache.sh DESTINATION bin RENAME teacache COMPONENT programs)
install(FILES LICENSE NOTICE README.md CHANGELOG.md DESTINATION share/doc/teacache-toolkit COMPONENT programs)
install(DIRECTORY docs/ DESTINATION share/doc/teacache-toolkit/docs COMPONENT programs FILES_MATCHING
        PATTERN "*.md")
install(FILES datasets/FORMATS.md DESTINATION share/doc/teacache-toolkit COMPONENT programs)

# Made of what the installed programs print for --help.
find_package(Python3 COMPONENTS Interpreter QUIET)
if(Python3_FOUND)
  install(CODE "execute_process(COMMAND \"${Python3_EXECUTABLE}\" \"${CMAKE_SOURCE_DIR}/cmake/help_pages.py\"
    --programs \"${CMAKE_RUNTIME_OUTPUT_DIRECTORY}\" --share \"\$ENV{DESTDIR}\${CMAKE_INSTALL_PREFIX}/share\"
    COMMAND_ERROR_IS_FATAL ANY)" COMPONENT programs)
endif()

if(TEACACHE_INSTALL_TORCH)
  install(CODE "file(MAKE_DIRECTORY \"\$ENV{DESTDIR}\${CMAKE_INSTALL_PREFIX}/lib/teacache\")
  file(CREATE_LINK \"${TEACACHE_INSTALL_TORCH}\"
    \"\$ENV{DESTDIR}\${CMAKE_INSTALL_PREFIX}/lib/teacache/torch\" SYMBOLIC)" COMPONENT programs)
endif()
