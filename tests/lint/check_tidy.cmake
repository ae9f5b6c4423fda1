# Runs clang-tidy-19, with the checks of .clang-tidy, over the sources that hold coroutines: there a mistake is silent
# and fatal. Two at a time.

find_program(CLANG_TIDY clang-tidy-19)
if(NOT CLANG_TIDY)
  message(FATAL_ERROR "clang-tidy-19 is not installed: apt-get install clang-tidy-19")
endif()

set(files "")
foreach(folder IN ITEMS cli cluster runtime)
  file(GLOB_RECURSE found "${SOURCE_DIR}/${folder}/*.cpp")
  foreach(file IN LISTS found)
    file(STRINGS "${file}" hits REGEX "co_await|co_return|co_yield" LIMIT_COUNT 1)
    if(hits)
      list(APPEND files "${file}")
    endif()
  endforeach()
endforeach()
if(NOT files)
  message(STATUS "No source holds a coroutine.")
  return()
endif()

list(JOIN files "\n" lines)
file(WRITE "${BUILD_DIR}/tidy_files.txt" "${lines}\n")
execute_process(
  COMMAND xargs -P 2 -n 1 ${CLANG_TIDY} -p "${BUILD_DIR}" --quiet --warnings-as-errors=*
  INPUT_FILE "${BUILD_DIR}/tidy_files.txt"
  RESULT_VARIABLE result OUTPUT_VARIABLE output ERROR_VARIABLE errors)
if(NOT result EQUAL 0)
  message(FATAL_ERROR "${output}")
endif()
list(LENGTH files count)
message(STATUS "${count} files are clean.")
