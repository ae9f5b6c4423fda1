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
endfunction()

if(EPIC_SANITIZE)
  add_compile_options(-fsanitize=${EPIC_SANITIZE} -fno-omit-frame-pointer -fno-sanitize-recover=all)
  add_link_options(-fsanitize=${EPIC_SANITIZE})
endif()
