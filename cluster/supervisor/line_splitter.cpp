#include "cluster/supervisor/line_splitter.hpp"

#include <algorithm>
#include <utility>

namespace epic::cluster {

void LineSplitter::add(std::string_view bytes) {
  while (!bytes.empty()) {
    const auto end = bytes.find('\n');
    const bool is_whole = end != std::string_view::npos && begun_.size() + end <= line_bytes_max_;
    const std::string_view piece =
        bytes.substr(0, is_whole ? end : std::min(bytes.size(), line_bytes_max_ - begun_.size()));
    begun_ += piece;
    bytes.remove_prefix(piece.size() + (is_whole ? 1 : 0));
    if (is_whole || begun_.size() == line_bytes_max_) on_line_(std::exchange(begun_, {}));
  }
}

void LineSplitter::end() {
  if (!begun_.empty()) on_line_(std::exchange(begun_, {}));
}

}  // namespace epic::cluster
