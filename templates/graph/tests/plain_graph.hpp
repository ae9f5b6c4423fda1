#pragma once
// The same results from arrays, as a program without epic would compute them; and a graph to compute them of.

#include <algorithm>
#include <cstdint>
#include <map>
#include <string>
#include <utility>
#include <vector>

using EdgePairs = std::vector<std::pair<std::uint32_t, std::uint32_t>>;

/// Few vertices have many edges, and some numbers are no vertices.
inline EdgePairs make_edges(std::uint32_t vertices, std::uint32_t edges, std::uint64_t seed) {
  const auto draw = [&](std::uint64_t below) {
    seed = seed * 6364136223846793005 + 1442695040888963407;
    return static_cast<std::uint32_t>((seed >> 33) % below);
  };
  EdgePairs pairs;
  for (std::uint32_t edge = 0; edge < edges; ++edge) {
    const std::uint32_t from = draw(vertices);
    // Within a third of the graph, so that there are components; and rather low numbers.
    const std::uint32_t to = from % 3 + 3 * draw(1 + draw(1 + draw(vertices / 3)));
    pairs.emplace_back(from, to);
  }
  return pairs;
}

inline std::string text_of(const EdgePairs& edges) {
  std::string text = "# from to\n";
  for (const auto& [from, to] : edges) text += std::to_string(from) + "\t" + std::to_string(to) + "\n";
  return text;
}

inline std::map<std::uint32_t, double> rank_plainly(const EdgePairs& edges) {
  std::map<std::uint32_t, double> ranks;
  std::map<std::uint32_t, double> degrees;
  for (const auto& [from, to] : edges) {
    ranks[from] = ranks[to] = 0;
    ++degrees[from];
  }
  const auto count = static_cast<double>(ranks.size());
  for (auto& [vertex, rank] : ranks) rank = 1 / count;
  for (int step = 0; step < 200; ++step) {
    double dangling = 0;
    for (const auto& [vertex, rank] : ranks)
      if (!degrees.contains(vertex)) dangling += rank;
    std::map<std::uint32_t, double> next;
    for (const auto& [vertex, rank] : ranks) next[vertex] = 0.15 / count + 0.85 * dangling / count;
    for (const auto& [from, to] : edges) next[to] += 0.85 * ranks[from] / degrees[from];
    ranks = std::move(next);
  }
  return ranks;
}

/// The smallest vertex of each vertex's component.
inline std::map<std::uint32_t, std::uint32_t> find_components_plainly(const EdgePairs& edges) {
  std::map<std::uint32_t, std::uint32_t> parents;
  const auto root_of = [&](std::uint32_t vertex) {
    while (parents[vertex] != vertex) vertex = parents[vertex];
    return vertex;
  };
  for (const auto& [from, to] : edges) {
    parents.emplace(from, from);
    parents.emplace(to, to);
    const std::uint32_t one = root_of(from);
    const std::uint32_t other = root_of(to);
    parents[std::max(one, other)] = std::min(one, other);
  }
  std::map<std::uint32_t, std::uint32_t> components;
  for (const auto& [vertex, parent] : parents) components[vertex] = root_of(vertex);
  return components;
}
