#include "edge_list.hpp"

#include <fmt/core.h>

#include <algorithm>
#include <charconv>
#include <stdexcept>

namespace {

void skip_spaces(std::string_view& line) { line.remove_prefix(std::min(line.find_first_not_of(" \t"), line.size())); }

/// Takes a number off the front. False: there is none.
bool take_number(std::string_view& line, std::uint32_t& number) {
  skip_spaces(line);
  const auto [end, error] = std::from_chars(line.data(), line.data() + line.size(), number);
  if (error != std::errc() || number > kVertexMax) return false;
  line.remove_prefix(static_cast<std::size_t>(end - line.data()));
  return true;
}

/// Of the row that saves the part: its edges, and two results for each number of a vertex.
std::size_t count_bytes(const Part& part) {
  std::size_t size = 0;
  for (const Edges* edges : {&part.out, &part.in})
    for (const std::uint32_t vertex : edges->ends) size = std::max<std::size_t>(size, vertex + 1);
  return 8 * (part.out.ends.size() + part.in.ends.size()) + 16 * size;
}

}  // namespace

EdgeList read_edges(std::string_view text, std::uint32_t parts) {
  EdgeList list{.parts = std::vector<Part>(parts)};
  std::vector<bool> known;
  const auto know = [&](std::uint32_t vertex) {
    if (vertex >= known.size()) known.resize(vertex + 1);
    list.vertices += known[vertex] ? 0 : 1;
    known[vertex] = true;
  };
  for (std::int64_t number = 1; !text.empty(); ++number) {
    std::string_view line = text.substr(0, text.find('\n'));
    text.remove_prefix(std::min(line.size() + 1, text.size()));
    if (line.ends_with('\r')) line.remove_suffix(1);
    skip_spaces(line);
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
  if (list.edges == 0) throw std::invalid_argument("there are no edges");
  for (const Part& part : list.parts)
    if (count_bytes(part) > kPartBytesMax)
      throw std::invalid_argument(fmt::format("{} partitions are too few for {} edges of vertices up to {}", parts,
                                              list.edges, known.size() - 1));
  return list;
}
