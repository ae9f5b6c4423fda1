# Compiles epic.hpp once for all of them, into HEADER.
get_filename_component(folder "${HEADER}" DIRECTORY)
file(MAKE_DIRECTORY "${folder}")
execute_process(COMMAND ${COMPILER} -std=c++23 -Werror=dangling -I${INCLUDE} -x c++-header ${INCLUDE}/epic/epic.hpp -o ${HEADER}
  COMMAND_ERROR_IS_FATAL ANY)
