#include "storage/open_store.hpp"

#include <fmt/format.h>
#include <sqlite3.h>

#include <algorithm>
#include <array>
#include <system_error>

#include "kernel/assert.hpp"
#include "storage/memory_store.hpp"
#include "storage/postgres_library.hpp"
#include "storage/postgres_store.hpp"
#include "storage/sqlite_store.hpp"
#include "storage/store_mark.hpp"

namespace epic::storage {

namespace {

constexpr std::string_view kSqlite = "sqlite";
constexpr std::string_view kMemory = "memory";
constexpr std::string_view kPostgres = "postgresql";
constexpr std::array kStoreKinds{kSqlite, kMemory, kPostgres};
constexpr std::string_view kUrlBegins = "postgresql://";
constexpr std::uintmax_t kLogBytesUsualMax = 256u << 20;  // where commits begin to wait for a checkpoint

}  // namespace

void stop_counting_memory() { sqlite3_config(SQLITE_CONFIG_MEMSTATUS, 0); }

std::span<const std::string_view> store_kinds() { return kStoreKinds; }

bool is_store_setting(std::string_view setting) {
  // Without libpq nobody can tell; then open_store() says that it is missing.
  if (setting.starts_with(kUrlBegins))
    return !load_libpq() || PgConnection::check_url(std::string(setting)).has_value();
  return setting == kSqlite || setting == kMemory;
}

std::string store_settings_text() {
  return fmt::format("\"{}\", \"{}\" or \"{}HOST/DATABASE\", no password in it", kSqlite, kMemory, kUrlBegins);
}

StoreAddress locate_store(std::string_view setting, const std::filesystem::path& directory) {
  StoreAddress address{.kind = std::string(setting)};
  if (setting.starts_with(kUrlBegins)) address = StoreAddress::parse(setting);
  if (setting == kSqlite) address.location = directory / "state.sqlite";
  address.directory = directory;
  return address;
}

bool StoreAddress::has_file() const { return kind == kSqlite && keeps_state(); }

StoreAddress StoreAddress::parse(std::string_view text) {
  const std::size_t colon = text.find(':');
  if (colon == std::string_view::npos || std::ranges::find(kStoreKinds, text.substr(0, colon)) == kStoreKinds.end())
    return {.kind = std::string(kStoreKinds.front()), .location = text};
  return {.kind = std::string(text.substr(0, colon)), .location = text.substr(colon + 1)};
}

bool is_made(const StoreAddress& address) {
  if (!address.keeps_state()) return false;
  if (address.has_file()) {
    std::error_code ignored;
    return std::filesystem::exists(address.location, ignored);
  }
  const auto opened = open_store({.address = address, .mode = OpenMode::read_only});
  return opened || opened.error().code != StoreErrorCode::not_found;
}

std::optional<LogState> find_log(const std::filesystem::path& location) {
  std::error_code none;
  const std::uintmax_t bytes = std::filesystem::file_size(location.string() + "-wal", none);
  if (none) return std::nullopt;
  return LogState{.bytes = bytes, .bytes_usual_max = kLogBytesUsualMax};
}

std::optional<std::string> find_mark(const StoreAddress& address) {
  if (address.kind == kPostgres)  // one that cannot be reached has no mark that anybody could see
    return PostgresStore::find_mark(address.text()).value_or(std::nullopt);
  if (address.kind != kSqlite) return std::nullopt;
  auto mark = read_mark(address.location);
  if (!mark) return std::nullopt;
  return std::move(mark->what);
}

std::expected<void, StoreError> lift_mark(const StoreAddress& address) {
  if (address.kind == kPostgres) return PostgresStore::lift_mark(address.text());
  return address.kind == kSqlite ? StoreFiles::accept_loss(address.location) : std::expected<void, StoreError>();
}

std::expected<std::unique_ptr<Store>, StoreError> open_store(const StoreConfig& config) {
  if (config.address.kind == kSqlite) {
    return SqliteStore::open(config.address.location,
                             {.mode = config.mode, .shard_count = config.shard_count, .groups = config.groups});
  }
  if (config.address.kind == kPostgres) {
    return PostgresStore::open(config.address.text(), {.mode = config.mode,
                                                       .shard_count = config.shard_count,
                                                       .groups = config.groups,
                                                       .notes = config.address.directory,
                                                       .is_of_fabric = config.is_of_fabric});
  }
  if (config.address.kind == kMemory) {
    if (config.mode != OpenMode::create) {
      return std::unexpected(StoreError{StoreErrorCode::not_found,
                                        "the project keeps its state in memory (`store = \"memory\"` in epic.toml), so "
                                        "none of it exists outside a running fabric. Start it with `epic run`."});
    }
    EPIC_ASSERT(config.shard_count.value_or(0) > 0, "a new store needs a shard count");
    return std::make_unique<MemoryStore>(kernel::Placement(*config.shard_count, config.groups),
                                         &std::chrono::system_clock::now, MemoryStore::Granting::implied);
  }
  return std::unexpected(
      StoreError{StoreErrorCode::incompatible,
                 fmt::format("unknown kind of store '{}'. Set `store` under [fabric] in epic.toml to {}.",
                             config.address.kind, store_settings_text())});
}

}  // namespace epic::storage
