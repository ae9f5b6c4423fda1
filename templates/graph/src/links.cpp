#include "links.hpp"

#include <algorithm>

Links::Links(const Part& part, std::uint32_t parts, bool is_undirected) : parts_(parts) {
  std::uint32_t size = 0;
  for (const Edges* edges : {&part.out, &part.in})
    for (const std::uint32_t vertex : edges->ends) size = std::max(size, vertex + 1);
  edges_.resize(size);
  is_known_.resize(size);
  for (const Edges* edges : {&part.out, &part.in})
    for (const std::uint32_t vertex : edges->ends) is_known_[vertex] = true;
  add(part.out);
  if (is_undirected) add(part.in);
  std::ranges::sort(links_);
}

void Links::add(const Edges& edges) {
  for (std::size_t i = 0; i < edges.ends.size(); ++i) {
    links_.push_back({.part = edges.others[i] % parts_, .to = edges.others[i] / parts_, .from = edges.ends[i]});
    ++edges_[edges.ends[i]];
  }
}
