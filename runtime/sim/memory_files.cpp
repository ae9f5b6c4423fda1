#include "sim/memory_files.hpp"

#include <filesystem>
#include <utility>

#include "kernel/limits.hpp"

namespace epic::sim {

namespace {

[[noreturn]] void throw_error(const std::string& doing, const std::string& path, std::errc error) {
  throw std::filesystem::filesystem_error("cannot " + doing, path, std::make_error_code(error));
}

}  // namespace

std::optional<std::string> MemoryFiles::find(const std::string& path) const {
  const auto found = files_.find(path);
  return found == files_.end() ? std::nullopt : std::optional(found->second);
}

void MemoryFiles::put(const std::string& path, std::string content) {
  make_folders(path);
  files_[path] = std::move(content);
}

void MemoryFiles::make_folders(const std::string& path) {
  for (std::size_t end = path.find('/'); end != std::string::npos; end = path.find('/', end + 1))
    folders_.insert(path.substr(0, end));
}

void MemoryFiles::check(const std::string& doing, const std::string& path, Access access) {
  for (std::size_t end = path.find('/'); end != std::string::npos; end = path.find('/', end + 1))
    if (files_.contains(path.substr(0, end))) throw_error(doing, path, std::errc::not_a_directory);
  if (folders_.contains(path)) throw_error(doing, path, std::errc::is_a_directory);
  if (find_fault_)
    if (const auto fault = find_fault_(access)) throw_error(doing, path, *fault);
  if (access == Access::change) make_folders(path);
}

std::string MemoryFiles::read(const std::string& path) {
  check("read file", path, Access::read);
  const auto found = files_.find(path);
  if (found == files_.end()) throw_error("read file", path, std::errc::no_such_file_or_directory);
  if (found->second.size() > kernel::limits::kFileBytesMax) throw_error("read file", path, std::errc::file_too_large);
  return found->second;
}

void MemoryFiles::write(const std::string& path, std::string_view content) {
  check("write file", path, Access::change);
  files_.insert_or_assign(path, std::string(content));
}

void MemoryFiles::append(const std::string& path, std::string_view content) {
  check("append to file", path, Access::change);
  files_[path] += content;
}

bool MemoryFiles::remove(const std::string& path) {
  check("remove file", path, Access::remove);
  return files_.erase(path) > 0;
}

}  // namespace epic::sim
