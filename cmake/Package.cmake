# Packages of a finished build, by CPack:
#   cpack -G DEB   teacache-tools: fit-coeffs and eval-metrics, which need no LibTorch, on Debian's libraries
#   cpack -G TGZ   everything, with the libraries that it needs but LibTorch and glibc: for machines without
#                  root. LibTorch is found as docs/install.md says.

# Who makes the package, as Debian's tools take it from DEBFULLNAME and DEBEMAIL.
if(DEFINED ENV{DEBEMAIL})
  set(_maintainer "$ENV{DEBFULLNAME} <$ENV{DEBEMAIL}>")
else()
  set(_maintainer "TeaCache Toolkit <packager@localhost>")
endif()
set(TEACACHE_MAINTAINER ${_maintainer} CACHE STRING "Maintainer of the Debian package")

# What only a package takes; a plain `cmake --install` does not.
install(TARGETS fit-coeffs eval-metrics RUNTIME DESTINATION bin COMPONENT debian EXCLUDE_FROM_ALL)
install(CODE "foreach(program fit-coeffs eval-metrics)
    file(RPATH_REMOVE FILE \"\$ENV{DESTDIR}\${CMAKE_INSTALL_PREFIX}/bin/\${program}\")
  endforeach()
  execute_process(COMMAND \"${Python3_EXECUTABLE}\" \"${CMAKE_SOURCE_DIR}/cmake/debian_files.py\"
    --programs \"${CMAKE_RUNTIME_OUTPUT_DIRECTORY}\" --share \"\$ENV{DESTDIR}\${CMAKE_INSTALL_PREFIX}/share\"
    --version \"${PROJECT_VERSION}\" --maintainer \"${TEACACHE_MAINTAINER}\" COMMAND_ERROR_IS_FATAL ANY)"
  COMPONENT debian EXCLUDE_FROM_ALL)
install(CODE "execute_process(COMMAND \"${CMAKE_SOURCE_DIR}/cmake/bundle_libraries.sh\"
    \"\$ENV{DESTDIR}\${CMAKE_INSTALL_PREFIX}\" COMMAND_ERROR_IS_FATAL ANY)"
  COMPONENT bundle EXCLUDE_FROM_ALL)

set(CPACK_PACKAGE_NAME teacache-toolkit)
set(CPACK_PACKAGE_VENDOR "TeaCache Toolkit")
set(CPACK_PACKAGE_CONTACT ${TEACACHE_MAINTAINER})
set(CPACK_PACKAGE_DESCRIPTION_SUMMARY "calibrates TeaCache and measures what it costs")
set(CPACK_PACKAGE_FILE_NAME "teacache-toolkit-${PROJECT_VERSION}-${CMAKE_SYSTEM_NAME}-${CMAKE_SYSTEM_PROCESSOR}")
set(CPACK_STRIP_FILES ON)
set(CPACK_PROJECT_CONFIG_FILE ${CMAKE_SOURCE_DIR}/cmake/PackageOptions.cmake)

set(CPACK_DEB_COMPONENT_INSTALL ON)
set(CPACK_DEBIAN_DEBIAN_PACKAGE_NAME teacache-tools)
set(CPACK_DEBIAN_FILE_NAME DEB-DEFAULT)
set(CPACK_DEBIAN_PACKAGE_RELEASE 1)
set(CPACK_DEBIAN_PACKAGE_SECTION video)
set(CPACK_DEBIAN_PACKAGE_SHLIBDEPS ON)
set(CPACK_DEBIAN_DEBIAN_DESCRIPTION
    "fit-coeffs fits the coefficients of TeaCache, which skips calls of video
diffusion transformers, and says whether they are worth using.
eval-metrics compares generated videos with their ground truth: PSNR, SSIM
and MS-SSIM with intervals. LPIPS needs LibTorch and is not in this package.")
set(CPACK_ARCHIVE_COMPONENT_INSTALL ON)
include(CPack)
