# The pages of the manual, written by `epic` itself from the tables that also make its help, and compressed as man reads them.

set(EPIC_MANUAL_DIR "${PROJECT_BINARY_DIR}/manual")
add_custom_command(OUTPUT "${EPIC_MANUAL_DIR}.stamp"
  COMMAND ${CMAKE_COMMAND} -E rm -rf "${EPIC_MANUAL_DIR}"
  COMMAND ${CMAKE_COMMAND} -E make_directory "${EPIC_MANUAL_DIR}"
  COMMAND epic __manual "${EPIC_MANUAL_DIR}"
  COMMAND gzip -9nr "${EPIC_MANUAL_DIR}"
  COMMAND ${CMAKE_COMMAND} -E touch "${EPIC_MANUAL_DIR}.stamp"
  DEPENDS epic VERBATIM COMMENT "Writing the manual")
add_custom_target(epic_manual DEPENDS "${EPIC_MANUAL_DIR}.stamp")

foreach(section IN ITEMS 1 5)
  install(DIRECTORY "${EPIC_MANUAL_DIR}/" DESTINATION "${CMAKE_INSTALL_MANDIR}/man${section}"
    FILES_MATCHING PATTERN "*.${section}.gz")
endforeach()
