#pragma once
// SmallFileSystem: a real file system of a few megabytes, mounted on a test's directory; it can be filled up.

#include <sys/mount.h>

#include <filesystem>
#include <fstream>
#include <string>

namespace epic::test {

/// Needs a user who may mount; otherwise is_mounted() is false, and the test reports that it was skipped.
class SmallFileSystem {
 public:
  SmallFileSystem(std::filesystem::path at, const char* size) : at_(std::move(at)) {
    is_mounted_ = ::mount("tmpfs", at_.c_str(), "tmpfs", 0, (std::string("mode=0700,size=") + size).c_str()) == 0;
  }
  SmallFileSystem(const SmallFileSystem&) = delete;
  SmallFileSystem& operator=(const SmallFileSystem&) = delete;
  ~SmallFileSystem() {
    if (is_mounted_) ::umount2(at_.c_str(), MNT_DETACH);
  }
  [[nodiscard]] bool is_mounted() const { return is_mounted_; }
  [[nodiscard]] const std::filesystem::path& path() const { return at_; }

  /// Fills it to the last byte.
  void fill() const {
    std::ofstream ballast(at_ / "ballast", std::ios::binary);
    const std::string page(4096, 'b');
    while (ballast.write(page.data(), static_cast<std::streamsize>(page.size())).flush()) {
    }
  }
  void make_room() const { std::filesystem::remove(at_ / "ballast"); }
  /// Makes it read-only. Returns false while files are open for writing.
  [[nodiscard]] bool make_read_only() const {
    return ::mount(nullptr, at_.c_str(), nullptr, MS_REMOUNT | MS_RDONLY, nullptr) == 0;
  }

 private:
  std::filesystem::path at_;
  bool is_mounted_;
};

}  // namespace epic::test
