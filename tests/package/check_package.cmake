# Packs BUILD_DIR, unpacks the package, and looks at its files, its control file and its unit.
cmake_minimum_required(VERSION 3.25)

set(work "${BUILD_DIR}/package_test")
file(REMOVE_RECURSE "${work}")

# run(PROGRAM ARGUMENTS ...): fails the test if it fails; its output is in `output`.
function(run)
  execute_process(COMMAND ${ARGV} OUTPUT_VARIABLE output ERROR_VARIABLE output RESULT_VARIABLE result)
  if(result)
    message(FATAL_ERROR "${ARGV}: ${result}\n${output}")
  endif()
  set(output "${output}" PARENT_SCOPE)
endfunction()

function(expect text regex)
  if(NOT text MATCHES "${regex}")
    message(SEND_ERROR "'${regex}' is not in:\n${text}")
  endif()
endfunction()

run(${CMAKE_CPACK_COMMAND} --config "${BUILD_DIR}/CPackConfig.cmake" -B "${work}" -D CPACK_DEBIAN_COMPRESSION_TYPE=gzip)
file(GLOB package "${work}/epic_${VERSION}_*.deb")
run(dpkg-deb -x "${package}" "${work}/unpacked")
run(dpkg-deb -e "${package}" "${work}/control")

foreach(path IN ITEMS
    bin/epic libexec/epic/epic-node ${LIBDIR}/libepic_runtime.a ${LIBDIR}/libepic_cluster.a include/epic/epic.hpp
    ${LIBDIR}/cmake/epic/epicConfig.cmake ${LIBDIR}/cmake/epic/EpicModule.cmake share/epic/templates/game/epic.toml
    share/bash-completion/completions/epic share/zsh/vendor-completions/_epic share/fish/vendor_completions.d/epic.fish
    share/man/man1/epic.1.gz share/man/man1/epic-run.1.gz share/man/man5/epic.toml.5.gz
    lib/systemd/system/epic@.service lib/sysusers.d/epic.conf lib/tmpfiles.d/epic.conf
    share/doc/epic/copyright share/doc/epic/changelog.gz share/doc/epic/README.md share/doc/epic/cluster/OPERATIONS.md)
  if(NOT EXISTS "${work}/unpacked/usr/${path}")
    message(SEND_ERROR "/usr/${path} is not in the package")
  endif()
endforeach()
file(GLOB elsewhere RELATIVE "${work}/unpacked" "${work}/unpacked/*" "${work}/unpacked/usr/local" "${work}/unpacked/usr/share/zsh/site-functions")
if(NOT elsewhere STREQUAL "usr")
  message(SEND_ERROR "there are also: ${elsewhere}")
endif()

run(dpkg-deb -f "${package}" Depends)
expect("${output}" "libc6 .*libpq5.*|libpq5.*libc6 ")
expect("${output}" "libsqlite3-0")
# What projects are compiled with. Their static libraries are linked with libraries that epicConfig.cmake looks for.
run(dpkg-deb -f "${package}" Recommends)
foreach(name IN ITEMS clang-19 lld-19 cmake ninja-build libboost1.81-dev libfmt-dev libspdlog-dev libcapnp-dev libssl-dev
    libsqlite3-dev libxxhash-dev catch2)
  expect("${output}" "(^|, )${name}(,|\n|$)")
endforeach()

run(dpkg-parsechangelog -l "${SOURCE_DIR}/runtime/cmake/debian/changelog" -S Version)
expect("${output}" "^${VERSION}\n")
foreach(script IN ITEMS postinst prerm postrm)
  run(sh -n "${work}/control/${script}")
endforeach()

find_program(analyze systemd-analyze)
if(analyze)
  # systemd looks for the program at its real place.
  file(READ "${work}/unpacked/usr/lib/systemd/system/epic@.service" unit)
  string(REPLACE "/usr/bin/epic" "${work}/unpacked/usr/bin/epic" unit "${unit}")
  file(WRITE "${work}/epic@.service" "${unit}")
  run(${analyze} verify --man=no "${work}/epic@.service")
  expect("${output}" "^$")
endif()
file(REMOVE_RECURSE "${work}")
