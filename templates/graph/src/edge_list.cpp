#include "edge_list.hpp"

#include <fmt/core.h>

#include <algorithm>
#include <charconv>
#include <stdexcept>

namespace {

/// Takes a number off the front; spaces before it are skipped. False: there is none.
bool take_number(std::string_view& line, std::uint32_t& number) {
  line.remove_prefix(std::min(line.find_first_not_of(" \t"), line.size()));
  const auto [end, error] = std::from_chars(line.data(), line.data() + line.size(), number);
  if (error != std::errc() || number > kVertexMax) return false;
  line.remove_prefix(static_cast<std::size_t>(end - line.data()));
  return true;
}

}  // namespace

EdgeList read_edges(std::string_view text, std::uint32_t parts) {
  EdgeList list{.parts = std::vector<Part>(parts)};
  std::vector<bool> is_known;
  const auto know = [&](std::uint32_t vertex) {
    if (vertex >= is_known.size()) is_known.resize(vertex + 1);
    list.vertices += is_known[vertex] ? 0 : 1;
    is_known[vertex] = true;
  };
  for (std::int64_t number = 1; !text.empty(); ++number) {
    std::string_view line = text.substr(0, text.find('\n'));
    text.remove_prefix(std::min(line.size() + 1, text.size()));
    if (line.ends_with('\r')) line.remove_suffix(1);
    if (line.empty() || line.starts_with('#')) continue;

    std::uint32_t from = 0;
    std::uint32_t to = 0;
    if (!take_number(line, from) || !take_number(line, to) || line.find_first_not_of(" \t") != line.npos)
      throw std::invalid_argument(
          fmt::format("line {} is not an edge: two numbers up to {} are expected", number, kVertexMax));
    Edges& out = list.parts[from % parts].out;
    out.ends.push_back(from / parts);
    out.others.push_back(to);
    Edges& in = list.parts[to % parts].in;
    in.ends.push_back(to / parts);
    in.others.push_back(from);
    know(from);
    know(to);
    ++list.edges;
  }
  return list;
}
