#include "storage/postgres_library.hpp"

#include <dlfcn.h>
#include <fmt/format.h>

#include "kernel/assert.hpp"

namespace epic::storage {

namespace {

constexpr const char* kLibpqFile = "libpq.so.5";  // its interface has had this number since 2006

std::expected<Libpq, std::string> find_libpq() {
  // Never unloaded: connections of any thread may be in it until the process ends.
  void* const library = ::dlopen(kLibpqFile, RTLD_NOW | RTLD_LOCAL);
  if (library == nullptr)
    return std::unexpected(
        fmt::format("PostgreSQL's client library cannot be loaded: {}. Install it (libpq5 in Debian)", ::dlerror()));
  Libpq found;
#define EPIC_LIBPQ_FIND(name)                                                   \
  found.name = reinterpret_cast<decltype(found.name)>(::dlsym(library, #name)); \
  if (found.name == nullptr)                                                    \
    return std::unexpected(fmt::format("{} is too old: it has no {}(). Install libpq 14 or newer", kLibpqFile, #name));
  EPIC_LIBPQ_FUNCTIONS(EPIC_LIBPQ_FIND)
#undef EPIC_LIBPQ_FIND
  return found;
}

const std::expected<Libpq, std::string>& loaded_libpq() {
  static const std::expected<Libpq, std::string> loaded = find_libpq();
  return loaded;
}

}  // namespace

std::expected<void, std::string> load_libpq() {
  if (!loaded_libpq()) return std::unexpected(loaded_libpq().error());
  return {};
}

const Libpq& libpq() {
  EPIC_ASSERT(loaded_libpq().has_value(), "libpq is used before it is loaded");
  return *loaded_libpq();
}

}  // namespace epic::storage
