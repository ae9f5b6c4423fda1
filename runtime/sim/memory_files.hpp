#pragma once
// MemoryFiles: the project's folder for files (epic/files.hpp) in a simulated world, which all processes there share.
//
// Each call is one moment: it has happened or not. Its world may have it fail. What was written to an open file is on
// disk when that is synced; a power cut may take the rest back.

#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <system_error>

#include "epic/blocking.hpp"

namespace epic::sim {

class MemoryFiles final : public epic::detail::FileAccess {
 public:
  enum class Access { read, change, remove };  // change: it needs room on the disk
  /// `find_fault` is asked before each access; it may be empty.
  explicit MemoryFiles(std::function<std::optional<std::errc>(Access)> find_fault = {})
      : find_fault_(std::move(find_fault)) {}

  std::string read(const std::string& path) override;
  void write(const std::string& path, std::string_view content) override;
  void append(const std::string& path, std::string_view content) override;
  bool remove(const std::string& path) override;
  /// Must not outlive this.
  std::shared_ptr<epic::detail::FileHandle> open(const std::string& path, FileMode mode) override;

  /// Of each file with changes that were not synced, `is_kept` says whether they are there all the same.
  void cut_power(const std::function<bool()>& is_kept);

  // ---- for tests, without faults
  void put(const std::string& path, std::string content);
  [[nodiscard]] std::optional<std::string> find(const std::string& path) const;

 private:
  class Handle;
  struct Content {
    std::string bytes;
    std::optional<std::string> synced;  // what is on disk, if that is something else
  };

  void check(const std::string& doing, const std::string& path, Access access);
  void meet_fault(const std::string& doing, const std::string& path, Access access) const;
  void make_folders(const std::string& path);

  std::function<std::optional<std::errc>(Access)> find_fault_;
  std::map<std::string, std::shared_ptr<Content>> files_;  // shared with those that have one open; never null
  std::set<std::string> folders_;                          // they stay when they are empty
};

}  // namespace epic::sim
