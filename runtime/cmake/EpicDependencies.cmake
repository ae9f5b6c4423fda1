# Every dependency is a Debian package; bootstrap installs them.

find_package(Threads REQUIRED)
find_package(Boost 1.81 REQUIRED)          # headers only: Asio, Process v2, JSON, Describe
find_package(CapnProto REQUIRED)
find_package(fmt REQUIRED)
find_package(spdlog REQUIRED)
find_package(tomlplusplus REQUIRED)
find_package(CLI11 REQUIRED)
find_package(SQLite3 REQUIRED)
find_package(OpenSSL REQUIRED)             # base64, TLS
find_package(PkgConfig REQUIRED)
pkg_check_modules(xxhash REQUIRED IMPORTED_TARGET libxxhash)
pkg_check_modules(libpq REQUIRED IMPORTED_TARGET libpq)
pkg_check_modules(utf8proc REQUIRED IMPORTED_TARGET libutf8proc)
find_package(Catch2 2 REQUIRED)            # the installed package contains the main function of test programs
