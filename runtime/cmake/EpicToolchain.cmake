# Compiler, language and developer flags. Users of the installed package get none of the developer flags.

include(EpicCompiler)
epic_require_compiler("epic")

if(NOT CMAKE_BUILD_TYPE)
  set(CMAKE_BUILD_TYPE RelWithDebInfo CACHE STRING "" FORCE)
endif()

set(CMAKE_CXX_STANDARD 23)
set(CMAKE_CXX_STANDARD_REQUIRED ON)
set(CMAKE_CXX_EXTENSIONS OFF)
set(CMAKE_CXX_SCAN_FOR_MODULES OFF)
set(CMAKE_POSITION_INDEPENDENT_CODE ON)
set(CMAKE_CXX_VISIBILITY_PRESET default)
set(CMAKE_EXPORT_COMPILE_COMMANDS ON)

option(EPIC_JOIN_SOURCES "Compile the files of a part together: a clean build is faster, a changed file slower" OFF)

find_program(EPIC_CCACHE ccache)
if(EPIC_CCACHE)
  set(CMAKE_CXX_COMPILER_LAUNCHER "${EPIC_CCACHE}")
endif()

find_program(EPIC_LLD NAMES ld.lld-19 ld.lld)
if(EPIC_LLD)
  add_link_options("--ld-path=${EPIC_LLD}")
endif()

# epic_target_defaults(TARGET): compile options of every target in this tree.
function(epic_target_defaults target)
  target_compile_features(${target} PUBLIC cxx_std_23)
  if(EPIC_DEV)
    target_compile_options(${target} PRIVATE -Wall -Wextra -Wpedantic -Werror -Wno-gnu-zero-variadic-macro-arguments)
  endif()
  if(EPIC_JOIN_SOURCES)
    epic_join_sources_(${target})
  endif()
endfunction()

# Most of a compiler's time goes to headers, which are read once for all files that are compiled together: a clean build
# takes less than half the time. Only files of one part are joined, which is a folder of the tree's second level with all
# below it (of the third level in tests), so that a clash of two names stays a matter of that part.
function(epic_join_sources_ target)
  set(joined_max 20)  # more in one would take more memory than one processor's share, and leave other processors idle
  get_target_property(sources ${target} SOURCES)
  list(FILTER sources INCLUDE REGEX "\\.cpp$")
  list(SORT sources)
  set(parts)
  foreach(source IN LISTS sources)
    cmake_path(ABSOLUTE_PATH source BASE_DIRECTORY "${CMAKE_CURRENT_SOURCE_DIR}" OUTPUT_VARIABLE path)
    cmake_path(RELATIVE_PATH path BASE_DIRECTORY "${CMAKE_SOURCE_DIR}")
    cmake_path(GET path PARENT_PATH folder)
    string(REGEX MATCH "^(tests/)?[^/]*(/[^/]*)?" part "${folder}")
    string(MAKE_C_IDENTIFIER "joined_${part}" part)
    list(APPEND parts ${part})
    list(APPEND sources_of_${part} "${source}")
  endforeach()
  list(REMOVE_DUPLICATES parts)
  foreach(part IN LISTS parts)
    list(LENGTH sources_of_${part} count)
    math(EXPR groups "(${count} + ${joined_max} - 1) / ${joined_max}")
    set(position 0)
    foreach(source IN LISTS sources_of_${part})
      math(EXPR group "${position} * ${groups} / ${count}")
      math(EXPR position "${position} + 1")
      set_source_files_properties("${source}" PROPERTIES UNITY_GROUP "${part}_${group}")
    endforeach()
  endforeach()
  set_target_properties(${target} PROPERTIES UNITY_BUILD ON UNITY_BUILD_MODE GROUP)
endfunction()

if(EPIC_SANITIZE)
  add_compile_options(-fsanitize=${EPIC_SANITIZE} -fno-omit-frame-pointer -fno-sanitize-recover=all)
  add_link_options(-fsanitize=${EPIC_SANITIZE})
endif()

option(EPIC_FUZZ "Compile everything for the fuzzers in tests/fuzz, which learn from the branches that an input takes" OFF)
if(EPIC_FUZZ)
  add_compile_options(-fsanitize=fuzzer-no-link)
endif()
