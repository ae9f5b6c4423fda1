#include "io/last_words.hpp"

#include <fmt/format.h>

#include "files/private_files.hpp"
#include "protocol/log_line.hpp"

namespace epic::io {

std::filesystem::path last_words_of(const std::filesystem::path& run, kernel::NodeId node) {
  return run / fmt::format("node-{}.last", node);
}

std::string read_last_words(const std::filesystem::path& run, const kernel::PeerAddress& dead) {
  const auto text = files::read_file(last_words_of(run, dead.node));
  const std::string incarnation = fmt::format("{}\n", dead.life);
  return text && text->starts_with(incarnation) ? protocol::strip_controls(text->substr(incarnation.size())) : "";
}

}  // namespace epic::io
