#pragma once
// NodeFiles: a node's access to the project's files (epic/files.hpp), on any of its threads.

#include <filesystem>
#include <string>
#include <string_view>

#include "epic/blocking.hpp"
#include "files/data_folder.hpp"
#include "kernel/limits.hpp"

namespace epic::io {

class NodeFiles final : public detail::FileAccess {
 public:
  explicit NodeFiles(const std::filesystem::path& folder) : folder_(folder, kernel::limits::kFileBytesMax) {}

  std::string read(const std::string& path) override { return folder_.read(path); }
  void write(const std::string& path, std::string_view content) override { folder_.write(path, content); }
  void append(const std::string& path, std::string_view content) override { folder_.append(path, content); }
  bool remove(const std::string& path) override { return folder_.remove(path); }

 private:
  files::DataFolder folder_;
};

}  // namespace epic::io
