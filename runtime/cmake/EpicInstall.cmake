# Install and export: find_package(epic CONFIG) then provides epic::runtime, epic::cluster, epic_add_module(),
# epic_add_tests() and epic_add_client(). All paths are relative, so that a prefix can be moved.

include(CMakePackageConfigHelpers)

install(TARGETS epic_runtime epic_cluster epic_module epic_test_main EXPORT epicTargets
  ARCHIVE DESTINATION "${CMAKE_INSTALL_LIBDIR}"
  FILE_SET public_headers DESTINATION "${CMAKE_INSTALL_INCLUDEDIR}"
  INCLUDES DESTINATION "${CMAKE_INSTALL_INCLUDEDIR}")
install(EXPORT epicTargets NAMESPACE epic:: DESTINATION "${EPIC_CMAKE_DIR}")

if(TARGET epic)
  install(TARGETS epic RUNTIME DESTINATION "${CMAKE_INSTALL_BINDIR}")
endif()
if(TARGET epic-node)
  install(TARGETS epic-node RUNTIME DESTINATION "${CMAKE_INSTALL_LIBEXECDIR}/epic")
endif()

if(TARGET epic)
  include(EpicManual)
endif()

# Everything that is installed, without the tests.
add_custom_target(epic_package)
foreach(target IN ITEMS epic_runtime epic_cluster epic_test_main epic epic-node epic_manual)
  if(TARGET ${target})
    add_dependencies(epic_package ${target})
  endif()
endforeach()

# Libraries that epic::runtime and epic::cluster link but users never include; epicConfig.cmake finds them as files.
set(EPIC_PRIVATE_LIBRARIES capnp kj spdlog sqlite3 xxhash ssl crypto dl)

configure_package_config_file("${CMAKE_CURRENT_LIST_DIR}/epicConfig.cmake.in" "${PROJECT_BINARY_DIR}/epicConfig.cmake"
  INSTALL_DESTINATION "${EPIC_CMAKE_DIR}"
  PATH_VARS CMAKE_INSTALL_BINDIR CMAKE_INSTALL_LIBEXECDIR CMAKE_INSTALL_DATADIR)
write_basic_package_version_file("${PROJECT_BINARY_DIR}/epicConfigVersion.cmake" COMPATIBILITY SameMinorVersion)
install(FILES
  "${PROJECT_BINARY_DIR}/epicConfig.cmake" "${PROJECT_BINARY_DIR}/epicConfigVersion.cmake"
  "${CMAKE_CURRENT_LIST_DIR}/EpicCompiler.cmake" "${CMAKE_CURRENT_LIST_DIR}/EpicModule.cmake"
  DESTINATION "${EPIC_CMAKE_DIR}")
