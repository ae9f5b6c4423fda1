#include "sim/memory_files.hpp"

#include <algorithm>
#include <filesystem>
#include <span>
#include <utility>

#include "epic/file.hpp"
#include "kernel/limits.hpp"

namespace epic::sim {

namespace {

constexpr std::uint64_t kOpenBytesMax = 1u << 30;  // in place of what a file system can hold

[[noreturn]] void throw_error(const std::string& doing, const std::string& path, std::errc error) {
  throw std::filesystem::filesystem_error("cannot " + doing, path, std::make_error_code(error));
}

}  // namespace

// ---- a file that is open: it stays what it is, whatever its path leads to by then ----

class MemoryFiles::Handle final : public epic::detail::FileHandle {
 public:
  Handle(const MemoryFiles& files, std::string path, std::shared_ptr<Content> content)
      : files_(files), path_(std::move(path)), content_(std::move(content)) {}

  std::size_t read_at(std::uint64_t offset, std::span<char> into) override {
    files_.meet_fault("read file", path_, Access::read);
    const std::string& bytes = content_->bytes;
    if (offset >= bytes.size()) return 0;
    return bytes.copy(into.data(), into.size(), offset);
  }
  void write_at(std::uint64_t offset, std::string_view content) override {
    if (std::max<std::uint64_t>(offset, offset + content.size()) > kOpenBytesMax)
      throw_error("write file", path_, std::errc::file_too_large);
    files_.meet_fault("write file", path_, Access::change);
    std::string& bytes = change();
    bytes.resize(std::max<std::size_t>(bytes.size(), offset + content.size()));
    bytes.replace(offset, content.size(), content);
  }
  void append(std::string_view content) override {
    files_.meet_fault("append to file", path_, Access::change);
    change() += content;
  }
  void sync() override {
    files_.meet_fault("sync file", path_, Access::change);
    content_->synced.reset();
  }
  std::uint64_t size() override {
    files_.meet_fault("find the size of file", path_, Access::read);
    return content_->bytes.size();
  }
  void clear() { change().clear(); }

 private:
  std::string& change() {
    if (!content_->synced) content_->synced = content_->bytes;
    return content_->bytes;
  }

  const MemoryFiles& files_;
  std::string path_;
  std::shared_ptr<Content> content_;  // shared with the folder, and others that have it open
};

std::shared_ptr<epic::detail::FileHandle> MemoryFiles::open(const std::string& path, FileMode mode) {
  check("open file", path, mode == FileMode::read ? Access::read : Access::change);
  auto found = files_.find(path);
  if (found == files_.end()) {
    if (mode == FileMode::read) throw_error("open file", path, std::errc::no_such_file_or_directory);
    found = files_.emplace(path, std::make_shared<Content>()).first;
  }
  auto handle = std::make_shared<Handle>(*this, path, found->second);
  if (mode == FileMode::write) handle->clear();
  return handle;
}

// ---- whole files ----

std::optional<std::string> MemoryFiles::find(const std::string& path) const {
  const auto found = files_.find(path);
  return found == files_.end() ? std::nullopt : std::optional(found->second->bytes);
}

void MemoryFiles::put(const std::string& path, std::string content) {
  make_folders(path);
  files_[path] = std::make_shared<Content>(std::move(content));
}

void MemoryFiles::make_folders(const std::string& path) {
  for (std::size_t end = path.find('/'); end != std::string::npos; end = path.find('/', end + 1))
    folders_.insert(path.substr(0, end));
}

void MemoryFiles::check(const std::string& doing, const std::string& path, Access access) {
  for (std::size_t end = path.find('/'); end != std::string::npos; end = path.find('/', end + 1))
    if (files_.contains(path.substr(0, end))) throw_error(doing, path, std::errc::not_a_directory);
  if (folders_.contains(path)) throw_error(doing, path, std::errc::is_a_directory);
  meet_fault(doing, path, access);
  if (access == Access::change) make_folders(path);
}

void MemoryFiles::meet_fault(const std::string& doing, const std::string& path, Access access) const {
  if (!find_fault_) return;
  if (const auto fault = find_fault_(access)) throw_error(doing, path, *fault);
}

std::string MemoryFiles::read(const std::string& path) {
  check("read file", path, Access::read);
  const auto found = files_.find(path);
  if (found == files_.end()) throw_error("read file", path, std::errc::no_such_file_or_directory);
  if (found->second->bytes.size() > kernel::limits::kFileBytesMax)
    throw_error("read file", path, std::errc::file_too_large);
  return found->second->bytes;
}

void MemoryFiles::write(const std::string& path, std::string_view content) {
  check("write file", path, Access::change);
  files_.insert_or_assign(path, std::make_shared<Content>(std::string(content)));
}

void MemoryFiles::append(const std::string& path, std::string_view content) {
  check("append to file", path, Access::change);
  std::shared_ptr<Content>& file = files_[path];
  if (file == nullptr) file = std::make_shared<Content>();
  file->bytes += content;
  file->synced.reset();
}

bool MemoryFiles::remove(const std::string& path) {
  check("remove file", path, Access::remove);
  return files_.erase(path) > 0;
}

void MemoryFiles::cut_power(const std::function<bool()>& is_kept) {
  for (const auto& [path, file] : files_)
    if (auto synced = std::exchange(file->synced, std::nullopt); synced && !is_kept()) file->bytes = *std::move(synced);
}

}  // namespace epic::sim
