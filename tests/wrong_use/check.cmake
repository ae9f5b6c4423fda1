# Compiles SOURCE and expects the words of its first line, among few errors.
file(STRINGS "${SOURCE}" first LIMIT_COUNT 1)
string(REPLACE "// says: " "" expected "${first}")
execute_process(COMMAND ${COMPILER} -std=c++23 -Werror=dangling -fsyntax-only -I${INCLUDE} ${SOURCE}
  RESULT_VARIABLE result ERROR_VARIABLE output)
if(result EQUAL 0)
  message(FATAL_ERROR "${SOURCE} compiles, and must not")
endif()
string(FIND "${output}" "${expected}" place)
string(REGEX MATCHALL "error: " errors "${output}")
list(LENGTH errors count)
if(place EQUAL -1 OR count GREATER 8)
  message(FATAL_ERROR "expected few errors, one of which says '${expected}', and got ${count}:\n${output}")
endif()
