# Runs clang-tidy-19, with the checks of .clang-tidy, over the sources that contain or drive coroutines, where mistakes are
# silent and fatal. Checking all sources would take longer than the build. Runs two at a time.

find_program(CLANG_TIDY clang-tidy-19)
if(NOT CLANG_TIDY)
  message(FATAL_ERROR "clang-tidy-19 is not installed: apt-get install clang-tidy-19")
endif()

file(GLOB files "${SOURCE_DIR}/runtime/kernel/*.cpp" "${SOURCE_DIR}/runtime/sim/*.cpp")
foreach(folder IN ITEMS cli cluster runtime)
  file(GLOB_RECURSE found "${SOURCE_DIR}/${folder}/*.cpp")
  foreach(file IN LISTS found)
    file(STRINGS "${file}" hits REGEX "co_await|co_return|co_yield" LIMIT_COUNT 1)
    if(hits)
      list(APPEND files "${file}")
    endif()
  endforeach()
endforeach()
list(REMOVE_DUPLICATES files)
if(NOT files)
  message(FATAL_ERROR "No source below ${SOURCE_DIR} contains or drives coroutines.")
endif()

list(JOIN files "\n" lines)
file(WRITE "${BUILD_DIR}/tidy_files.txt" "${lines}\n")
# A source that is compiled joined with others has no command of its own: clang-tidy guesses one, without our folders.
execute_process(
  COMMAND xargs -P 2 -n 1 ${CLANG_TIDY} -p "${BUILD_DIR}" --quiet --warnings-as-errors=*
    --extra-arg=-I${SOURCE_DIR} --extra-arg=-I${SOURCE_DIR}/runtime --extra-arg=-I${SOURCE_DIR}/runtime/include
  INPUT_FILE "${BUILD_DIR}/tidy_files.txt"
  RESULT_VARIABLE result OUTPUT_VARIABLE output ERROR_VARIABLE errors)
if(NOT result EQUAL 0)
  message(FATAL_ERROR "${output}")
endif()
list(LENGTH files count)
message(STATUS "${count} files are clean.")
