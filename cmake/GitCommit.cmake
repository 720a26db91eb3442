# Run at every build (cmake -P): writes OUTPUT, a source with the commit the program is built from, and
# only when it changed, so that nothing is recompiled in vain. A tree without git gives "".
execute_process(COMMAND git -C ${SOURCE} describe --always --dirty --abbrev=12 --exclude=*
                OUTPUT_VARIABLE commit OUTPUT_STRIP_TRAILING_WHITESPACE ERROR_QUIET)
file(CONFIGURE OUTPUT ${OUTPUT} CONTENT "namespace teacache { extern const char* const kGitCommit; const char* const kGitCommit = \"${commit}\"; }\n")
