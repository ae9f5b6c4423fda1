#pragma once
// open_store: the one door to a store, from `[fabric] store = "…"` in epic.toml. README.md names the few places outside
// of this folder that look at the kind of a store.

#include <cstdint>
#include <filesystem>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>

#include "storage/store.hpp"
#include "storage/store_address.hpp"

namespace epic::storage {

struct StoreConfig {
  StoreAddress address;                           // as locate_store() answers
  std::optional<std::uint32_t> shard_count = {};  // needed to create a store; optional for a reader
  kernel::PlacementGroups groups = {};            // recorded in a store that is made; of no matter for another
  OpenMode mode = OpenMode::existing;
  bool is_of_fabric = false;  // this process belongs to a fabric: nobody may hold the store then (store_hold.hpp)
};

/// `incompatible` for an unknown kind. A store that keeps nothing is new each time and belongs to this process: opening
/// it for anything but `create` is `not_found`, and grants are implied, as no supervisor can write them.
[[nodiscard]] std::expected<std::unique_ptr<Store>, StoreError> open_store(const StoreConfig& config);

/// The kinds of stores, the usual one first.
[[nodiscard]] std::span<const std::string_view> store_kinds();
/// May `store` be this in epic.toml? A kind, or the URL of a database, of a form that epic can use.
[[nodiscard]] bool is_store_setting(std::string_view setting);
/// What it may be, for people: "\"sqlite\", …".
[[nodiscard]] std::string store_settings_text();
/// A project's store, given that setting and its `.epic`.
[[nodiscard]] StoreAddress locate_store(std::string_view setting, const std::filesystem::path& directory);
/// False: nothing has been saved there yet. True, too, if it cannot be looked at: opening it says why.
[[nodiscard]] bool is_made(const StoreAddress& address);

/// Of a store in a file: what is written and not in it yet. A reader that stays makes it grow.
struct LogState {
  std::uintmax_t bytes;
  std::uintmax_t bytes_usual_max;  // with less, nothing keeps it from being used again
};
[[nodiscard]] std::optional<LogState> find_log(const std::filesystem::path& location);

/// What has happened to the store, if something acknowledged may be missing from it: nothing writes to it then.
[[nodiscard]] std::optional<std::string> find_mark(const StoreAddress& address);
/// A person has decided to go on with what is there.
[[nodiscard]] std::expected<void, StoreError> lift_mark(const StoreAddress& address);

/// For a process whose only business is a store: SQLite no longer counts its allocated bytes, which takes a mutex each
/// time (so its heap limits and sqlite3_status() have no effect). Call it before SQLite's first use and before there
/// are threads; later it does nothing.
void stop_counting_memory();

}  // namespace epic::storage
