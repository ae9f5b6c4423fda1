cmake_minimum_required(VERSION 3.25)
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

list(LENGTH files count)

# Most of the time goes to headers, so what is compiled joined is checked joined, without the files that are not to be
# checked. A file in the folder `tidy` gets the command of the one that is called like it.
set(units "")
file(GLOB joined "${BUILD_DIR}/runtime/CMakeFiles/*.dir/Unity/*.cxx" "${BUILD_DIR}/cluster/CMakeFiles/*.dir/Unity/*.cxx"
  "${BUILD_DIR}/cli/CMakeFiles/*.dir/Unity/*.cxx")
foreach(unit IN LISTS joined)
  file(STRINGS "${unit}" sources REGEX "^#include")
  list(TRANSFORM sources REPLACE "^#include \"(.*)\"$" "\\1")
  set(wanted "")
  foreach(source IN LISTS sources)
    if(source IN_LIST files)
      list(APPEND wanted "${source}")
    endif()
  endforeach()
  if(wanted)
    list(REMOVE_ITEM files ${wanted})
    if(NOT wanted STREQUAL sources)
      cmake_path(GET unit PARENT_PATH folder)
      cmake_path(GET unit FILENAME name)
      set(unit "${folder}/tidy/${name}")
      list(TRANSFORM wanted PREPEND "#include \"")
      list(TRANSFORM wanted APPEND "\"")
      list(JOIN wanted "\n" lines)
      file(WRITE "${unit}" "${lines}\n")
    endif()
    list(APPEND units "${unit}")
  endif()
endforeach()

list(JOIN units "\n" lines)
string(APPEND lines "\n")
list(JOIN files "\n" rest)
string(APPEND lines "${rest}")
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
message(STATUS "${count} files are clean.")
