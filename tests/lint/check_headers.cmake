# Fails if a public header does not compile alone, or includes something that slows down the build of every module (Asio
# alone takes three seconds). client_asio.hpp is for programs outside the fabric that use Asio themselves; no other header
# includes it.

file(GLOB_RECURSE headers "${INCLUDE_DIR}/*.hpp")
if(NOT headers)
  message(FATAL_ERROR "${INCLUDE_DIR} has no headers.")
endif()
set(heavy boost/asio boost/process boost/beast boost/json capnp/ kj/ spdlog/ CLI/ toml sqlite3 catch2
  fmt/format fmt/chrono fmt/ostream fmt/ranges "regex " "iostream " "fstream " "filesystem " "future ")
foreach(header IN LISTS headers)
  execute_process(COMMAND ${COMPILER} -std=c++23 -fsyntax-only -MD -MF ${DEPENDENCIES} -MT all -x c++ -I${INCLUDE_DIR}
      -include ${header} /dev/null
    ERROR_VARIABLE errors RESULT_VARIABLE result)
  if(NOT result EQUAL 0)
    message(FATAL_ERROR "${header} does not compile alone:\n${errors}")
  endif()
  if(NOT header MATCHES "/include/epic/[^/]*$" OR header MATCHES "/client_asio\\.hpp$")
    continue()
  endif()
  file(READ "${DEPENDENCIES}" dependencies)
  string(REGEX REPLACE "[\\\n]" " " dependencies "${dependencies} ")
  foreach(name IN LISTS heavy)
    string(FIND "${dependencies}" "/${name}" at)
    if(NOT at EQUAL -1)
      message(FATAL_ERROR "${header} includes <${name}...>. Public headers must stay light (see runtime/README.md).")
    endif()
  endforeach()
endforeach()
