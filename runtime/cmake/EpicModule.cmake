# What a project builds with: epic_add_module(), epic_add_tests() and epic_add_client(). The same functions serve this
# tree's own modules.

# epic_add_module(NAME arena SOURCES src/*.cpp)
#
# Builds the entity classes of SOURCES (files or patterns; patterns are looked at again at each build) into
# build/modules/arena.so, which every node loads. Nothing of the runtime is linked in: the node that loads the module
# provides it, so that a process has exactly one. A project may have several modules; the nodes load the one that is named
# like the project, or that [modules] load in epic.toml names.
#
# A library is linked as to any target: target_link_libraries(arena PRIVATE SQLite::SQLite3). That, include directories,
# definitions and options of the module hold for its classes, and for the tests and clients that contain them.
function(epic_add_module)
  cmake_parse_arguments(PARSE_ARGV 0 arg "" "NAME" "SOURCES")
  epic_check_arguments_(epic_add_module "${arg_NAME}" "${arg_SOURCES}" "${arg_UNPARSED_ARGUMENTS}")
  epic_require_compiler("The epic module '${arg_NAME}'")
  epic_expand_sources_(sources epic_add_module ${arg_SOURCES})

  # The objects are a target of their own so that the project's tests link what the node loads, compiled once.
  add_library(${arg_NAME}_objects OBJECT ${sources})
  epic_module_defaults_(${arg_NAME}_objects)
  target_link_libraries(${arg_NAME}_objects PUBLIC epic::module)
  list(LENGTH sources source_count)
  if(source_count GREATER 1)  # measured with five sources: half the compile time; with one, more
    target_precompile_headers(${arg_NAME}_objects PRIVATE <epic/epic.hpp>)
  endif()

  add_library(${arg_NAME} MODULE $<TARGET_OBJECTS:${arg_NAME}_objects>)
  set_target_properties(${arg_NAME} PROPERTIES
    PREFIX "" SUFFIX ".so" LINKER_LANGUAGE CXX
    LIBRARY_OUTPUT_DIRECTORY "${PROJECT_BINARY_DIR}/modules")

  target_link_libraries(${arg_NAME}_objects PUBLIC "$<TARGET_PROPERTY:${arg_NAME},LINK_LIBRARIES>")
  target_include_directories(${arg_NAME}_objects PUBLIC "$<TARGET_PROPERTY:${arg_NAME},INCLUDE_DIRECTORIES>")
  target_compile_definitions(${arg_NAME}_objects PUBLIC "$<TARGET_PROPERTY:${arg_NAME},COMPILE_DEFINITIONS>")
  target_compile_options(${arg_NAME}_objects PRIVATE "$<TARGET_PROPERTY:${arg_NAME},COMPILE_OPTIONS>")

  epic_listed_target_(epic-modules)
  epic_listed_target_(epic-clients)
  add_dependencies(epic-modules ${arg_NAME})
  set_property(TARGET epic-modules APPEND PROPERTY EPIC_LISTED "${arg_NAME}")
endfunction()

# epic_add_tests(NAME arena_tests MODULE arena SOURCES tests/*.cpp)
#
# A Catch2 program of SOURCES, the classes of MODULE, the runtime and the simulator; the main function comes with the
# package. It is not part of a plain build, which is what `epic run` waits for: `epic test` builds the target
# `epic-test-programs` and runs the cases, and so does the target `check` for CMake alone. As long as there are no sources
# there is no program.
function(epic_add_tests)
  cmake_parse_arguments(PARSE_ARGV 0 arg "" "NAME;MODULE" "SOURCES")
  epic_check_arguments_(epic_add_tests "${arg_NAME}" "${arg_SOURCES}" "${arg_UNPARSED_ARGUMENTS}")
  if(arg_MODULE AND NOT TARGET ${arg_MODULE}_objects)
    message(FATAL_ERROR "epic_add_tests(NAME ${arg_NAME}): MODULE ${arg_MODULE} is not known here. "
      "Call epic_add_module(NAME ${arg_MODULE} ...) first.")
  endif()
  epic_listed_target_(epic-test-programs)
  if(NOT TARGET check)
    add_custom_target(check COMMAND ${CMAKE_CTEST_COMMAND} --output-on-failure USES_TERMINAL)
    add_dependencies(check epic-test-programs)
  endif()
  file(GLOB sources CONFIGURE_DEPENDS ${arg_SOURCES})
  if(NOT sources)
    return()
  endif()

  add_executable(${arg_NAME} EXCLUDE_FROM_ALL ${sources})
  add_dependencies(epic-test-programs ${arg_NAME})
  set_property(TARGET epic-test-programs APPEND PROPERTY EPIC_LISTED "$<TARGET_FILE:${arg_NAME}>")
  epic_module_defaults_(${arg_NAME})
  target_include_directories(${arg_NAME} PRIVATE "${PROJECT_SOURCE_DIR}/src")
  if(arg_MODULE)
    target_link_libraries(${arg_NAME} PRIVATE ${arg_MODULE}_objects)
  endif()
  target_link_libraries(${arg_NAME} PRIVATE epic::test_main epic::cluster epic::runtime)
  include(Catch)  # Catch2's own: each case is a test of CTest's
  catch_discover_tests(${arg_NAME} DISCOVERY_MODE PRE_TEST EXTRA_ARGS --use-colour no)
