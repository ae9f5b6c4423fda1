#pragma once
// read_edges: the text of an edge list, "from to" a line, cut into the parts of a graph. Lines that begin with # are
// comments, as in the files of Stanford's SNAP collection.
//
// Vertex v belongs to part v % parts, where it is number v / parts. So they should be numbered without large gaps.

#include <boost/describe/class.hpp>
#include <cstdint>
#include <string_view>
#include <vector>

inline constexpr std::uint32_t kVertexMax = 100'000'000;
inline constexpr std::size_t kPartBytesMax = 7'000'000;  // a saved state has at most 8 MiB

/// The edges of one part, by its vertices: from or to its vertex `ends[i]` (its number in the part) leads the edge to
/// or from vertex `others[i]` (of the graph).
struct Edges {
  std::vector<std::uint32_t> ends;
  std::vector<std::uint32_t> others;
};
BOOST_DESCRIBE_STRUCT(Edges, (), (ends, others))

struct Part {
  Edges out;
  Edges in;
};
BOOST_DESCRIBE_STRUCT(Part, (), (out, in))

struct EdgeList {
  std::vector<Part> parts;
  std::int64_t vertices = 0;  // that have an edge
  std::int64_t edges = 0;
};

/// Throws std::invalid_argument: with the number of the line, for what is not an edge; if there is none; and if a part
/// would be too large to be saved.
EdgeList read_edges(std::string_view text, std::uint32_t parts);
