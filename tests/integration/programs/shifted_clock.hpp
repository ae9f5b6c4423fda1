#pragma once
// ShiftedClock: the wall clock of a project's nodes, if they are run by shifted_node.cpp.

#include <fcntl.h>
#include <unistd.h>

#include <chrono>
#include <cstdint>
#include <filesystem>
#include <stdexcept>

namespace epic::test {

inline constexpr const char* kClockOffsetFile = "clock_offset";

class ShiftedClock {
 public:
  /// Right until it is set. Construct it before the fabric.
  explicit ShiftedClock(const std::filesystem::path& project)
      : file_(::open((project / kClockOffsetFile).c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0600)) {
    if (file_ < 0) throw std::runtime_error("cannot make a file in " + project.string());
    set_ahead(std::chrono::nanoseconds(0));
  }
  ShiftedClock(const ShiftedClock&) = delete;
  ShiftedClock& operator=(const ShiftedClock&) = delete;
  ~ShiftedClock() { ::close(file_); }

  /// Of the real time; a negative one: behind it. Takes effect at once, also in nodes that run.
  void set_ahead(std::chrono::nanoseconds by) const {
    const std::int64_t ns = by.count();
    if (::pwrite(file_, &ns, sizeof(ns), 0) != sizeof(ns)) throw std::runtime_error("cannot set the nodes' clock");
  }

 private:
  int file_;
};

}  // namespace epic::test
