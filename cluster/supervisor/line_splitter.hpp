#pragma once
// LineSplitter: bytes of a pipe to lines.

#include <functional>
#include <string>
#include <string_view>

namespace epic::cluster {

class LineSplitter {
 public:
  /// A longer line comes out in pieces of this size.
  static constexpr std::size_t kLineBytesMax = 64u << 10;

  explicit LineSplitter(std::function<void(std::string_view)> on_line) : on_line_(std::move(on_line)) {}

  void add(std::string_view bytes);
  /// The pipe is closed: what has no line break is a line as well.
  void end();

 private:
  std::function<void(std::string_view)> on_line_;
  std::string begun_;
};

}  // namespace epic::cluster
