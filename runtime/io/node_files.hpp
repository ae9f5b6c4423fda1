#pragma once
// NodeFiles: a node's access to the project's files (epic/files.hpp), on any of its threads.

#include <cstdint>
#include <filesystem>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <utility>

#include "epic/blocking.hpp"
#include "epic/file.hpp"
#include "files/data_folder.hpp"
#include "kernel/limits.hpp"

namespace epic::io {

class NodeFile final : public detail::FileHandle {
 public:
  explicit NodeFile(files::DataFile file) : file_(std::move(file)) {}

  std::size_t read_at(std::uint64_t offset, std::span<char> into) override { return file_.read_at(offset, into); }
  void write_at(std::uint64_t offset, std::string_view content) override { file_.write_at(offset, content); }
  void append(std::string_view content) override { file_.append(content); }
  void sync() override { file_.sync(); }
  std::uint64_t size() override { return file_.size(); }

 private:
  files::DataFile file_;
};

class NodeFiles final : public detail::FileAccess {
 public:
  explicit NodeFiles(const std::filesystem::path& folder) : folder_(folder, kernel::limits::kFileBytesMax) {}

  std::string read(const std::string& path) override { return folder_.read(path); }
  void write(const std::string& path, std::string_view content) override { folder_.write(path, content); }
  void append(const std::string& path, std::string_view content) override { folder_.append(path, content); }
  bool remove(const std::string& path) override { return folder_.remove(path); }
  std::shared_ptr<detail::FileHandle> open(const std::string& path, FileMode mode) override {
    return std::make_shared<NodeFile>(folder_.open(path, how(mode)));
  }

 private:
  [[nodiscard]] static files::DataFolder::Open how(FileMode mode) {
    switch (mode) {
      case FileMode::write:
        return files::DataFolder::Open::to_write_anew;
      case FileMode::append:
        return files::DataFolder::Open::to_append;
      case FileMode::update:
        return files::DataFolder::Open::to_update;
      case FileMode::read:
        break;
    }
    return files::DataFolder::Open::to_read;
  }

  files::DataFolder folder_;
};

}  // namespace epic::io
