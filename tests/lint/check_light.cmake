# Fails if a public header includes something that slows down the build of every module (Asio alone takes three seconds).
# client_asio.hpp is for programs outside the fabric that use Asio themselves; no other header includes it.

file(GLOB headers "${INCLUDE_DIR}/epic/*.hpp")
list(REMOVE_ITEM headers "${INCLUDE_DIR}/epic/client_asio.hpp")
if(NOT headers)
  message(FATAL_ERROR "${INCLUDE_DIR}/epic has no headers.")
endif()
set(heavy boost/asio boost/process boost/beast boost/json capnp/ kj/ spdlog/ CLI/ toml sqlite3 catch2
  fmt/format fmt/chrono fmt/ostream fmt/ranges "regex " "iostream " "fstream " "filesystem " "future ")
foreach(header IN LISTS headers)
  execute_process(COMMAND ${COMPILER} -std=c++23 -M -x c++ -I${INCLUDE_DIR} ${header}
    OUTPUT_VARIABLE dependencies ERROR_VARIABLE errors RESULT_VARIABLE result)
  if(NOT result EQUAL 0)
    message(FATAL_ERROR "${errors}")
  endif()
  string(REGEX REPLACE "[\\\n]" " " dependencies "${dependencies} ")
  foreach(name IN LISTS heavy)
    string(FIND "${dependencies}" "/${name}" at)
    if(NOT at EQUAL -1)
      message(FATAL_ERROR "${header} includes <${name}...>. Public headers must stay light (see runtime/README.md).")
    endif()
  endforeach()
endforeach()
