#pragma once
// StoreAddress: which store. One value that travels from epic.toml to whatever opens the store, on command lines too,
// so that only open_store.cpp knows which kinds there are.

#include <filesystem>
#include <string>
#include <string_view>

namespace epic::storage {

struct StoreAddress {
  std::string kind = {};                // one of store_kinds()
  std::filesystem::path location = {};  // empty: it has no file, and keeps nothing beyond its process

  [[nodiscard]] bool keeps_state() const { return !location.empty(); }
  /// "sqlite:/arena/.epic/state.sqlite", for command lines.
  [[nodiscard]] std::string text() const { return kind + ":" + location.string(); }
  /// Reads text(). Without a kind, as a person may write it, it is a location of the first kind.
  [[nodiscard]] static StoreAddress parse(std::string_view text);
  bool operator==(const StoreAddress&) const = default;
};

}  // namespace epic::storage
