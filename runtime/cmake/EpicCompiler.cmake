# The compiler that epic and its modules need. Used by this tree, and by projects through find_package(epic).

# epic_require_compiler(WHO): stops with a plain message unless C++ is compiled by clang 19 or newer.
function(epic_require_compiler who)
  if(CMAKE_CXX_COMPILER_ID STREQUAL "Clang" AND CMAKE_CXX_COMPILER_VERSION VERSION_GREATER_EQUAL 19)
    return()
  endif()
  message(FATAL_ERROR
    "${who} needs clang 19 or newer, and found ${CMAKE_CXX_COMPILER_ID} ${CMAKE_CXX_COMPILER_VERSION} "
    "(${CMAKE_CXX_COMPILER}).\n"
    "g++ 12 destroys some temporaries of a co_await expression twice, so that a program which compiles corrupts memory.\n"
    "Install clang with 'apt-get install clang-19', remove this build folder, and configure with\n"
    "  cmake -B build -DCMAKE_CXX_COMPILER=clang++-19\n"
    "('epic build' does so by itself.)")
endfunction()
