#pragma once
// LineSplitter: splits the bytes of a pipe into lines.

#include <functional>
#include <string>
#include <string_view>

namespace epic::cluster {

class LineSplitter {
 public:
  /// A longer line is split into pieces of this size.
  static constexpr std::size_t kLineBytesMax = 64u << 10;

  explicit LineSplitter(std::function<void(std::string_view)> on_line) : on_line_(std::move(on_line)) {}

  void add(std::string_view bytes);
  /// The pipe has closed: the rest without a line break counts as a line.
  void end();

 private:
  std::function<void(std::string_view)> on_line_;
  std::string begun_;
};

}  // namespace epic::cluster
