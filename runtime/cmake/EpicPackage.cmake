# The Debian package, made by `cpack` (./bootstrap package): what is installed, and what only belongs to a machine that runs
# fabrics as services. That is the component `debian`; a plain `cmake --install` leaves it out.

set(debian "${CMAKE_CURRENT_LIST_DIR}/debian")
set(doc "${CMAKE_INSTALL_DATADIR}/doc/epic")

# epic_install_debian(FILES ... DESTINATION ...), as install().
function(epic_install_debian)
  install(${ARGV} COMPONENT debian EXCLUDE_FROM_ALL)
endfunction()

epic_install_debian(FILES "${debian}/epic@.service" DESTINATION lib/systemd/system)
epic_install_debian(FILES "${debian}/sysusers.conf" DESTINATION lib/sysusers.d RENAME epic.conf)
epic_install_debian(FILES "${debian}/tmpfiles.conf" DESTINATION lib/tmpfiles.d RENAME epic.conf)
epic_install_debian(FILES "${PROJECT_SOURCE_DIR}/completions/_epic" DESTINATION "${CMAKE_INSTALL_DATADIR}/zsh/vendor-completions")
epic_install_debian(FILES "${debian}/copyright" "${PROJECT_SOURCE_DIR}/README.md" DESTINATION "${doc}")
epic_install_debian(FILES "${PROJECT_SOURCE_DIR}/cluster/OPERATIONS.md" DESTINATION "${doc}/cluster")

set(changelog "${PROJECT_BINARY_DIR}/changelog.gz")
add_custom_command(OUTPUT "${changelog}" COMMAND gzip -9nc "${debian}/changelog" > "${changelog}" DEPENDS "${debian}/changelog")
add_custom_target(epic_changelog DEPENDS "${changelog}")
add_dependencies(epic_package epic_changelog)
epic_install_debian(FILES "${changelog}" DESTINATION "${doc}")

set(CPACK_GENERATOR DEB)
set(CPACK_PACKAGE_NAME epic)
set(CPACK_PACKAGE_CONTACT "The epic authors <epic@packages.invalid>")
set(CPACK_PACKAGE_DESCRIPTION_SUMMARY "virtual actors for C++: toolchain and local fabric")
set(CPACK_DEBIAN_PACKAGE_DESCRIPTION
"C++ objects that live in several processes and are called as if they lived in
one. The command epic creates projects, builds and tests them, and runs them on
a fabric of worker processes, where every object has exactly one live instance
and is saved automatically.
.
The compiler and the libraries that projects are built with are recommended. A
machine whose nodes join the fabric of another project directory needs none of
them.")
set(CPACK_DEBIAN_PACKAGE_SECTION devel)
set(CPACK_DEBIAN_PACKAGE_SHLIBDEPS ON)
set(CPACK_DEBIAN_PACKAGE_DEPENDS "libpq5")  # loaded when a store is in PostgreSQL
string(JOIN ", " CPACK_DEBIAN_PACKAGE_RECOMMENDS clang-19 lld-19 cmake ninja-build git
  libboost1.81-dev libfmt-dev libspdlog-dev libcapnp-dev libssl-dev libsqlite3-dev libxxhash-dev catch2)
set(CPACK_DEBIAN_PACKAGE_SUGGESTS "postgresql, iproute2, etcd-server, man-db")
set(CPACK_DEBIAN_PACKAGE_CONTROL_EXTRA "${debian}/postinst" "${debian}/prerm" "${debian}/postrm")
set(CPACK_DEBIAN_PACKAGE_CONTROL_STRICT_PERMISSION ON)
set(CPACK_DEBIAN_FILE_NAME DEB-DEFAULT)
set(CPACK_STRIP_FILES ON)
set(CPACK_PACKAGING_INSTALL_PREFIX /usr)
set(CPACK_INSTALL_CMAKE_PROJECTS
  "${PROJECT_BINARY_DIR};epic;Unspecified;/" "${PROJECT_BINARY_DIR};epic;debian;/")
set(CPACK_INSTALL_DEFAULT_DIRECTORY_PERMISSIONS
  OWNER_READ OWNER_WRITE OWNER_EXECUTE GROUP_READ GROUP_EXECUTE WORLD_READ WORLD_EXECUTE)
include(CPack)
