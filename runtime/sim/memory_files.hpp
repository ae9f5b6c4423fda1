#pragma once
// MemoryFiles: the project's folder for files (epic/files.hpp) in a simulated world, which all processes there share.
//
// Each call is one moment: it has happened or not. Its world may have it fail.

#include <functional>
#include <map>
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

  // ---- for tests, without faults
  void put(const std::string& path, std::string content);
  [[nodiscard]] std::optional<std::string> find(const std::string& path) const;

 private:
  void check(const std::string& doing, const std::string& path, Access access);
  void make_folders(const std::string& path);

  std::function<std::optional<std::errc>(Access)> find_fault_;
  std::map<std::string, std::string> files_;
  std::set<std::string> folders_;  // they stay when they are empty
};

}  // namespace epic::sim
