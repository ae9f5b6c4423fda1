#pragma once
// StoreAddress: which store. One value that travels from epic.toml to whatever opens the store, on command lines too,
// so that only open_store.cpp knows which kinds there are.

#include <filesystem>
#include <string>
#include <string_view>

namespace epic::storage {

struct StoreAddress {
  std::string kind = {};                // one of store_kinds()
  std::filesystem::path location = {};  // a file, or what follows the kind in a URL; empty: it keeps nothing beyond its
                                        // process
  std::filesystem::path directory = {};  // the project's `.epic`: a store in a database has notes there

  [[nodiscard]] bool keeps_state() const { return !location.empty(); }
  /// Its state is in a file of its own, with others beside it.
  [[nodiscard]] bool has_file() const;
  /// For people: the file or the URL.
  [[nodiscard]] std::string shown() const { return has_file() || !keeps_state() ? location.string() : text(); }
  /// "sqlite:/arena/.epic/state.sqlite", "postgresql://db.example/arena": for command lines. Without the directory.
  [[nodiscard]] std::string text() const { return kind + ":" + location.string(); }
  /// Reads text(). Without a kind, as a person may write it, it is a location of the first kind.
  [[nodiscard]] static StoreAddress parse(std::string_view text);
  bool operator==(const StoreAddress&) const = default;
};

}  // namespace epic::storage