endfunction()

# epic_add_client(NAME arena_bots SOURCES clients/bots.cpp MODULE arena)
#
# A program outside of the fabric that calls its entities with epic::Client (<epic/client.hpp>): SOURCES, with a main
# function, linked with the classes of MODULE (which may be left out if the project has one module) and the runtime. It
# includes the module's headers as tests do. `epic build` builds it into build/clients/arena_bots, after the module.
function(epic_add_client)
  cmake_parse_arguments(PARSE_ARGV 0 arg "" "NAME;MODULE" "SOURCES")
  epic_check_arguments_(epic_add_client "${arg_NAME}" "${arg_SOURCES}" "${arg_UNPARSED_ARGUMENTS}")
  set(modules "")
  if(TARGET epic-modules)
    get_property(modules TARGET epic-modules PROPERTY EPIC_LISTED)
  endif()
  list(LENGTH modules module_count)
  if(NOT arg_MODULE AND module_count EQUAL 1)
    set(arg_MODULE "${modules}")
  elseif(NOT arg_MODULE AND module_count EQUAL 0)
    message(FATAL_ERROR "epic_add_client(NAME ${arg_NAME}): there is no module yet. Call epic_add_module(NAME ...) first.")
  elseif(NOT arg_MODULE AND module_count GREATER 1)
    list(JOIN modules ", " modules)
    message(FATAL_ERROR "epic_add_client(NAME ${arg_NAME}): MODULE is missing. This project has several: ${modules}.")
  elseif(NOT TARGET ${arg_MODULE}_objects)
    message(FATAL_ERROR "epic_add_client(NAME ${arg_NAME}): MODULE ${arg_MODULE} is not known here. "
      "Call epic_add_module(NAME ${arg_MODULE} ...) first.")
  endif()
  epic_expand_sources_(sources epic_add_client ${arg_SOURCES})

  add_executable(${arg_NAME} ${sources})
  add_dependencies(epic-clients ${arg_NAME})
  set_property(TARGET epic-clients APPEND PROPERTY EPIC_LISTED "$<TARGET_FILE:${arg_NAME}>")
  epic_module_defaults_(${arg_NAME})
  set_target_properties(${arg_NAME} PROPERTIES RUNTIME_OUTPUT_DIRECTORY "${CMAKE_BINARY_DIR}/clients")
  target_include_directories(${arg_NAME} PRIVATE "${PROJECT_SOURCE_DIR}/src")
  target_link_libraries(${arg_NAME} PRIVATE ${arg_MODULE}_objects epic::runtime)
endfunction()

# A target that stands for several others, and a file of its name in the build folder that lists them for `epic`.
function(epic_listed_target_ target)
  if(NOT TARGET ${target})
    add_custom_target(${target})
    file(GENERATE OUTPUT "${CMAKE_BINARY_DIR}/${target}.txt"
      CONTENT "$<JOIN:$<GENEX_EVAL:$<TARGET_PROPERTY:${target},EPIC_LISTED>>,\n>\n")
  endif()
endfunction()

# What users get: the language, warnings, and as errors only what catches mistakes with coroutines: a call that is not
# awaited, a missing co_return, a reference to what has gone.
function(epic_module_defaults_ target)
  target_compile_options(${target} PRIVATE -Wall -Werror=unused-result -Werror=return-type -Werror=dangling
    -Werror=return-stack-address)
  set_target_properties(${target} PROPERTIES
    CXX_STANDARD 23 CXX_STANDARD_REQUIRED ON CXX_EXTENSIONS OFF CXX_SCAN_FOR_MODULES OFF
    POSITION_INDEPENDENT_CODE ON CXX_VISIBILITY_PRESET default VISIBILITY_INLINES_HIDDEN OFF
    EXPORT_COMPILE_COMMANDS ON)
endfunction()

function(epic_check_arguments_ function name sources unparsed)
  if(unparsed)
    message(FATAL_ERROR "${function}: '${unparsed}' is not understood. Expected: ${function}(NAME name SOURCES src/*.cpp)")
  endif()
  if(NOT name)
    message(FATAL_ERROR "${function}: NAME is missing. Expected: ${function}(NAME name SOURCES src/*.cpp)")
  endif()
  if(NOT sources)
    message(FATAL_ERROR "${function}(NAME ${name}): SOURCES is missing, for example SOURCES src/*.cpp")
  endif()
endfunction()

# Sets `out` to the files that the patterns name. A pattern without a match is an error: a typo would build nothing.
function(epic_expand_sources_ out function)
  set(all "")
  foreach(pattern IN LISTS ARGN)
    file(GLOB files CONFIGURE_DEPENDS "${pattern}")
    if(NOT files)
      message(FATAL_ERROR "${function}: no file matches '${pattern}' (looked in ${CMAKE_CURRENT_SOURCE_DIR}).")
    endif()
    list(APPEND all ${files})
  endforeach()
  list(REMOVE_DUPLICATES all)
  set(${out} ${all} PARENT_SCOPE)
endfunction()
