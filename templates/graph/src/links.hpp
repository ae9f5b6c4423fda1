#pragma once
// Links: the edges of a part in the order in which messages are made of them. Those to one vertex are together, so a
// part sends one message to a vertex, however many of its own vertices have an edge to it.

#include <boost/describe/class.hpp>
#include <cstdint>
#include <vector>

#include "edge_list.hpp"

/// Messages for the vertices of one part.
struct Batch {
  std::vector<std::uint32_t> vertices;  // their numbers in the part
  std::vector<double> values;
};
BOOST_DESCRIBE_STRUCT(Batch, (), (vertices, values))

class Links {
 public:
  Links() = default;
  /// Also against the direction of edges, if that is meant.
  Links(const Part& part, std::uint32_t parts, bool is_undirected);

  /// Along how many edges a vertex sends.
  [[nodiscard]] std::uint32_t edges_of(std::uint32_t vertex) const { return edges_[vertex]; }
  /// Whether it is a vertex of the graph, or a gap in the numbers.
  [[nodiscard]] bool has(std::uint32_t vertex) const { return is_known_[vertex]; }
  /// One more than the largest number of a vertex.
  [[nodiscard]] std::uint32_t size() const { return static_cast<std::uint32_t>(edges_.size()); }

  /// A batch for each part. `send(vertex)`: what it sends, as a pointer; null: nothing.
  template <class Send, class Combine>
  [[nodiscard]] std::vector<Batch> collect(const Send& send, const Combine& combine) const {
    std::vector<Batch> batches(parts_);
    for (const Link& link : links_) {
      const double* const value = send(link.from);
      if (value == nullptr) continue;
      Batch& batch = batches[link.part];
      if (batch.vertices.empty() || batch.vertices.back() != link.to) {
        batch.vertices.push_back(link.to);
        batch.values.push_back(*value);
      } else {
        batch.values.back() = combine(batch.values.back(), *value);
      }
    }
    return batches;
  }

 private:
  struct Link {
    std::uint32_t part;
    std::uint32_t to;    // a vertex of that part
    std::uint32_t from;  // one of this part
    friend auto operator<=>(const Link&, const Link&) = default;
  };
  void add(const Edges& edges);

  std::uint32_t parts_ = 0;
  std::vector<Link> links_;  // sorted: sums are added up in the same order each time
  std::vector<std::uint32_t> edges_;
  std::vector<bool> is_known_;
};
