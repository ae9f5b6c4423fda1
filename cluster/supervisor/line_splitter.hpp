#pragma once
// LineSplitter: splits the bytes of a pipe into lines.

#include <functional>
#include <string>
#include <string_view>

namespace epic::cluster {

class LineSplitter {
 public:
  /// The bound of a line, whatever writes it.
  static constexpr std::size_t kLineBytesMax = 64u << 10;

  /// A longer line is split into pieces of `line_bytes_max`.
  explicit LineSplitter(std::function<void(std::string_view)> on_line, std::size_t line_bytes_max = kLineBytesMax)
      : on_line_(std::move(on_line)), line_bytes_max_(line_bytes_max) {}

  void add(std::string_view bytes);
  /// The pipe has closed: the rest without a line break counts as a line.
  void end();

 private:
  std::function<void(std::string_view)> on_line_;
  std::size_t line_bytes_max_;
  std::string begun_;
};

}  // namespace epic::cluster
